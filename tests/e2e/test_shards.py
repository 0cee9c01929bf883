"""Several processes share a plan, each with its part of the users: through the installed command, on both backends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from files import csv_of_ids, write_files
from hello import HELLO, send_hello
from journals import batches_begun
from shell import TIMEOUT_SECONDS, Process, Serve, Served, Shell, Start
from waiting import wait_for

from leanplum_sync.client import Client, api
from leanplum_sync.journal import open_journal

pytestmark = pytest.mark.slow

USERS = [f"u{number:03}" for number in range(240)]
PARTS = 4
PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shared}
spec:
  journal: {env: LEANPLUM_SYNC_JOURNAL}
  environments: {live: {appId: app_emulator, budget: {sends: 1000}}}
  defaultEnvironment: live
  incrementReceipts: last_increment
  limits: {concurrency: 1, requestsPerSecond: 1000}
"""
TIERS = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: {file: ../users.csv, id: id}
  attributes: {tier: gold, visits: {increment: 1, once: launch}}
"""
APPLY = ("apply", "a.lpplan", "--yes", "--recheck", "off", "--verify", "none", "-o", "json")


@pytest.fixture
def served(serve: Serve) -> Served:
    users = [
        {
            "userId": user,
            "userAttributes": {"tier": "silver", "visits": 5},
            "devices": [{"deviceId": f"d-{user}"}],
        }
        for user in USERS
    ]
    return serve(HELLO, *users)


@pytest.fixture
def shell(tmp_path: Path, served: Served, journal_location: str | Path) -> Shell:
    folder = tmp_path / "project"
    files = {
        "leanplum-sync.yaml": PROJECT,
        "specs/tiers.yaml": TIERS,
        "specs/hello.yaml": send_hello("{file: ../users.csv, id: id}"),
        "users.csv": csv_of_ids(USERS),
    }
    write_files(folder, files)
    return Shell(folder, {**served.environ, "LEANPLUM_SYNC_JOURNAL": str(journal_location)})


def receipt_of(process: Process) -> Any:
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0, err
    return json.loads(out)


@pytest.mark.doubt(integers="kept")
def test_four_share_a_plan_and_one_is_killed_and_started_again(
    shell: Shell, served: Served, start: Start, journal_location: str | Path
) -> None:
    planned = shell.json("plan", "--out", "a.lpplan", "--parts", str(PARTS))
    served.hold("setUserAttributes")
    processes = {
        number: start(shell, *APPLY, "--shard", f"{number}/{PARTS}") for number in range(1, PARTS + 1)
    }
    wait_for(lambda: batches_begun(journal_location, part=f"2/{PARTS}"))
    processes[2].kill()
    processes[2].communicate()
    served.release()
    processes[2] = start(shell, *APPLY, "--shard", f"2/{PARTS}")
    receipts = [receipt_of(process) for process in processes.values()]
    assert sum(receipt["planned"] for receipt in receipts) == planned["actions"] == 3 * len(USERS)
    assert sum(receipt["actions"]["done"] for receipt in receipts) == planned["actions"]
    assert served.counts()["overlaps"]["times"] == 0
    assert served.sends() == dict.fromkeys(USERS, 1)
    with Client.to_emulator(served.url) as client:
        found = [client.call(api.export_user(user)) for user in USERS]
    assert all(user is not None and user.attributes["visits"] == 6 for user in found)
    assert shell.json("plan", "--out", "again.lpplan")["actions"] == 0
    shell.run("journal", "verify")
    assert f"live, shard 2/{PARTS}" in shell.run("journal", "list").stdout


def test_a_part_is_locked_against_itself_and_the_whole_and_no_other_part(
    shell: Shell, journal_location: str | Path
) -> None:
    shell.run("plan", "--out", "a.lpplan", "--parts", "4")
    with open_journal(journal_location) as journal, journal.acquire("app_emulator", "live", part="3/4"):
        for same in ("--shard", "3/4"), ():
            told = shell.run(*APPLY, *same, code=8).stderr
            assert "Another run is working on live, shard 3/4: process" in told
        shell.run(*APPLY, "--shard", "2/4")
        assert "live, shard 3/4: locked by process" in shell.run("status").stdout
    with open_journal(journal_location) as journal, journal.acquire("app_emulator", "live"):
        assert "Another run is working on live: process" in shell.run(*APPLY, "--shard", "1/4", code=8).stderr


def test_a_plan_is_carried_out_in_one_division(shell: Shell) -> None:
    shell.run("plan", "--out", "a.lpplan", "--parts", "4")
    refused = shell.run(*APPLY, "--shard", "1/3", code=64).stderr
    assert "Plan with --parts 3" in refused
    shell.run(*APPLY, "--shard", "1/2")
    for other in ((), ("--shard", "1/4")):
        told = shell.run(*APPLY, *other, code=7).stderr
        assert "started this plan with --shard 1/2" in told
    shell.run(*APPLY, "--shard", "2/2")
    assert shell.json("plan", "--out", "again.lpplan")["actions"] == 0


@pytest.mark.doubt(integers="kept")
def test_each_process_plans_its_own_part(shell: Shell) -> None:
    plans = [shell.json("plan", "--out", f"{number}.lpplan", "--shard", f"{number}/2") for number in (1, 2)]
    assert sum(plan["actions"] for plan in plans) == 3 * len(USERS)
    assert all(plan["actions"] for plan in plans)
    assert (
        "can only be applied with --shard 1/2"
        in shell.run("apply", "1.lpplan", "--yes", "--shard", "2/2", code=64).stderr
    )
    for number in (1, 2):
        shell.run("apply", f"{number}.lpplan", "--yes", "--recheck", "off", "--verify", "none")
    listed = shell.run("journal", "list").stdout
    assert "live, shard 1/2" in listed
    assert "live, shard 2/2" in listed
    assert shell.json("plan", "--out", "again.lpplan")["actions"] == 0


def test_what_is_no_shard_is_wrong_usage(shell: Shell) -> None:
    assert "is not N/M" in shell.run(*APPLY, "--shard", "5/4", code=64).stderr
