"""``undo``: after it, every attribute is what it was, as far as nobody else has been there since."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from files import keep_first_rows
from shell import Example, Serve

from leanplum_sync.wire.profile import Profile, read_profile
from leanplum_sync.wire.values import ABSENT, canonical

UNDO = ".leanplum-sync/undo-1.lpplan"


def state_in(snapshot: Path) -> dict[str, Any]:
    """Return what the API can't tell apart as equal values: attributes and ``created`` of every user."""
    profiles: dict[str, Profile] = {}
    for line in snapshot.read_text().splitlines():
        element = json.loads(line)
        profiles[element["userId"]] = read_profile(element)
    return {
        user: (
            profile.fields.get("created"),
            {
                name: canonical(value)
                for name, value in profile.attributes.items()
                if canonical(value) != ABSENT
            },
        )
        for user, profile in profiles.items()
    }


@pytest.mark.slow
def test_undoing_the_loyalty_example_restores_every_attribute(example: Example, serve: Serve) -> None:
    shell = example("loyalty-migration")
    keep_first_rows(shell.folder / "data" / "customers.csv", 500)
    shell.go_live(serve(seeds=shell.seeds))
    behind_the_latest_plan = shell.folder / ".leanplum-sync" / "live.snapshot.ndjson"
    first = shell.json("plan", "--observed", "live", "--out", "a.lpplan")
    before = state_in(behind_the_latest_plan.rename(shell.folder / "first.ndjson"))
    # What is counted once is not counted again, so without it the plans can be the same to the last change.
    repeatable = ("--exclude", "UserAttributes/launch-evening")
    planned = shell.json("plan", "--observed", "first.ndjson", "--out", "b.lpplan", *repeatable)
    assert planned["users"]["changed"] == first["users"]["changed"] > 300

    shell.run("apply", "a.lpplan", "--yes", "--verify", "none")
    shell.run("undo", "1")
    shell.run("apply", UNDO, "--yes", "--verify", "none")

    again = shell.json("plan", "--observed", "live", "--out", "c.lpplan", *repeatable)
    assert state_in(behind_the_latest_plan) == before
    assert again["digest"] == planned["digest"]


@pytest.mark.sampled
def test_who_moved_on_since_the_run_is_listed_and_left_alone(example: Example, serve: Serve) -> None:
    shell = example("loyalty-migration")
    keep_first_rows(shell.folder / "data" / "customers.csv", 39)
    shell.go_live(serve(seeds=shell.seeds))
    snapshot = ("pull", "--from", "data/customers.csv", "--id", "customer_id", "--out")
    shell.run(*snapshot, "before.ndjson")
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes", "--verify", "none")
    shell.run("call", "setUserAttributes", "userId=00004", 'userAttributes={"order_count": 999}', "--yes")

    made = shell.run("undo", "1")
    assert (
        "1 user has changed since the run and is left alone: see .leanplum-sync/undo-1.moved.csv"
        in made.stderr
    )
    assert (shell.folder / ".leanplum-sync" / "undo-1.moved.csv").read_text() == "userId,deviceId\n00004,\n"
    shell.run("apply", UNDO, "--yes", "--verify", "all")

    shell.run(*snapshot, "after.ndjson")
    before, after = (state_in(shell.folder / file) for file in ("before.ndjson", "after.ndjson"))
    _, attributes = after.pop("00004")
    assert attributes["order_count"] == canonical(999)
    before.pop("00004")
    assert after == before


def test_a_message_is_not_undone_and_that_is_said(example: Example, serve: Serve) -> None:
    shell = example("one-off-send")
    shell.go_live(serve(seeds=shell.seeds))
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")
    undone = shell.json("undo", "1")
    assert undone["actions"] == 0
    (note,) = undone["notes"]
    assert note["count"] == 39
    assert "can't be unsent" in note["sentence"]


def test_without_the_runs_own_plan_nothing_is_undone(example: Example, serve: Serve) -> None:
    shell = example("one-off-send")
    shell.go_live(serve(seeds=shell.seeds))
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")
    assert "no run 8" in shell.run("undo", "8", code=64).stderr
    shell.run("plan", "--out", "b.lpplan")
    assert "is not the plan that run 1" in shell.run("undo", "1", "--plan", "b.lpplan", code=7).stderr
    for kept in (shell.folder / ".leanplum-sync" / "applied").iterdir():
        kept.unlink()
    assert "--plan" in shell.run("undo", "1", code=7).stderr
    assert not (shell.folder / UNDO).exists()


@pytest.mark.parametrize("state", ["sent", "in doubt", "held"])
def test_while_a_request_may_still_take_effect_nothing_is_undone(
    example: Example, serve: Serve, state: str
) -> None:
    shell = example("one-off-send")
    shell.go_live(serve(seeds=shell.seeds))
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")

    def leave(asked_at: float) -> None:
        """As a run that was killed leaves its first batch."""
        with sqlite3.connect(shell.journal) as connection:
            doubted_at = None if state == "sent" else asked_at
            connection.execute(
                "UPDATE batch SET state = ?, sent_at = ?, doubted_at = ? WHERE sequence = 1",
                (state, asked_at, doubted_at),
            )
        connection.close()

    leave(time.time() + 600)
    refused = shell.run("undo", "1", code=5)
    assert "its request may still take effect until" in refused.stderr
    assert not (shell.folder / UNDO).exists()
    leave(time.time() - 600)
    shell.run("undo", "1")
