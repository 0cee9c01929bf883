"""``undo``: after it, every attribute is what it was, as far as nobody else has been there since."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shell import Served, Shell

from leanplum_sync.wire.profile import Profile, read_profile
from leanplum_sync.wire.values import ABSENT, canonical

Example = Callable[[str], Shell]
Serve = Callable[..., Served]
LIVE = """  environments:
    live:
      appId: {env: LEANPLUM_APP_ID}
      budget: {sends: 100, removals: 1000000}
      limits: {requestsPerSecond: 1000}
"""
UNDO = ".leanplum-sync/undo-1.lpplan"


def against(shell: Shell, served: Served) -> Shell:
    project = shell.folder / "leanplum-sync.yaml"
    text = project.read_text().replace("defaultEnvironment: sandbox", "defaultEnvironment: live")
    project.write_text(text.replace("  environments:\n", LIVE))
    shell.environ = served.environ
    return shell


def seeds(shell: Shell) -> list[Path]:
    return sorted((shell.folder / "seed").glob("*.ndjson*"))


def everybody(shell: Shell, file: str) -> dict[str, Any]:
    """Return what the API can't tell apart as equal values: attributes and ``created`` of every user."""
    shell.run("pull", "--out", file)
    profiles: dict[str, Profile] = {}
    for line in (shell.folder / file).read_text().splitlines():
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
def test_undoing_the_loyalty_example_restores_every_attribute_but_of_those_who_moved_on(
    example: Example, serve: Serve
) -> None:
    shell = example("loyalty-migration")
    against(shell, serve(seeds=seeds(shell)))
    before = everybody(shell, "before.ndjson")
    first = shell.json("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes", "--verify", "none")
    assert everybody(shell, "applied.ndjson") != before
    shell.run("call", "setUserAttributes", "userId=00004", 'userAttributes={"order_count": 999}', "--yes")

    made = shell.run("undo", "1")
    assert "1 user moved on since the run: .leanplum-sync/undo-1.moved.csv" in made.stderr
    assert (shell.folder / ".leanplum-sync" / "undo-1.moved.csv").read_text() == "userId,deviceId\n00004,\n"
    shell.run("apply", UNDO, "--yes", "--verify", "all")

    after = everybody(shell, "after.ndjson")
    moved = after.pop("00004")
    assert moved[1]["order_count"] == canonical(999)
    before.pop("00004")
    assert after == before
    # What the specs ask for now is what they asked for then; only what was counted once is not counted again.
    again = shell.json("plan", "--out", "b.lpplan")
    assert again["users"]["listed"] == first["users"]["listed"]
    assert again["actions"] >= first["actions"] - 4


def test_a_message_is_not_undone_and_that_is_said(example: Example, serve: Serve) -> None:
    shell = example("one-off-send")
    against(shell, serve(seeds=seeds(shell)))
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")
    undone = shell.json("undo", "1")
    assert undone["actions"] == 0
    (note,) = undone["notes"]
    assert note["count"] == 39
    assert "can't be taken back" in note["sentence"]


def test_without_the_runs_own_plan_nothing_is_undone(example: Example, serve: Serve) -> None:
    shell = example("one-off-send")
    against(shell, serve(seeds=seeds(shell)))
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")
    assert "no run 8" in shell.run("undo", "8", code=64).stderr
    shell.run("plan", "--out", "b.lpplan")
    assert "is not the plan that run 1" in shell.run("undo", "1", "--plan", "b.lpplan", code=7).stderr
    for kept in (shell.folder / ".leanplum-sync" / "applied").iterdir():
        kept.unlink()
    assert "--plan" in shell.run("undo", "1", code=7).stderr
    assert not (shell.folder / UNDO).exists()
