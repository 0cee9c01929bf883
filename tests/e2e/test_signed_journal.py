"""With a key, the commands refuse a journal that was altered, or created without the key, until a person has it signed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from files import csv_of_ids, write_files
from hello import HELLO, send_hello
from shell import Serve, Served, Shell
from tiers import silver

from leanplum_sync.encryption import KEY_VARIABLE, new_key

USERS = [f"u{number:03}" for number in range(60)]  # two batches
PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: signed}
spec:
  journal: ./journal.db
  environments: {live: {appId: app_emulator, budget: {sends: 1000}}}
  defaultEnvironment: live
  limits: {concurrency: 1, requestsPerSecond: 1000}
"""
PLAN = ("plan", "--out", "a.lpplan")
APPLY = ("apply", "a.lpplan", "--yes", "--new-journal", "--recheck", "off", "--verify", "none")


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(HELLO, *silver(USERS))


@pytest.fixture
def shell(tmp_path: Path, served: Served) -> Shell:
    folder = tmp_path / "one"
    spec = send_hello("{file: ../users.csv, id: id}")
    write_files(
        folder, {"leanplum-sync.yaml": PROJECT, "specs/spec.yaml": spec, "users.csv": csv_of_ids(USERS)}
    )
    return Shell(folder, dict(served.guarded))


def alter(shell: Shell, statement: str) -> None:
    with closing(sqlite3.connect(shell.folder / "journal.db")) as journal, journal:
        assert journal.execute(statement).rowcount


def on_journal(shell: Shell, code: int = 0) -> str:
    """Return what ``doctor`` says about the journal."""
    found = {each["about"]: each for each in shell.json("doctor", code=code)["findings"]}
    assert found["journal"]["level"] == ("bad" if code else "ok")
    return str(found["journal"]["sentence"])


def test_an_altered_batch_is_named_and_nothing_is_sent_again(shell: Shell, served: Served) -> None:
    shell.environ[KEY_VARIABLE] = new_key()
    shell.run(*PLAN)
    shell.run(*APPLY)
    alter(shell, "UPDATE delivery SET state = 'dropped' WHERE subject = 'user:u000'")
    for command in (PLAN, ("journal", "show", "1"), ("journal", "export")):
        refused = " ".join(shell.run(*command, code=7).stderr.split())
        assert f"journal.db: batch 1 of run 1 was altered, or written without {KEY_VARIABLE}." in refused
        assert "Restore the journal from a backup." in refused
    alter(shell, "DELETE FROM delivery WHERE sequence = 1")
    alter(shell, "DELETE FROM batch WHERE sequence = 1")
    for command in (PLAN, APPLY, ("status",)):
        assert "run 1 has the wrong number of batches: 1, not 2" in " ".join(
            shell.run(*command, code=7).stderr.split()
        )
    found = shell.json("journal", "verify", code=7)["faults"]
    assert "has the wrong number of batches: 1, not 2" in [each["fault"] for each in found]
    assert served.sends() == dict.fromkeys(USERS, 1)


def test_a_journal_begun_without_the_key_is_signed_once(shell: Shell, served: Served) -> None:
    shell.run(*PLAN)
    shell.run(*APPLY)
    key = shell.environ[KEY_VARIABLE] = new_key()
    refused = " ".join(shell.run(*PLAN, code=7).stderr.split())
    assert f"was created without {KEY_VARIABLE}, so altered records would not be noticed" in refused
    assert "sign it: leanplum-sync journal sign" in refused
    (fault,) = shell.json("journal", "verify", code=7)["faults"]
    assert fault["fault"].startswith(f"was created without {KEY_VARIABLE}")
    assert "sign it: leanplum-sync journal sign" in on_journal(shell, code=7)
    assert "is signed: 1 run, 2 batches." in shell.run("journal", "sign").stderr
    assert shell.json("journal", "verify")["isSound"]
    assert "is not in use" in on_journal(shell)
    assert shell.json(*PLAN)["actions"] == 0

    write_files(shell.folder, {"users.csv": csv_of_ids([*USERS, "u999"])})
    shell.run(*PLAN)
    del shell.environ[KEY_VARIABLE]
    assert f"but {KEY_VARIABLE} is not set" in shell.run("journal", "upgrade", code=9).stderr
    shell.environ[KEY_VARIABLE] = new_key()
    assert "is signed with the key" in shell.run("status", code=9).stderr
    assert "is signed with the key" in on_journal(shell, code=9)
    shell.environ[KEY_VARIABLE] = key
    shell.run(*APPLY)
    assert shell.json("journal", "verify")["isSound"]
    assert served.sends() == dict.fromkeys(USERS, 1)


def test_a_rebuilt_journal_is_signed(shell: Shell) -> None:
    shell.environ[KEY_VARIABLE] = new_key()
    shell.run(*PLAN)
    shell.run(*APPLY)
    for path in shell.folder.glob("journal.db*"):
        path.unlink()
    shell.run("journal", "rebuild")
    assert shell.json("journal", "verify")["isSound"]
    assert shell.json(*PLAN)["actions"] == 0
