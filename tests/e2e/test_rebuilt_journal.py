"""A lost journal is rebuilt from event logs, kept plans and receipts, and what they don't show is said and never repeated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from files import csv_of_ids, write_files
from hello import HELLO, send_hello
from journals import shift_doubts
from shell import Serve, Served, Shell, Start
from tiers import silver
from waiting import wait_for

USERS: Final = [f"u{number:03}" for number in range(120)]  # three batches
UNTARGETED: Final = ["u900", "u901"]  # the API skips a send to them
PROJECT: Final = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: lost}
spec:
  journal: ./journal.db
  environments: {live: {appId: app_emulator, budget: {sends: 1000}}}
  defaultEnvironment: live
  limits: {concurrency: 1, requestsPerSecond: 1000}
"""
SEND: Final = send_hello("{file: ../users.csv, id: id}")
VISITS: Final = """\
---
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: visits}
spec:
  users: {file: ../users.csv, id: id}
  attributes: {visits: {increment: 1, once: launch}}
"""
PLAN: Final = ("plan", "--out", "a.lpplan")
APPLY: Final = ("apply", "a.lpplan", "--yes", "--recheck", "off", "--verify", "none")
FIRST: Final = (*APPLY, "--new-journal")


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve({"message": {**HELLO["message"], "targeting": USERS}}, *silver([*USERS, *UNTARGETED]))


@pytest.fixture
def shell(tmp_path: Path, served: Served) -> Shell:
    folder = tmp_path / "one"
    write_files(
        folder,
        {"leanplum-sync.yaml": PROJECT, "specs/spec.yaml": SEND + VISITS, "users.csv": csv_of_ids(USERS)},
    )
    return Shell(folder, served.guarded)


def lose(shell: Shell) -> None:
    for path in shell.folder.glob("journal.db*"):
        if not path.name.endswith(".mark"):
            path.unlink()


def log(shell: Shell) -> Path:
    return shell.folder / ".leanplum-sync" / "run-1.events.ndjson"


def rebuilt(shell: Shell, *receipts: str) -> Any:
    found = shell.json("journal", "rebuild", *receipts)
    assert shell.json("journal", "verify")["isSound"]
    return found


def test_what_all_logs_show_is_known_again_and_nothing_is_repeated(shell: Shell, served: Served) -> None:
    shell.run(*PLAN)
    shell.run(*FIRST)
    lose(shell)
    found = rebuilt(shell)
    assert (found["runs"], found["deliveries"]) == (1, {"done": 240})
    assert (found["isComplete"], found["unknown"]) == (True, [])
    again = shell.json(*PLAN)
    assert (again["actions"], again["journalDoubt"]) == (0, "")
    write_files(shell.folder, {"users.csv": csv_of_ids([*USERS, "u999"])})
    shell.run(*PLAN)
    shell.run(*APPLY)
    assert served.sends() == dict.fromkeys(USERS, 1)


def test_a_send_that_was_cut_off_is_held(shell: Shell, served: Served, start: Start) -> None:
    shell.run(*PLAN)
    served.hold("sendMessage", after=1)
    working = start(shell, *FIRST)
    wait_for(served.holds)
    working.kill()
    working.communicate()
    served.release()
    before = served.sends()
    lose(shell)
    found = rebuilt(shell)
    assert found["deliveries"] == {"done": 170, "held": 50}
    assert found["unknown"] == [
        "Run 1 was cut off: if the machine lost power, its last requests are not in the log."
    ]
    text = shell.run("status").stdout
    assert "50" in text
    plan = shell.json(*PLAN)
    assert plan["actions"] == 20
    assert "may lack some sends, increments, or past events" in plan["journalDoubt"]
    shell.run(*APPLY, code=7)
    shell.run(*FIRST)
    assert all(count == 1 for count in served.sends().values())
    assert len(served.sends()) >= len(before) + 20
    shell.run("resolve", "1", "--done", "--yes")
    assert shell.json("journal", "verify")["isSound"]


@pytest.mark.doubt(untargeted="nothing_sent")
def test_a_receipt_tells_which_of_a_batch_were_skipped(shell: Shell) -> None:
    write_files(shell.folder, {"users.csv": csv_of_ids([*USERS, *UNTARGETED])})
    shell.run(*PLAN)
    receipt = shell.json(*FIRST, code=4)
    assert receipt["actions"]["skipped"] == len(UNTARGETED)
    (shell.folder / "receipt.json").write_text(json.dumps(receipt))
    lose(shell)
    held = rebuilt(shell)["deliveries"]["held"]
    assert held >= len(UNTARGETED)
    lose(shell)
    assert rebuilt(shell, "receipt.json")["deliveries"] == {"done": 240 + len(UNTARGETED)}
    assert shell.json(*PLAN)["actions"] == len(UNTARGETED)


