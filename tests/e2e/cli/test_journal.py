"""``journal``: list, show, verify, export."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from shell import Command

PLAN = ".leanplum-sync/sandbox.lpplan"


@pytest.fixture
def applied(shop_that_sends: Path, command: Command) -> Path:
    assert command("plan").returncode in (0, 6)
    done = command("apply", PLAN, "--yes", "--ack", "sends=2")
    assert done.returncode in (0, 4), done.stderr
    return shop_that_sends


def test_runs_are_listed_and_shown(applied: Path, command: Command) -> None:
    listed = json.loads(command("journal", "list", "-o", "json").stdout)["runs"]
    assert [run["run"] for run in listed] == [1]
    shown = json.loads(command("journal", "show", "1", "-o", "json").stdout)
    assert sum(shown["fates"].values()) == shown["actions"] == listed[0]["actions"]
    assert len(shown["entries"]) == shown["batches"]
    text = command("journal", "show", "1").stdout
    assert text.startswith("Run 1 in sandbox: ")
    assert f"{shown['batches']} of {shown['batches']} started" in text
    assert command("journal", "list").stdout.splitlines()[1].split()[:2] == ["1", "finished"]


def test_a_run_that_is_not_there_is_told(applied: Path, command: Command) -> None:
    for verb in ("show", "export"):
        done = command("journal", verb, "9")
        assert done.returncode == 64
        assert "no run 9" in done.stderr


def test_without_a_journal_nothing_is_listed_and_none_is_made(shop: Path, command: Command) -> None:
    assert command("journal", "list").stdout == "No runs yet: nothing has been applied with this journal.\n"
    assert command("journal", "verify").returncode == 0
    assert command("journal", "export").stdout == ""
    assert not (shop / ".leanplum-sync" / "journal.db").exists()


def test_the_export_is_the_same_in_both_formats_and_holds_every_record(
    applied: Path, command: Command
) -> None:
    lines = [json.loads(line) for line in command("journal", "export").stdout.splitlines()]
    counted = Counter(line["record"] for line in lines)
    assert counted["run"] == 1
    assert counted["delivery"] == 2
    assert counted["batch"] == lines[0]["batches"]
    done = [line for line in lines if line["record"] == "batch" and line["state"] == "done"]
    assert done
    assert not any(line["message"] for line in done)
    assert command("journal", "export", "1", "--out", "all.parquet").returncode == 0
    query = "SELECT record, count(*) FROM read_parquet(?) GROUP BY record"
    with duckdb.connect() as database:
        rows = database.execute(query, [str(applied / "all.parquet")]).fetchall()
    assert dict(rows) == counted
    assert command("journal", "export", "--out", "all.csv").returncode == 64


def test_a_journal_that_a_run_wrote_agrees_with_itself(applied: Path, command: Command) -> None:
    done = command("journal", "verify")
    assert (done.returncode, done.stdout) == (
        0,
        "The journal .leanplum-sync/journal.db is consistent.\n",
    )


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE batch SET state = 'sent' WHERE sequence = 1", "is sent, which contradicts its counts"),
        ("UPDATE batch SET done = done - 1 WHERE sequence = 1", "has the wrong number of outcomes"),
        ("UPDATE batch SET rejected = 1, done = done - 1 WHERE sequence = 1", "but lists 0"),
        ("UPDATE batch SET open_actions = '[1]' WHERE sequence = 1", "has the wrong number of open actions"),
        ("UPDATE batch SET sent_count = 1 WHERE sequence = 1", "more actions in flight"),
        ("UPDATE batch SET run = 5 WHERE sequence = 1", "belongs to a run that is not"),
        ("UPDATE run SET actions = 1", "but was started with 1"),
        ("UPDATE run SET batches = 1", "a number above the count of batches of its run, 1"),
        ("DELETE FROM batch WHERE sequence = 1", "is finished, but"),
        ("UPDATE delivery SET state = 'sent'", "with the state sent, but the batch is done"),
        ("UPDATE delivery SET state = 'held'", "with the state held, but"),
        ("UPDATE delivery SET state = 'dropped'", "with the state dropped, but"),
        ("UPDATE delivery SET sequence = 99", "there is no such batch"),
    ],
)
def test_what_does_not_agree_is_told(damage: str, said: str, applied: Path, command: Command) -> None:
    with sqlite3.connect(applied / ".leanplum-sync" / "journal.db") as journal:
        journal.execute("UPDATE run SET state = 'finished'")
        journal.execute(damage)
    journal.close()
    done = command("journal", "verify")
    assert done.returncode == 7
    assert said in " ".join(done.stdout.split())
    assert json.loads(command("journal", "verify", "-o", "json").stdout)["isSound"] is False


@pytest.mark.parametrize(
    ("damage", "cell"),
    [
        ("UPDATE batch SET state = 'gone' WHERE sequence = 1", "batch.state"),
        ("UPDATE run SET state = 'asleep'", "run.state"),
        ("UPDATE delivery SET state = 'lost'", "delivery.state"),
    ],
)
def test_a_cell_that_cannot_be_is_named_without_its_value(
    damage: str, cell: str, applied: Path, command: Command
) -> None:
    with sqlite3.connect(applied / ".leanplum-sync" / "journal.db") as journal:
        journal.execute(damage)
    journal.close()
    done = command("journal", "verify")
    assert done.returncode == 7
    assert f"is damaged: {cell} has an invalid value" in done.stderr
