"""Expectations: no send of a message that was edited after it was approved, neither at plan nor at apply."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from pathlib import Path
from typing import Any, Final

import brief_waits
import pytest
from files import write_files
from shell import TIMEOUT_SECONDS, Serve, Served, Shell

PROJECT: Final = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    live: {appId: app_emulator, budget: {sends: 10}, limits: {requestsPerSecond: 1000}}
"""
EXPECTED: Final = """\
apiVersion: leanplum-sync/v1
kind: Expectations
metadata: {name: approved}
spec:
  messages:
    - {name: Order delay, type: Email, fingerprint: "0000000000000000"}
  categories:
    - {id: 5, name: News}
"""
SEND: Final = """\
apiVersion: leanplum-sync/v1
kind: MessageSend
metadata: {name: delay, dependsOn: [Expectations/approved]}
spec:
  message: {name: Order delay}
  recipients: {inline: [u1, u2]}
  delivery: delay-2026
"""
TIERS: Final = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: {inline: [u1, u2]}
  attributes: {tier: gold}
"""
MESSAGE: Final[dict[str, Any]] = {
    "id": 1,
    "name": "Order delay",
    "active": True,
    "delivery": "manual",
    "messageType": "Email",
    "created": 1.6e9,
    "updated": 1.7e9,
}
CATEGORY: Final = {"unsubscribeCategory": {"id": 5, "name": "News"}}
APPROVED: Final = "Expectations/approved"


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve({"message": MESSAGE}, CATEGORY, {"userId": "u1"}, {"userId": "u2"})


@pytest.fixture
def shell(tmp_path: Path, served: Served) -> Shell:
    files = {
        "leanplum-sync.yaml": PROJECT,
        "specs/approved.yaml": EXPECTED,
        "specs/send.yaml": SEND,
        "specs/tiers.yaml": TIERS,
    }
    write_files(tmp_path / "shop", files)
    return Shell(tmp_path / "shop", {**served.environ, brief_waits.VARIABLE: "1"})


def refusal(shell: Shell, out: str) -> str:
    """Return what plan says of the problems for which it makes no plan."""
    failed = shell.run("plan", "--out", out, code=3)
    assert not (shell.folder / out).exists()
    return " ".join((failed.stdout + failed.stderr).split())


def pin(shell: Shell) -> str:
    """Write the current fingerprint into the spec, as a person would: copied from the error."""
    (current,) = re.findall(r"has the fingerprint ([0-9a-f]{16})", refusal(shell, "a.lpplan"))
    path = shell.folder / "specs" / "approved.yaml"
    path.write_text(path.read_text().replace("0000000000000000", current))
    return current


def edit(served: Served, tmp_path: Path, **changes: Any) -> None:
    """Change the message as its seed, and seed again: the emulator has no dashboard."""
    (tmp_path / "elements.ndjson").write_text(
        "".join(
            json.dumps(line) + "\n"
            for line in ({"message": MESSAGE | changes}, CATEGORY, {"userId": "u1"}, {"userId": "u2"})
        )
    )
    with urllib.request.urlopen(f"{served.url}/_emulator/reset", data=b""):
        pass


def test_a_walk_from_the_expectation_to_the_send(shell: Shell, served: Served) -> None:
    assert "Valid: 3 specs" in shell.run("validate").stdout
    pin(shell)
    planned = shell.json("plan", "--out", "a.lpplan")
    assert planned["actions"] == 4
    for output in ("text", "json", "markdown", "html"):
        assert "Order delay" in shell.run("show", "a.lpplan", "-o", output).stdout
    receipt = shell.json("apply", "a.lpplan", "--yes", "--verify", "all")
    assert receipt["actions"]["done"] == 4
    assert served.sends() == {"u1": 1, "u2": 1}
    assert shell.json("plan", "--out", "b.lpplan")["isEmpty"]
    assert shell.json("drift")["moved"] == []
    shell.run("explain", "a.lpplan", "u1")
    shell.run("undo", "1")


def test_a_message_that_was_edited_before_planning_is_a_problem_that_names_what_it_stops(
    shell: Shell, served: Served, tmp_path: Path
) -> None:
    current = pin(shell)
    edit(served, tmp_path, updated=1.8e9)
    said = refusal(shell, "a.lpplan")
    assert "specs/approved.yaml:6:" in said
    assert f"not {current}" in said
    assert "This stops MessageSend/delay." in said
    # A selection doesn't get around it; leaving out what depends on it does.
    shell.run("plan", "--out", "a.lpplan", "--select", "MessageSend/*", code=3)
    planned = shell.json("plan", "--out", "a.lpplan", "--select", "UserAttributes/*")
    assert planned["actions"] == 2


def test_a_message_that_was_edited_after_the_plan_is_not_sent(
    shell: Shell, served: Served, tmp_path: Path
) -> None:
    pin(shell)
    shell.run("plan", "--out", "a.lpplan")
    edit(served, tmp_path, updated=1.8e9)
    refused = shell.run("apply", "a.lpplan", "--yes", code=7)
    assert "no longer as the specs expect, so nothing was sent" in refused.stderr
    assert served.counts()["writes"] == {} or served.sends() == {}
    edit(served, tmp_path)
    shell.run("apply", "a.lpplan", "--yes")
    assert served.sends() == {"u1": 1, "u2": 1}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"active": False}, "is not active"),
        ({"messageType": "Push Notification"}, 'has the type "Push Notification", not "Email"'),
        ({"name": "Other"}, 'the message "Order delay" does not exist in this app'),
    ],
)
def test_what_the_app_does_not_have_is_named(
    shell: Shell, served: Served, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    path = shell.folder / "specs" / "approved.yaml"
    path.write_text(EXPECTED.replace(', fingerprint: "0000000000000000"', ""))
    shell.run("plan", "--out", "a.lpplan")
    edit(served, tmp_path, **changes)
    assert words in refusal(shell, "b.lpplan")
    shell.run("apply", "a.lpplan", "--yes", code=7)
    assert served.sends() == {}


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ("{id: 6}", "the unsubscribe category 6 does not exist in this app"),
        ("{id: 5, name: Offers}", 'the unsubscribe category 5 has the name "News", not "Offers"'),
    ],
)
def test_a_category_must_exist_under_its_name(shell: Shell, expected: str, words: str) -> None:
    (shell.folder / "specs" / "approved.yaml").write_text(EXPECTED.replace("{id: 5, name: News}", expected))
    assert words in refusal(shell, "a.lpplan")


def test_without_the_key_nothing_is_sent(shell: Shell, served: Served) -> None:
    pin(shell)
    shell.run("plan", "--out", "a.lpplan")
    key = shell.environ.pop("LEANPLUM_CONTENT_READ_ONLY_KEY")
    assert "LEANPLUM_CONTENT_READ_ONLY_KEY" in shell.run("apply", "a.lpplan", "--yes", code=9).stderr
    assert served.sends() == {}
    shell.environ["LEANPLUM_CONTENT_READ_ONLY_KEY"] = key
    shell.run("apply", "a.lpplan", "--yes")


@pytest.mark.parametrize("held_calls", range(5))
def test_a_killed_run_checks_again_before_it_goes_on(
    shell: Shell, served: Served, tmp_path: Path, held_calls: int
) -> None:
    pin(shell)
    shell.run("plan", "--out", "a.lpplan")
    served.faults(f"latency:seconds=86400,after={held_calls}")
    process = shell.start("apply", "a.lpplan", "--yes", "--verify", "none", "--recheck", "off")
    while not served.holds() and process.poll() is None:
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=TIMEOUT_SECONDS)
    served.faults("")
    resumed = shell.start("apply", "a.lpplan", "--yes", "--verify", "none")
    _, errors = resumed.communicate(timeout=TIMEOUT_SECONDS)
    assert resumed.returncode in (0, 5), errors
    assert set(served.sends().values()) <= {1}


def test_an_expectation_of_nothing_or_of_an_earlier_document_is_a_problem(shell: Shell) -> None:
    (shell.folder / "specs" / "approved.yaml").write_text(
        """\
apiVersion: leanplum-sync/v1
kind: Expectations
metadata: {name: approved, dependsOn: [UserAttributes/tiers]}
spec:
  messages:
    - {name: A, id: 5}
    - {}
    - {name: B, active: yes please}
    - {name: C, fingerprint: abc}
    - {id: five}
    - {name: D, typ: Email}
  categories:
    - {id: news}
    - {id: 0}
    - {name: News}
    - {id: 5, name: ""}
"""
    )
    problems = shell.json("validate", code=3)["problems"]
    assert {problem["place"]["line"] for problem in problems} >= {6, 7, 8, 9, 10, 11, 13, 14, 15, 16}, (
        problems
    )


def test_expectations_alone_are_checked_and_change_nothing(shell: Shell) -> None:
    pin(shell)
    assert shell.json("plan", "--out", "a.lpplan", "--select", APPROVED)["isEmpty"]
