"""A machine vanishes after a run. Another one, with only the checkout and the shared journal, continues, explains and undoes it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from files import csv_of_ids, write_files
from hello import HELLO, send_hello
from journals import shift_doubts
from shell import Serve, Served, Shell
from tiers import TIERS, silver

from leanplum_sync.encryption import new_key

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("backend", ["postgresql"])]

USERS = [f"u{number:02}" for number in range(20)]
PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shared}
spec:
  journal: {env: LEANPLUM_SYNC_JOURNAL}
  environments: {live: {appId: app_emulator, budget: {sends: 100}}}
  defaultEnvironment: live
  limits: {requestsPerSecond: 1000}
"""
FILES = {
    "leanplum-sync.yaml": PROJECT,
    "specs/tiers.yaml": TIERS,
    "specs/hello.yaml": send_hello("{file: ../users.csv, id: id}"),
    "users.csv": csv_of_ids(USERS),
}
ONLY_HERE = "LEANPLUM_SYNC_PLAN_KEY is not set, so applied plans are kept only on this machine: no other machine can resume or undo their runs."

Machine = Callable[..., Shell]


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(HELLO, *silver(USERS))


@pytest.fixture
def machine(tmp_path: Path, served: Served, journal_location: str) -> Machine:
    """Return a machine with a fresh checkout. The one before it is gone, with all its files."""
    folder = tmp_path / "checkout"
    environ = {**served.environ, "LEANPLUM_SYNC_JOURNAL": journal_location}
    environ["LEANPLUM_SYNC_PLAN_KEY"] = new_key()

    def fresh(**variables: str) -> Shell:
        shutil.rmtree(folder, ignore_errors=True)
        write_files(folder, FILES)
        return Shell(folder, environ | variables)

    return fresh


def test_held_sends_are_decided_and_sent_and_the_run_is_undone_by_machines_that_never_saw_the_plan(
    machine: Machine, served: Served, journal_location: str
) -> None:
    shell = machine()
    shell.run("plan", "--out", "a.lpplan")
    served.faults("cut-before:action=sendMessage,times=1")
    shell.run("apply", "a.lpplan", "--yes", code=5)
    held = shell.folder / ".leanplum-sync" / "run-1.held.MessageSend-hello.csv"
    rows = held.read_bytes()
    shift_doubts(journal_location, -3600, shell.environ["LEANPLUM_SYNC_PLAN_KEY"])

    decided = machine().run("resolve", "1", "--again", "--yes")
    assert "journal fetch 1 && leanplum-sync apply .leanplum-sync/run-1.lpplan --resume" in decided.stderr, (
        decided.stderr
    )

    shell = machine()
    fetched = shell.run("journal", "fetch").stdout.splitlines()
    leftovers = ["run-1.held.MessageSend-hello.csv", "run-1.held.UserAttributes-tiers.csv"]
    names = ["run-1.lpplan", *leftovers, "run-1.receipt.json"]
    assert fetched == [f".leanplum-sync/{name}" for name in names]
    assert held.read_bytes() == rows
    assert held.stat().st_mode & 0o777 == 0o600
    assert "gold" in shell.run("explain", fetched[0], USERS[0]).stdout
    assert served.sends() == {}
    receipt = shell.json("apply", fetched[0], "--resume", "--yes")
    assert receipt["run"] == 1
    assert served.sends() == dict.fromkeys(USERS, 1)

    shell = machine()
    assert shell.run("journal", "fetch", "1", "--out", "found").stdout.splitlines() == [
        "found/run-1.lpplan",
        "found/run-1.receipt.json",  # of the whole run: nothing is held any more
    ]
    shell = machine()
    undo = shell.json("undo", "1", "--out", "undo.lpplan")
    assert undo["users"]["changed"] == len(USERS)
    shell.run("apply", "undo.lpplan", "--yes")
    assert shell.json("plan", "--out", "b.lpplan")["users"]["changed"] == len(USERS)


def test_no_value_is_in_clear_in_the_database(machine: Machine, journal_location: str) -> None:
    shell = machine()
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")
    with psycopg.connect(journal_location) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'leanplum_sync'"
        ).fetchall()
        cells = [
            bytes(cell) if isinstance(cell, bytes | memoryview) else str(cell).encode()
            for (table,) in tables
            for row in connection.execute(f"SELECT * FROM leanplum_sync.{table}").fetchall()
            for cell in row
        ]
    assert any(len(cell) > 10_000 for cell in cells), "the plan is there"
    assert not [cell for cell in cells if b"gold" in cell or b"silver" in cell]


def test_without_a_key_plans_stay_on_the_machine_which_is_said(machine: Machine) -> None:
    shell = machine(LEANPLUM_SYNC_PLAN_KEY="")
    shell.run("plan", "--out", "a.lpplan")
    for command in (("apply", "a.lpplan", "--yes"), ("status",), ("doctor", "--for", "apply")):
        done = shell.run(*command)
        assert ONLY_HERE in " ".join((done.stdout + done.stderr).split()), command
    refused = machine(LEANPLUM_SYNC_PLAN_KEY="").run("undo", "1", code=7)
    assert "and the journal has no copy of it" in refused.stderr
    refused = machine(LEANPLUM_SYNC_PLAN_KEY="").run("journal", "fetch", code=7)
    assert "The journal doesn't keep any files of run 1." in refused.stderr


def test_the_wrong_key_is_named(machine: Machine) -> None:
    shell = machine()
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")
    refused = machine(LEANPLUM_SYNC_PLAN_KEY=new_key()).run("undo", "1", code=9)
    assert "is signed with the key" in refused.stderr


def test_prune_deletes_what_is_kept_in_the_journal_and_leaves_its_records(machine: Machine) -> None:
    shell = machine()
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")
    assert "journal" not in shell.run("journal", "prune").stderr
    pruned = machine().run("journal", "prune", "--older-than", "0s")
    assert "Deleted 2 files of runs from the shared journal." in pruned.stderr
    assert [run["run"] for run in shell.json("status")["runs"]] == [1]
    machine().run("undo", "1", code=7)


def test_a_journal_that_can_not_keep_the_plan_stops_the_run_before_anything_is_sent(
    machine: Machine, served: Served, journal_location: str
) -> None:
    shell = machine()
    shell.run("status")
    shell.run("plan", "--out", "a.lpplan")
    shell.run("journal", "upgrade")
    with psycopg.connect(journal_location) as connection:
        connection.execute("ALTER TABLE leanplum_sync.kept_chunk ADD CHECK (length(sealed) < 10)")
    refused = shell.run("apply", "a.lpplan", "--yes", code=7)
    assert "nothing was sent" in refused.stderr
    assert "multi" not in served.counts()["requests"]["byAction"]
