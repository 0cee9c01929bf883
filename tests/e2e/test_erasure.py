"""Erasure from the spec to the proof: only listed users, only with the development key, and nobody comes back unnoticed."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any, Final

import brief_waits
import pytest
from files import write_files
from shell import Serve, Served, Shell

PROJECT: Final = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    live: {appId: app_emulator, limits: {requestsPerSecond: 1000}}
    erasing: {appId: app_emulator, writes: development, limits: {requestsPerSecond: 1000}}
  defaultEnvironment: live
"""
SPEC: Final = """\
apiVersion: leanplum-sync/v1
kind: Erasure
metadata: {name: requests}
spec:
  users: {file: requests.csv, id: user}
  full: true
  request: {column: ticket}
"""
BLOCKING: Final = """\
apiVersion: leanplum-sync/v1
kind: Erasure
metadata: {name: blocked}
spec:
  users: {inline: [blocked]}
  full: true
  block: true
"""
TIERS: Final = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: {file: tiers.csv, id: user}
  createUsers: true
  attributes: {tier: {column: tier}}
"""
SEED: Final = (
    {"userId": "leaves", "userAttributes": {"email": "leaves@example.com", "tier": "basic"}},
    {"userId": "blocked", "userAttributes": {"tier": "basic"}},
    {"userId": "stays", "userAttributes": {"tier": "basic"}},
)
ADDRESS: Final = "Erasure/requests"


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(*SEED)


@pytest.fixture
def shell(tmp_path: Path, served: Served) -> Shell:
    files = {
        "leanplum-sync.yaml": PROJECT,
        "specs/requests.yaml": SPEC,
        "specs/blocked.yaml": BLOCKING,
        "specs/tiers.yaml": TIERS,
        "specs/requests.csv": "user,ticket\nleaves,T-17\n",
        "specs/tiers.csv": "user,tier\nstays,gold\n",
    }
    write_files(tmp_path / "shop", files)
    return Shell(tmp_path / "shop", {**served.every_key, brief_waits.VARIABLE: "1"})


def exported(shell: Shell, user: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shell.run("call", "exportUser", f"userId={user}").stdout)
    return found


def test_from_the_spec_to_the_proof(shell: Shell) -> None:
    planned = shell.json("plan", "-e", "erasing", "--out", "a.lpplan", code=6)
    assert {each["name"]: each["count"] for each in planned["hazards"]}["erased"] == 2
    assert planned["cost"]["writes"] == 1  # deleteUser is not billed, block is
    for output in ("text", "json", "markdown", "html"):
        shown = shell.run("show", "a.lpplan", "-o", output).stdout
        assert "erase" in shown
        assert "T-17" in shown
        assert "leaves@example.com" not in shown
    explained = shell.run("explain", "a.lpplan", "leaves").stdout
    assert "erase" in explained
    assert "over budget" in shell.run("apply", "a.lpplan", "--yes", code=6).stderr.lower()

    receipt = shell.json("apply", "a.lpplan", "--yes", "--ack", "erased=2", "--verify", "all")
    assert receipt["verification"]["equal"] == 2
    assert "not found" in str(shell.run("call", "exportUser", "userId=leaves").stdout)
    assert exported(shell, "stays")["userAttributes"] == {"tier": "basic"}

    again = shell.json("plan", "-e", "erasing", "--out", "b.lpplan")
    assert again["isEmpty"]
    started = shell.run(
        "call",
        "start",
        "userId=blocked",
        "deviceId=phone",
        "createDisposition=CreateIfNeeded",
        "--yes",
        code=4,
    )
    assert (
        "Unavailable For Legal Reasons" in started.stdout + started.stderr
    )  # an app can't bring the user back


def test_a_user_who_is_back_is_drift_and_is_erased_again(shell: Shell) -> None:
    shell.run("plan", "-e", "erasing", "--select", ADDRESS, "--out", "a.lpplan", code=6)
    shell.run("apply", "a.lpplan", "--yes", "--ack", "erased=1")
    assert "No drift" in shell.run("drift", "-e", "erasing", "specs/requests.yaml").stdout
    shell.run("call", "start", "userId=leaves", "deviceId=phone", "createDisposition=CreateIfNeeded", "--yes")
    drift = shell.run("drift", "-e", "erasing", "specs/requests.yaml", "--detailed-exitcode", code=2).stdout
    assert "user exists, but is to be erased" in drift
    assert "leaves" in drift
    shell.run("plan", "-e", "erasing", "--select", ADDRESS, "--out", "b.lpplan", code=6)
    shell.run("apply", "b.lpplan", "--yes", "--ack", "erased=1", "--verify", "all")


def test_no_other_spec_may_list_who_is_erased_whatever_is_selected(shell: Shell) -> None:
    (shell.folder / "specs" / "tiers.csv").write_text("user,tier\nstays,gold\nleaves,gold\n")
    sentence = "specs/tiers.csv:3: UserAttributes/tiers: row 2: leaves is to be erased by Erasure/requests"
    assert sentence in shell.run("validate", code=3).stdout
    for arguments in (
        ["-e", "live"],
        ["-e", "erasing"],
        ["-e", "live", "--select", "UserAttributes/*"],
        ["-e", "erasing", "--select", ADDRESS],
        ["-e", "erasing", "specs/requests.yaml"],
        ["-e", "live", "specs/tiers.yaml"],
    ):
        assert "leaves is to be erased by" in shell.run("plan", *arguments, code=3).stderr
    # Specs that have nothing to do with the user can be planned.
    shell.run("plan", "-e", "erasing", "--select", "Erasure/blocked", "--out", "b.lpplan", code=6)


def test_a_plan_is_outdated_once_the_user_is_listed_elsewhere(shell: Shell) -> None:
    shell.run("plan", "-e", "erasing", "--out", "a.lpplan", code=6)
    (shell.folder / "specs" / "tiers.csv").write_text("user,tier\nleaves,gold\n")
    assert (
        "tiers.csv has changed" in shell.run("apply", "a.lpplan", "--yes", "--ack", "erased=2", code=7).stderr
    )


def test_absence_is_never_taken_from_a_snapshot_or_a_baseline(shell: Shell) -> None:
    shell.run("pull", "-e", "erasing", "--out", "users.ndjson")
    refused = shell.run("plan", "-e", "erasing", "--observed", "users.ndjson", code=64)
    assert "only reading users shows who of them still exists" in refused.stderr
    shell.run("plan", "-e", "erasing", "--observed", "journal", "--out", "a.lpplan", code=6)
    planned = shell.json("plan", "-e", "erasing", "--observed", "journal", "--out", "b.lpplan", code=6)
    assert planned["cost"]["reads"] == 2


def test_an_erasure_can_not_be_undone(shell: Shell) -> None:
    shell.run("plan", "-e", "erasing", "--select", ADDRESS, "--out", "a.lpplan", code=6)
    shell.run("apply", "a.lpplan", "--yes", "--ack", "erased=1")
    assert "Run 1 erased users, which can't be undone." in shell.run("undo", "1", code=64).stderr


def test_ten_mistakes_are_reported_in_one_run(shell: Shell) -> None:
    head = "apiVersion: leanplum-sync/v1\nkind: Erasure\nmetadata: {name: NAME}\nspec:\n  users: {file: bad.csv, id: user}\n"
    files = {
        "specs/bad.csv": "user,ticket\n,T-1\nu1,\nu2,T-2\nu2,T-3\n",
        "specs/one.yaml": head.replace("NAME", "one")
        + "  full: yes please\n  blok: true\n  request: ticket\n  filter: inactive\n",
        "specs/two.yaml": head.replace("NAME", "two") + "  block: true\n  request: {column: tikcet}\n",
        "specs/three.yaml": head.replace("NAME", "three")
        + "  full: false\n  block: true\n  request: {column: ticket}\n",
    }
    write_files(shell.folder, files)
    found = shell.json("validate", code=3)
    messages = "\n".join(problem["message"] for problem in found["problems"])
    assert found["total"] >= 10
    for expected in (
        '`full` is "yes please"',
        "unknown key `blok`",
        "unknown key `filter`",
        "`request`",
        "`full` is missing",
        "tikcet",
        "blocking a user erases sessions and analytics too",
        "the request in column ticket is missing",
        "u2 is listed a second time",
        "column user",
    ):
        assert expected in messages, messages


def plan(shell: Shell) -> None:
    shell.run("plan", "-e", "erasing", "--select", ADDRESS, "--out", "a.lpplan", code=6)


def test_an_erasure_that_the_api_rejects_is_reported(shell: Shell, served: Served) -> None:
    plan(shell)
    served.faults("success-and-error:action=deleteUser,times=1")
    receipt = shell.json("apply", "a.lpplan", "--yes", "--ack", "erased=1", "--verify", "none", code=4)
    assert receipt["actions"]["rejected"] == 1


def test_a_user_who_disappears_just_before_the_call_is_skipped(shell: Shell, served: Served) -> None:
    plan(shell)
    # The first answer is lost: the user is gone when the second one would be deleted, if reading didn't settle it.
    served.faults("cut-half:action=multi,times=1")
    receipt = shell.json("apply", "a.lpplan", "--yes", "--ack", "erased=1", "--verify", "all")
    assert receipt["actions"]["done"] == 1


def test_an_erasure_without_an_answer_is_settled_by_reading(shell: Shell, served: Served) -> None:
    for fault in ("cut-before:action=deleteUser,times=1", "cut-after:action=deleteUser,times=1"):
        plan(shell)
        served.faults(fault)
        receipt = shell.json("apply", "a.lpplan", "--yes", "--ack", "erased=1", "--verify", "all")
        assert receipt["actions"]["done"] == 1
        shell.run("call", "setUserAttributes", "userId=leaves", "createDisposition=CreateIfNeeded", "--yes")


def test_a_user_who_is_gone_by_then_needs_no_erasing(shell: Shell) -> None:
    plan(shell)
    shell.run("call", "deleteUser", "userId=leaves", "--yes", "-e", "erasing")
    applied = shell.run("apply", "a.lpplan", "--yes", "--ack", "erased=1", "--verify", "all").stdout
    assert "Nothing to send: everything was already as planned." in applied
    assert "had already been applied" not in applied


def test_status_reminds_of_the_second_check_and_drift_makes_it(shell: Shell) -> None:
    plan(shell)
    shell.run("apply", "a.lpplan", "--yes", "--ack", "erased=1")
    (erased,) = shell.json("status")["erasures"]
    assert (erased["request"], erased["full"], erased["checkedAt"]) == ("T-17", True, None)
    assert "leaves" not in json.dumps(erased)
    assert "1 erased user, second check from" in shell.run("status").stdout
    early = shell.run("drift", "-e", "erasing", "specs/requests.yaml")
    assert "1 erased user: the second check is due from" in early.stderr
    assert shell.json("status")["erasures"][0]["checkedAt"] is None

    with sqlite3.connect(shell.folder / ".leanplum-sync" / "journal.db") as journal:
        journal.execute("UPDATE erasure SET erased_at = erased_at - 16 * 86400")
    journal.close()
    for output in ("text", "markdown", "html"):
        assert "due for the second check" in shell.run("status", "-o", output).stdout
    assert "leanplum-sync drift -e erasing" in " ".join(shell.run("status").stdout.split())
    checked = shell.run("drift", "-e", "erasing", "specs/requests.yaml")
    assert "Second check: 1 erased user still not there." in checked.stderr
    assert shell.json("status")["erasures"][0]["checkedAt"]
    assert "second check" not in shell.run("status").stdout
    (file,) = (shell.folder / ".leanplum-sync" / "erasures").glob("second-check-*.json")
    told = json.loads(file.read_text())
    assert [each["request"] for each in told["people"]] == ["T-17"]
    assert "leaves" not in file.read_text()


def test_who_is_back_by_the_second_check_does_not_pass_it(shell: Shell) -> None:
    plan(shell)
    shell.run("apply", "a.lpplan", "--yes", "--ack", "erased=1")
    with sqlite3.connect(shell.folder / ".leanplum-sync" / "journal.db") as journal:
        journal.execute("UPDATE erasure SET erased_at = erased_at - 16 * 86400")
    journal.close()
    shell.run("call", "start", "userId=leaves", "deviceId=phone", "createDisposition=CreateIfNeeded", "--yes")
    shell.run("drift", "-e", "erasing", "specs/requests.yaml", "--detailed-exitcode", code=2)
    assert shell.json("status")["erasures"][0]["checkedAt"] is None


def test_a_plan_from_before_an_erasure_is_refused(shell: Shell) -> None:
    (shell.folder / "specs" / "tiers.csv").write_text("user,tier\nleaves,gold\n")
    (shell.folder / "specs" / "requests.csv").write_text("user,ticket\nnobody,T-18\n")
    shell.run("plan", "--out", "../old.lpplan")
    (shell.folder / "specs" / "tiers.csv").write_text("user,tier\nstays,gold\n")
    (shell.folder / "specs" / "requests.csv").write_text("user,ticket\nleaves,T-17\n")
    plan(shell)
    shell.run("apply", "a.lpplan", "--yes", "--ack", "erased=1")
    (shell.folder / "specs" / "tiers.csv").write_text("user,tier\nleaves,gold\n")
    (shell.folder / "specs" / "requests.csv").write_text("user,ticket\nnobody,T-18\n")
    refused = shell.run("apply", "../old.lpplan", "--yes", code=7)
    assert "run 1 has erased a user whom it changes. Plan again." in refused.stderr


def test_a_user_who_is_already_gone_is_erased_here(shell: Shell, served: Served) -> None:
    (shell.folder / "specs" / "tiers.csv").write_text("user,tier\nleft-before,gold\n")
    shell.run("plan", "--out", ".leanplum-sync/tiers.lpplan", code=6)
    shell.run("apply", ".leanplum-sync/tiers.lpplan", "--yes", "--ack", "createdUsers=1")
    shell.run("call", "deleteUser", "userId=left-before", "--yes", "-e", "erasing")
    (shell.folder / "specs" / "tiers.csv").write_text("user,tier\nstays,gold\n")
    (shell.folder / "specs" / "requests.csv").write_text("user,ticket\nleft-before,T-19\n")
    assert "No drift" in shell.run("drift", "-e", "erasing", "specs/requests.yaml").stdout

    plan(shell)
    planned = shell.run("show", "a.lpplan").stdout
    assert "already gone, only here, request T-19" in planned
    assert "apply only deletes what this project keeps about the user" in " ".join(planned.split())
    sent = served.counts()["actions"].get("deleteUser", 0)
    applied = shell.run("apply", "a.lpplan", "--yes", "--ack", "erased=1", "--verify", "all")
    assert "1 user erased: it does not exist any more. Deleted here:" in applied.stderr
    assert served.counts()["actions"].get("deleteUser", 0) == sent
    left = [
        path
        for path in (shell.folder / ".leanplum-sync").rglob("*")
        if path.is_file() and b"left-before" in path.read_bytes()
    ]
    assert left == []
    (receipt,) = (shell.folder / ".leanplum-sync" / "erasures").glob("run-*.md")
    assert "did not exist when the plan was made" in receipt.read_text()
    again = shell.json("plan", "-e", "erasing", "--select", ADDRESS, "--out", "b.lpplan")
    assert again["isEmpty"]
    assert again["notes"] == []


def test_a_user_whom_somebody_else_blocked_is_erased_here(shell: Shell) -> None:
    shell.run("call", "block", "userId=blocked", "--yes")
    selected = ("-e", "erasing", "--select", "Erasure/blocked")
    shell.run("plan", *selected, "--out", "a.lpplan", code=6)
    receipt = shell.json("apply", "a.lpplan", "--yes", "--ack", "erased=1", "--verify", "all")
    assert receipt["actions"]["already"] == 1
    assert list((shell.folder / ".leanplum-sync" / "erasures").glob("run-*.md"))
    assert shell.json("plan", *selected, "--out", "b.lpplan")["isEmpty"]


def test_nobody_is_created_or_changed_after_an_erasure_without_consent(shell: Shell) -> None:
    plan(shell)
    shell.run("apply", "a.lpplan", "--yes", "--ack", "erased=1")
    (shell.folder / "specs" / "requests.yaml").unlink()
    (shell.folder / "specs" / "tiers.csv").write_text("user,tier\nleaves,gold\nstays,gold\n")
    for created in (1, 0):
        planned = shell.json("plan", "--out", "b.lpplan", code=6)
        assert {each["name"]: each["count"] for each in planned["hazards"]}["erasedBefore"] == 1
        (note,) = (each for each in planned["notes"] if each["code"] == "erasedBefore")
        assert "erased by run 1" in note["sentence"]
        assert (note["count"], note["samples"]) == (1, ["leaves"])
        for output in ("text", "markdown", "html"):
            assert "erased by run 1" in " ".join(shell.run("show", "b.lpplan", "-o", output).stdout.split())
        acknowledged = ["--ack", "createdUsers=1"] if created else []
        refused = shell.run("apply", "b.lpplan", "--yes", *acknowledged, code=6)
        assert "--ack erasedBefore=1" in refused.stderr
        shell.run("apply", "b.lpplan", "--yes", *acknowledged, "--ack", "erasedBefore=1")
        (shell.folder / "specs" / "tiers.csv").write_text("user,tier\nleaves,silver\nstays,gold\n")