def test_a_receipt_doesn_t_decide_what_was_held(shell: Shell, served: Served) -> None:
    write_files(shell.folder, {"users.csv": csv_of_ids(USERS[:5])})
    shell.run(*PLAN)
    served.faults("cut-before:action=sendMessage,times=1")
    shell.run(*FIRST, code=5)
    shift_doubts(shell.folder / "journal.db", -3600)
    receipt = shell.json(*APPLY, "--resume", code=5)
    assert receipt["actions"]["held"] == 5
    (shell.folder / "receipt.json").write_text(json.dumps(receipt))
    lose(shell)
    assert rebuilt(shell, "receipt.json")["deliveries"] == {"done": 5, "held": 5}


def test_what_nothing_shows_is_said(shell: Shell) -> None:
    shell.run(*PLAN)
    shell.run(*FIRST)
    for path in (shell.folder / ".leanplum-sync" / "applied").iterdir():
        path.unlink()
    lose(shell)
    found = rebuilt(shell)
    assert found["deliveries"] == {}
    assert ["its plan is no longer in" in each for each in found["unknown"]] == [True]
    shell.run(*PLAN)
    assert "has no record of any sends" in shell.run(*APPLY, code=7).stderr


def test_that_of_an_embedded_emulator_needs_nobody_to_accept_it(tmp_path: Path) -> None:
    environment = "live: {emulator: embedded, seed: seed.ndjson}"
    project = PROJECT.replace("live: {appId: app_emulator, budget: {sends: 1000}}", environment)
    seed = "".join(f"{json.dumps(line)}\n" for line in silver(USERS))
    write_files(
        tmp_path / "one",
        {
            "leanplum-sync.yaml": project,
            "specs/spec.yaml": VISITS,
            "users.csv": csv_of_ids(USERS),
            "seed.ndjson": seed,
        },
    )
    shell = Shell(tmp_path / "one", {})
    shell.run(*PLAN)
    shell.run(*APPLY)
    for path in (shell.folder / ".leanplum-sync" / "applied").iterdir():
        path.unlink()
    lose(shell)
    text = shell.run("journal", "rebuild").stdout
    assert "its plan is no longer in" in text
    assert "needs --new-journal" not in text
    assert shell.json(*PLAN)["journalDoubt"] == ""
    shell.run(*APPLY)


def test_where_lines_are_damaged_what_they_may_hide_is_held(shell: Shell) -> None:
    shell.run(*PLAN)
    shell.run(*FIRST)
    lines = log(shell).read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if b'"batch":3,' not in line]
    log(shell).write_bytes(b"".join([*kept[:-1], b'{"at": 12', *kept[-1:]]))
    lose(shell)
    found = rebuilt(shell)
    assert found["deliveries"]["held"] > 0
    assert sum(found["deliveries"].values()) == 240
    assert "1 line of its log is damaged" in found["unknown"][0]


@pytest.mark.parametrize(
    "damage",
    [
        lambda first: {**first, "run": 10**18},
        lambda first: {**first, "run": "x"},
        lambda first: {**first, "at": 1e300},
        lambda first: {**first, "plan": "../a"},
        lambda first: {name: value for name, value in first.items() if name != "app"},
        lambda first: [],
    ],
)
def test_a_run_whose_log_is_damaged_at_its_start_is_said_and_not_repeated(
    damage: Any, shell: Shell, served: Served
) -> None:
    shell.run(*PLAN)
    shell.run(*FIRST)
    lose(shell)
    first, _, rest = log(shell).read_text().partition("\n")
    log(shell).with_name("run-2.events.ndjson").write_text(f"{json.dumps(damage(json.loads(first)))}\n{rest}")
    found = rebuilt(shell)
    assert not found["isComplete"]
    assert found["unknown"] == [
        "run-2.events.ndjson is damaged at its start, so it doesn't show what its run sent."
    ]


def test_many_runs_without_a_log_are_one_sentence(shell: Shell) -> None:
    shell.run(*PLAN)
    shell.run(*FIRST)
    lose(shell)
    log(shell).write_text(log(shell).read_text().replace('"run":1,', '"run":2000000000,'))
    assert rebuilt(shell)["unknown"] == ["Runs 1 to 1999999999 have no log."]


def test_only_an_empty_journal_is_rebuilt_and_only_from_something(shell: Shell) -> None:
    shell.run(*PLAN)
    assert "there is nothing to rebuild the journal from" in shell.run("journal", "rebuild", code=64).stderr
    shell.run(*FIRST)
    refused = shell.run("journal", "rebuild", code=7).stderr
    assert "already has runs" in refused
    assert "If it is an older copy, move it away first." in " ".join(refused.split())
    lose(shell)
    assert "is not a receipt" in shell.run("journal", "rebuild", "users.csv", code=64).stderr
    assert not (shell.folder / "journal.db").exists()
