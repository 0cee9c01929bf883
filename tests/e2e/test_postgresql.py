"""A journal on PostgreSQL is a journal for every verb: canary, resolve, undo, and what `journal` tells."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from files import csv_of_ids, write_files
from hello import HELLO, send_hello
from journals import shift_doubts
from shell import Serve, Served, Shell
from tiers import silver

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("backend", ["postgresql"])]

USERS = [f"u{number:02}" for number in range(20)]
PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shared}
spec:
  journal: {env: LEANPLUM_SYNC_JOURNAL}
  environments: {live: {appId: app_emulator, budget: {sends: 100}}}
  limits: {requestsPerSecond: 1000}
"""
TIERS = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: {file: ../users.csv, id: id}
  attributes: {tier: gold, badge: {value: new, when: absent}}
"""


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(HELLO, *silver(USERS))


@pytest.fixture
def shell(tmp_path: Path, served: Served, journal_location: str) -> Shell:
    folder = tmp_path / "project"
    files = {
        "leanplum-sync.yaml": PROJECT,
        "specs/tiers.yaml": TIERS,
        "specs/hello.yaml": send_hello("{file: ../users.csv, id: id}"),
        "users.csv": csv_of_ids(USERS),
    }
    write_files(folder, files)
    return Shell(folder, {**served.environ, "LEANPLUM_SYNC_JOURNAL": journal_location})


def test_a_canary_goes_first_and_what_it_leaves_is_held_decided_resumed_and_told(
    shell: Shell, served: Served, journal_location: str
) -> None:
    shell.run("plan", "--out", "a.lpplan")
    canary = shell.json("apply", "a.lpplan", "--yes", "--canary", "5")
    assert canary["actions"]["done"] == 10
    assert canary["actions"]["not sent"] == 30
    assert list(served.sends().values()) == [1] * 5

    served.faults("cut-after:action=sendMessage,times=1")
    rest = shell.json("apply", "a.lpplan", "--yes", "--resume", code=5)
    assert (rest["actions"]["done"], rest["actions"]["held"]) == (25, 15)
    held = [entry["subject"].removeprefix("user:") for entry in shell.json("status")["held"]]
    assert len(held) == 15
    shift_doubts(journal_location, 3600)
    assert "may still take effect until" in shell.run("resolve", "1", "--done", "--yes", code=5).stderr
    shift_doubts(journal_location, -7200)
    one = shell.json("resolve", "1", "--drop", "--user", held[0], "--yes", code=5)
    assert (one["actions"], one["stillHeld"]) == (1, 14)
    shell.run("resolve", "1", "--done", "--yes")
    assert shell.json("status")["held"] == []
    assert served.sends() == dict.fromkeys(USERS, 1)

    (listed,) = shell.json("journal", "list")["runs"]
    assert (listed["run"], listed["state"]) == (1, "finished")
    shown = shell.json("journal", "show", "1")
    assert (shown["fates"]["done"], shown["fates"]["skipped"]) == (39, 1)
    assert shell.json("journal", "verify")["faults"] == []
    shell.run("journal", "export", "--out", "all.parquet")
    counts = dict(
        duckdb.sql(
            f"SELECT record, count(*) FROM '{shell.folder / 'all.parquet'}' GROUP BY record"
        ).fetchall()
    )
    assert (counts["run"], counts["delivery"], counts["exception"]) == (1, 20, 1)
    lines = shell.run("journal", "export", "1").stdout.splitlines()
    assert len(lines) == sum(counts.values())


def test_undo_takes_back_what_a_run_did(shell: Shell, served: Served) -> None:
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")
    shell.run("call", "setUserAttributes", "userId=u07", 'userAttributes={"tier": "lead"}', "--yes")
    made = shell.run("undo", "1")
    assert "1 user has changed since the run" in made.stderr
    undone = shell.json("apply", ".leanplum-sync/undo-1.lpplan", "--yes")
    assert undone["run"] == 2
    shell.run("pull", *USERS, "--out", "after.ndjson")
    users = map(json.loads, (shell.folder / "after.ndjson").read_text().splitlines())
    tiers = {user["userId"]: user["userAttributes"].get("tier") for user in users}
    assert tiers == dict.fromkeys(USERS, "silver") | {"u07": "lead"}
    assert shell.json("plan", "--out", "b.lpplan", "--select", "MessageSend/*")["actions"] == 0
    assert list(served.sends().values()) == [1] * 20


def test_an_id_that_postgresql_can_not_keep_is_a_problem_of_the_data(shell: Shell, served: Served) -> None:
    (shell.folder / "users.ndjson").write_text('{"id": "u01"}\n{"id": "u\\u000002"}\n')
    spec = shell.folder / "specs" / "tiers.yaml"
    spec.write_text(spec.read_text().replace("users.csv", "users.ndjson"))
    refused = shell.run("plan", code=3)
    assert "users.ndjson:2" in refused.stderr
    assert "the id in column id contains a NUL character" in refused.stderr
    assert served.counts()["writes"] == 0
