"""Devices listed without their users: no two requests in flight are about the same user, whichever of the two names it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from files import csv_of_ids, write_files
from shell import TIMEOUT_SECONDS, Serve, Served, Shell, Start

pytestmark = pytest.mark.slow

USERS = [f"u{number:03}" for number in range(150)]
PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: devices}
spec:
  environments: {live: {appId: app_emulator}}
  limits: {concurrency: 4, requestsPerSecond: 1000}
"""
TIERS = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: {file: ../users.csv, id: id}
  attributes: {tier: gold}
"""
TOKENS = """\
apiVersion: leanplum-sync/v1
kind: PushTokens
metadata: {name: tokens}
spec:
  devices: {file: ../devices.csv, id: device}
  token: {ios: {column: token}}
"""


@pytest.fixture
def served(serve: Serve) -> Served:
    users = [{"userId": user, "userAttributes": {}, "devices": [{"deviceId": f"d-{user}"}]} for user in USERS]
    return serve(*users)


@pytest.fixture
def shell(tmp_path: Path, served: Served) -> Shell:
    rows = [f"d-{user},{number:064x}" for number, user in enumerate(USERS)]
    files = {
        "leanplum-sync.yaml": PROJECT,
        "specs/tiers.yaml": TIERS,
        "specs/tokens.yaml": TOKENS,
        "users.csv": csv_of_ids(USERS),
        "devices.csv": "\n".join(["device,token", *rows]) + "\n",
    }
    write_files(tmp_path / "project", files)
    return Shell(tmp_path / "project", dict(served.environ))


def is_done(shell: Shell) -> bool:
    return shell.json("plan", "--out", "again.lpplan")["actions"] == 0


@pytest.mark.parametrize("source", ["live", "snapshot"])
def test_a_device_and_its_user_are_never_in_two_requests_at_once(
    shell: Shell, served: Served, source: str
) -> None:
    if source == "snapshot":
        shell.run("pull", "--out", "users.ndjson")
        shell.run("plan", "--observed", "users.ndjson", "--out", "a.lpplan")
    else:
        shell.run("plan", "--out", "a.lpplan")
    served.faults("latency:seconds=0.05")
    shell.run("apply", "a.lpplan", "--yes", "--recheck", "off", "--verify", "none")
    assert served.counts()["overlaps"]["times"] == 0
    assert is_done(shell)


def test_a_request_about_a_user_that_is_in_doubt_keeps_their_device_waiting(
    shell: Shell, served: Served
) -> None:
    for name in ("users.csv", "devices.csv"):  # one batch of each
        path = shell.folder / name
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:51]))
    shell.run("plan", "--out", "a.lpplan")
    served.faults("queued:seconds=1,action=setUserAttributes,times=1")
    shell.run("apply", "a.lpplan", "--yes", "--recheck", "off", "--verify", "none")
    (log,) = (shell.folder / ".leanplum-sync").glob("run-*.events.ndjson")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    moves = [(each["batch"], each["from"], each["to"]) for each in events if each["event"] == "batch"]
    assert moves[:2] == [(1, "planned", "sent"), (1, "sent", "in doubt")]
    assert moves[2][:2] == (1, "in doubt")
    assert (2, "planned", "sent") in moves[3:]
    assert is_done(shell)


def test_a_device_is_in_the_shard_of_its_user(shell: Shell, served: Served, start: Start) -> None:
    shell.run("plan", "--out", "a.lpplan", "--parts", "2")
    served.faults("latency:seconds=0.05")
    apply = ("apply", "a.lpplan", "--yes", "--recheck", "off", "--verify", "none")
    both = [start(shell, *apply, "--shard", shard) for shard in ("1/2", "2/2")]
    for process in both:
        out, err = process.communicate(timeout=TIMEOUT_SECONDS)
        assert process.returncode == 0, out + err
    assert served.counts()["overlaps"]["times"] == 0
    assert is_done(shell)


def test_a_plan_for_one_shard_names_a_device_whose_user_is_in_another(shell: Shell) -> None:
    told = shell.run("plan", "--out", "a.lpplan", "--shard", "1/2", code=3)
    assert "devices.csv:" in told.stderr
    assert "this device is listed without its user, who is in another shard" in told.stderr
