"""What the API rejected is not sent again by every later plan, and doesn't keep back what others are due."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from document_schemas import check_document
from files import csv_of_ids, write_files
from hello import HELLO, send_hello
from shell import Serve, Served, Shell

pytestmark = pytest.mark.slow

USERS = [f"u{number:03}" for number in range(117)]
BLOCKED = USERS[:5]
PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: rejected}
spec:
  journal: {env: LEANPLUM_SYNC_JOURNAL}
  environments: {live: {appId: app_emulator, budget: {sends: 200}}}
  limits: {requestsPerSecond: 1000}
"""
TIERS = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: {file: ../users.csv, id: id}
  attributes: {tier: gold}
"""
SEND = send_hello("{file: ../users.csv, id: id}").replace(
    "metadata: {name: hello}", "metadata: {name: hello, dependsOn: [UserAttributes/tiers]}"
)
APPLY = ("apply", "a.lpplan", "--yes", "--recheck", "off", "--verify", "none")


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(HELLO, *({"userId": user, "userAttributes": {"tier": "silver"}} for user in USERS))


@pytest.fixture
def shell(tmp_path: Path, served: Served, journal_location: str | Path) -> Shell:
    files = {
        "leanplum-sync.yaml": PROJECT,
        "specs/tiers.yaml": TIERS,
        "specs/hello.yaml": SEND,
        "users.csv": csv_of_ids(USERS),
    }
    write_files(tmp_path / "project", files)
    environ = {**served.every_key, "LEANPLUM_SYNC_JOURNAL": str(journal_location)}
    return Shell(tmp_path / "project", environ)


def plan(shell: Shell, silver: Collection[str] = BLOCKED) -> Any:
    """
    Plan where *silver* have the old value, and all others the new one. The API shows no blocked users, so they are given, as
    read after all runs.
    """
    lines = (
        json.dumps(
            {
                "userId": user,
                "userAttributes": {"tier": "silver" if user in silver else "gold"},
                "observedAt": time.time() + 60,
            }
        )
        for user in USERS
    )
    (shell.folder / "users.ndjson").write_text("\n".join(lines) + "\n")
    return shell.json("plan", "--observed", "users.ndjson", "--out", "a.lpplan")


def rejected_before(found: Any) -> int:
    return sum(note["count"] for note in found["notes"] if note["code"] == "rejected_before")


def test_what_was_rejected_is_skipped_and_tried_again_when_asked(shell: Shell, served: Served) -> None:
    for user in BLOCKED:
        shell.run("call", "block", f"userId={user}", "--yes")
    assert rejected_before(plan(shell, USERS)) == 0
    first = shell.json(*APPLY, "--wave-failures", "1%", code=4)
    assert (first["actions"]["done"], first["actions"]["rejected"]) == (112, 5)
    assert first["stopped"] == "too much of a wave failed"
    assert served.sends() == {}

    # Each later plan's first wave is nothing but the five.
    assert rejected_before(plan(shell)) == 5
    again = shell.run(*APPLY, "-o", "text", "-o", "json=again.json", code=4)
    assert "skipped: rejected before" in again.stdout
    assert "--retry-rejected" in again.stderr
    document = check_document((shell.folder / "again.json").read_text())
    assert (document["actions"]["skipped"], document["rejectedBefore"], document["stopped"]) == (5, 5, None)
    assert document["actions"]["done"] == 112
    assert {
        each["message"].partition(":")[0] for each in document["exceptions"] if each["fate"] == "skipped"
    } == {"rejected before, in run 1"}
    assert served.sends() == dict.fromkeys(USERS[5:], 1)

    shell.run("call", "unblock", f"userId={BLOCKED[0]}", "--yes")
    writes = served.counts()["writes"]
    plan(shell)
    assert shell.json(*APPLY, code=4)["rejectedBefore"] == 5
    assert served.counts()["writes"] == writes
    plan(shell)
    tried = shell.json(*APPLY, "--retry-rejected", "--wave-failures", "100%", code=4)
    assert (tried["actions"]["done"], tried["actions"]["rejected"], tried["rejectedBefore"]) == (2, 4, 0)
    assert rejected_before(plan(shell)) == 4


def test_another_value_is_tried(shell: Shell) -> None:
    for user in BLOCKED:
        shell.run("call", "block", f"userId={user}", "--yes")
    plan(shell, USERS)
    shell.json(*APPLY, code=4)
    (shell.folder / "specs" / "tiers.yaml").write_text(TIERS.replace("gold", "platinum"))
    assert rejected_before(plan(shell)) == 0
    tried = shell.json(*APPLY, code=4)
    assert (tried["actions"]["rejected"], tried["rejectedBefore"]) == (5, 0)
    # What was rejected before the last time is tried again, too.
    (shell.folder / "specs" / "tiers.yaml").write_text(TIERS)
    assert rejected_before(plan(shell)) == 0
