"""A plan that is too old is refused, what moved since is listed as a source, and kept plans go when nobody needs them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from shell import Command

PLAN = ".leanplum-sync/sandbox.lpplan"
DAY = 86400


@pytest.fixture
def limited(shop: Path) -> Path:
    """Plans of this project may be applied for an hour."""
    project = shop / "leanplum-sync.yaml"
    project.write_text(project.read_text() + "  limits: {planHours: 1}\n")
    return shop


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    from leanplum_sync.clock import SystemClock  # noqa: PLC0415 - the class whose time runs ahead

    now = SystemClock.now
    monkeypatch.setattr(SystemClock, "now", lambda clock: now(clock) + seconds)


def test_a_plan_is_applied_within_its_time_and_refused_after_it(
    limited: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("plan").returncode == 0
    later(monkeypatch, 2 * 3600)
    refused = command("apply", PLAN, "--yes")
    assert refused.returncode == 7
    assert "has expired: it was made at 20" in refused.stderr
    assert "2 h ago, but plans may only be applied for 1 h. Nothing was sent." in refused.stderr
    assert f"leanplum-sync plan -e sandbox --out {PLAN}" in refused.stderr
    assert "No runs yet" in command("status").stdout
    assert command("plan", "-e", "sandbox", "--out", PLAN).returncode == 0
    assert command("apply", PLAN, "--yes").returncode == 0


@pytest.mark.parametrize(("max_age", "code"), [("3h", 0), ("90m", 7)])
def test_the_option_counts_before_the_project(
    max_age: str, code: int, limited: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("plan")
    later(monkeypatch, 2 * 3600)
    assert command("apply", PLAN, "--yes", "--max-age", max_age).returncode == code


def test_without_a_limit_a_plan_of_any_age_is_applied_and_who_moved_since_is_a_source(
    shop: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("plan")
    moved = 'userAttributes={"loyalty_points": 7}'
    assert command("call", "setUserAttributes", "userId=00001", moved, "--yes").returncode == 0
    later(monkeypatch, 400 * DAY)
    done = command("apply", PLAN, "--yes", "-o", "json")
    assert done.returncode == 4
    receipt = json.loads(done.stdout)
    assert [entry["subject"] for entry in receipt["exceptions"]] == ["user:00001"]
    assert "changed by someone else since the plan was made: " in receipt["exceptions"][0]["message"]
    (rows,) = (shop / ".leanplum-sync").glob("run-1.conflicting.*.csv")
    assert rows.read_text().splitlines()[1].startswith("00001,")


def test_plans_that_may_be_resumed_or_undone_are_kept_and_the_others_go(shop: Path, command: Command) -> None:
    command("plan")
    command("apply", PLAN, "--yes")
    (kept,) = (shop / ".leanplum-sync" / "applied").iterdir()
    pruned = command("journal", "prune")
    assert (pruned.returncode, pruned.stdout, kept.exists()) == (0, "", True)
    for state, ended_days_ago, goes in (
        ("partial", 100, False),
        ("finished", 80, False),
        ("finished", 100, True),
    ):
        with closing(sqlite3.connect(shop / ".leanplum-sync" / "journal.db")) as journal, journal:
            journal.execute(
                "UPDATE run SET state = ?, ended_at = started_at - ?", (state, ended_days_ago * DAY)
            )
        pruned = command("journal", "prune")
        assert kept.exists() != goes
    assert pruned.stdout == f".leanplum-sync/applied/{kept.name}\n"
    assert "which holds the values to restore" in command("undo", "1").stderr


def test_a_plan_that_no_run_knows_is_kept(shop: Path, command: Command) -> None:
    other = shop / ".leanplum-sync" / "applied" / "0123456789ab.lpplan"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"of another journal")
    assert command("journal", "prune", "--older-than", "0s").returncode == 0
    assert other.exists()


def test_a_journal_is_upgraded_by_the_verb_that_says_so(shop: Path, command: Command) -> None:
    command("plan")
    command("apply", PLAN, "--yes")
    with closing(sqlite3.connect(shop / ".leanplum-sync" / "journal.db")) as journal, journal:
        journal.execute("DROP TABLE footprint")
        journal.execute("UPDATE journal_version SET version = 1")
    refused = command("status")
    assert (refused.returncode, "leanplum-sync journal upgrade" in refused.stderr) == (7, True)
    assert command("journal", "upgrade").returncode == 0
    assert command("status").returncode == 0
