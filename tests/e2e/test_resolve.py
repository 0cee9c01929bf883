"""A person decides about what is held: done, again or drop, for all or for a part."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from journals import shift_doubts
from shell import Example, Serve, Served, Shell

RECIPIENTS = 39
ERASURE = """\
apiVersion: leanplum-sync/v1
kind: Erasure
metadata: {{name: erasures}}
spec:
  users: {{inline: [{user}]}}
  full: true
"""


@pytest.fixture
def just_held(example: Example, serve: Serve) -> tuple[Shell, Served]:
    """Run 1 of the example's send: no message went out, and nobody can know."""
    shell = example("one-off-send")
    faults = [{"fault": "cut-before", "action": "sendMessage", "times": 1}]
    served = serve(seeds=shell.seeds, faults=faults)
    shell.go_live(served)
    shell.run("plan", "--out", "a.lpplan")
    applied = shell.run("apply", "a.lpplan", "--yes", code=5)
    assert "leanplum-sync resolve 1 --done (or --again, or --drop)" in applied.stderr
    return shell, served


@pytest.fixture
def held(just_held: tuple[Shell, Served]) -> tuple[Shell, Served]:
    """As ``just_held``, an hour ago: the settle window is over."""
    shift_doubts(just_held[0].journal, -3600)
    return just_held


def held_users(shell: Shell) -> list[str]:
    return [entry["subject"].removeprefix("user:") for entry in shell.json("status")["held"]]


def erase(shell: Shell, served: Served, user: str) -> None:
    """Move *user* from the recipients to a list of erasures, and apply it."""
    shell.environ = served.every_key
    project = shell.folder / "leanplum-sync.yaml"
    erasing = (
        "  environments:\n    erasing: {appId: app_emulator, writes: development, budget: {erased: 40}}\n"
    )
    project.write_text(project.read_text().replace("  environments:\n", erasing))
    (shell.folder / "specs" / "erasures.yaml").write_text(ERASURE.format(user=user))
    rows = shell.folder / "data" / "late-orders.csv"
    rows.write_text(
        "".join(row for row in rows.read_text().splitlines(True) if not row.startswith(f"{user},"))
    )
    shell.run("plan", "-e", "erasing", "--out", "b.lpplan")
    shell.run("apply", "b.lpplan", "--yes")


@pytest.mark.sampled
def test_each_held_action_ends_as_the_person_said(held: tuple[Shell, Served]) -> None:
    shell, served = held
    users = held_users(shell)
    assert len(users) == RECIPIENTS
    assert "leanplum-sync resolve 1 --done (or --again, or --drop)" in shell.run("status").stdout

    done = shell.json("resolve", "1", "--done", "--user", users[0], "--yes", code=5)
    assert (done["actions"], done["subjects"], done["stillHeld"]) == (1, 1, RECIPIENTS - 1)
    listed = shell.folder / "lost.csv"
    listed.write_text("userId\n" + "\n".join(users[1:4]) + "\n")
    dropped = shell.json("resolve", "1", "--drop", "--from", "lost.csv", "--yes", code=5)
    assert dropped["actions"] == 3
    again = shell.run("resolve", "1", "--again", "--batch", "1", "--yes")
    assert "35 held actions for 35 users are marked to be sent again" in again.stdout
    assert held_users(shell) == []
    assert served.sends() == {}, "deciding sends nothing by itself"

    resume = again.stderr.split("leanplum-sync ")[-1].split()
    receipt = shell.json(*resume, "--yes", code=4)
    assert receipt["actions"]["done"] == RECIPIENTS - 3
    assert receipt["actions"]["skipped"] == 3
    assert served.sends() == dict.fromkeys(users[4:], 1)
    assert shell.json("plan", "--out", "b.lpplan")["actions"] == 0, "what was dropped is not planned again"


def test_nobody_decides_about_the_held_actions_of_an_erased_user(held: tuple[Shell, Served]) -> None:
    shell, served = held
    erased, *others = held_users(shell)
    erase(shell, served, erased)

    assert held_users(shell) == others
    assert "1  skipped" in shell.run("journal", "show", "1").stdout
    shell.run("journal", "verify")
    again = shell.run("resolve", "1", "--again", "--yes")
    assert f"{len(others)} held actions for {len(others)} users are marked to be sent again" in again.stdout


def test_a_run_is_finished_once_the_last_held_action_is_decided(held: tuple[Shell, Served]) -> None:
    shell, served = held
    shell.run("resolve", "1", "--done", "--yes")
    assert shell.json("status")["runs"][0]["state"] == "finished"
    assert shell.json("apply", "a.lpplan", "--yes")["actions"]["done"] == RECIPIENTS
    assert served.sends() == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["1", "--yes"], "Pass exactly one of --done, --again, or --drop"),
        (["1", "--done"], "Add --yes"),
        (["7", "--done", "--yes"], "no run 7"),
        (
            ["1", "--done", "--batch", "9", "--yes"],
            "has no held actions for the batches and users you specified",
        ),
        (
            ["1", "--done", "--user", "nobody", "--yes"],
            "has no held actions for the batches and users you specified",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_resolved_is_refused_and_nothing_changes(
    arguments: list[str], said: str, held: tuple[Shell, Served]
) -> None:
    shell, _ = held
    refused = shell.run("resolve", *arguments, code=64)
    assert said in refused.stderr
    assert len(held_users(shell)) == RECIPIENTS


@pytest.mark.parametrize("word", ["--done", "--again", "--drop"])
def test_nobody_decides_while_the_lost_request_may_still_take_effect(
    word: str, just_held: tuple[Shell, Served]
) -> None:
    shell, _ = just_held
    shift_doubts(shell.journal, 3600)  # however slow this machine is, the window of two seconds is not over
    refused = shell.run("resolve", "1", word, "--yes", code=5)
    assert re.search(r"may still take effect until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", refused.stderr)
    assert refused.stdout == ""
    assert len(held_users(shell)) == RECIPIENTS
    shift_doubts(shell.journal, -2 * 3600)
    shell.run("resolve", "1", word, "--yes")
    assert held_users(shell) == []


def test_the_plan_behind_a_run_outlives_the_next_plan(held: tuple[Shell, Served]) -> None:
    shell, _ = held
    digest = shell.json("status")["runs"][0]["planDigest"]
    kept: Path = shell.folder / ".leanplum-sync" / "applied" / f"{digest[:12]}.lpplan"
    shell.run("plan", "--out", "a.lpplan")
    assert shell.json("show", str(kept))["digest"] == digest
