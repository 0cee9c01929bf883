"""Workers share a plan: each takes a shard that nobody works on, and then the next, through the command, on both backends."""

from __future__ import annotations

import signal
from pathlib import Path

import brief_waits
import pytest
from files import csv_of_ids, write_files
from hello import HELLO, send_hello
from shell import TIMEOUT_SECONDS, Process, Serve, Served, Shell, Start
from waiting import wait_for

from leanplum_sync.journal import open_journal, read_journal

pytestmark = pytest.mark.slow

USERS = [f"u{number:03}" for number in range(160)]
PARTS = 8
PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shared}
spec:
  journal: {env: LEANPLUM_SYNC_JOURNAL}
  environments: {live: {appId: app_emulator, budget: {sends: 1000}}}
  defaultEnvironment: live
  incrementReceipts: last_increment
  limits: {concurrency: 1, requestsPerSecond: 1000, leaseSeconds: 10}
"""
TIERS = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: {file: ../users.csv, id: id}
  attributes: {tier: gold, visits: {increment: 1, once: launch}}
"""
WORK = ("worker", "a.lpplan", "--yes", "--recheck", "off", "--verify", "none")


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
    return Shell(
        folder,
        {
            **served.environ,
            "LEANPLUM_SYNC_JOURNAL": str(journal_location),
            "LEANPLUM_SYNC_WORKER_NEW_JOURNAL": "1",
            brief_waits.VARIABLE: "1",
        },
    )


def ended(process: Process) -> tuple[int, str]:
    _, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode is not None
    return process.returncode, err


def held(location: str | Path) -> frozenset[str]:
    with read_journal(location) as journal:
        return journal.held_parts("app_emulator")


def everything_happened_once(shell: Shell, served: Served) -> None:
    assert served.counts()["overlaps"]["times"] == 0
    assert served.sends() == dict.fromkeys(USERS, 1)
    increments = served.counts()["increments"]
    assert {user: each["visits"] for user, each in increments.items()} == dict.fromkeys(USERS, 1)
    assert shell.json("plan", "--out", "again.lpplan")["actions"] == 0
    shell.run("journal", "verify")


@pytest.mark.doubt(integers="kept")
def test_workers_come_and_go_and_one_is_killed_and_everything_happens_once(
    shell: Shell, served: Served, start: Start, journal_location: str | Path
) -> None:
    shell.run("plan", "--out", "a.lpplan", "--parts", str(PARTS))
    served.hold("setUserAttributes")
    workers = [start(shell, *WORK) for _ in range(3)]
    wait_for(lambda: len(held(journal_location)) == 3)
    workers[0].kill()
    workers[0].communicate()
    assert len(held(journal_location)) == 2, "a dead process holds nothing"
    late = start(shell, *WORK)
    served.release()
    told = [ended(each) for each in (*workers[1:], late)]
    assert [code for code, _ in told] == [0, 0, 0]
    assert any(f"Shards ended: {PARTS} of {PARTS}." in err for _, err in told)
    everything_happened_once(shell, served)
    with read_journal(journal_location) as journal:
        assert {run.part for run in journal.runs()} == {f"{number}/{PARTS}" for number in range(1, PARTS + 1)}


@pytest.mark.doubt(integers="kept")
def test_a_worker_that_is_asked_to_stop_hands_its_shard_back_at_once(
    shell: Shell, served: Served, start: Start, journal_location: str | Path
) -> None:
    shell.run("plan", "--out", "a.lpplan", "--parts", "2")
    served.hold("setUserAttributes")
    first = start(shell, *WORK)
    wait_for(lambda: held(journal_location))
    first.send_signal(signal.SIGTERM)
    served.release()
    code, _ = ended(first)
    assert code == 128 + signal.SIGTERM
    assert not held(journal_location)
    shell.run(*WORK)
    everything_happened_once(shell, served)


def test_a_worker_waits_for_shards_that_others_work_on(
    shell: Shell, served: Served, start: Start, journal_location: str | Path
) -> None:
    shell.run("plan", "--out", "a.lpplan", "--parts", "2")
    with open_journal(journal_location) as journal, journal.acquire("app_emulator", "live", part="2/2"):
        waiting = start(shell, *WORK)
        wait_for(lambda: set(served.sends().values()) == {1})
        wait_for(lambda: held(journal_location) == {"2/2"})
        assert waiting.poll() is None
    code, err = ended(waiting)
    assert code == 0
    assert "Shard 1/2: " in err
    assert "Shard 2/2: " in err
    assert "Shards ended: 2 of 2." in err
    again = shell.run(*WORK).stderr
    assert "Shard 1/2" not in again
    assert "Shards ended: 2 of 2." in again


def test_a_plan_that_is_not_divided_is_one_shard(shell: Shell, served: Served) -> None:
    shell.run("plan", "--out", "a.lpplan")
    assert "Shards ended: 1 of 1." in shell.run(*WORK).stderr
    everything_happened_once(shell, served)


def test_a_plan_for_one_part_is_not_shared(shell: Shell) -> None:
    shell.run("plan", "--out", "a.lpplan", "--shard", "1/2")
    refused = shell.run(*WORK, code=64).stderr
    assert "was planned with --shard 1/2, so there is nothing to share. Use apply." in refused


def test_a_worker_ends_with_the_most_serious_code_of_its_shards(shell: Shell, served: Served) -> None:
    shell.run("plan", "--out", "a.lpplan", "--parts", "4")
    served.faults("cut-after:action=sendMessage,times=1")
    told = shell.run(*WORK, code=5).stderr
    assert "held" in told
    assert "Shards ended: 4 of 4." in told
    assert shell.json("status")["held"]
    assert "Shard 1/4" not in shell.run(*WORK, code=5).stderr, "started again, it still tells what is held"


def test_a_worker_goes_on_with_what_the_api_refused_if_it_is_asked_to(shell: Shell, served: Served) -> None:
    shell.run("plan", "--out", "a.lpplan", "--parts", "4")
    served.faults("429:action=multi")
    told = shell.run(*WORK, code=4).stderr
    assert "Shards ended: 4 of 4. 4 left something to do: see status." in told
    served.faults("")
    assert "Shard 1/4" not in shell.run(*WORK, code=4).stderr
    assert "Shards ended: 4 of 4.\n" in shell.run(*WORK, "--resume").stderr
    everything_happened_once(shell, served)
