"""What a person on a terminal is asked before a canary's rest goes out, and before a word about held actions counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from journals import shift_doubts
from shell import Example, Serve, Served, Shell
from terminal import Terminal

from leanplum_sync.journal import open_journal

pytestmark = pytest.mark.slow

RECIPIENTS = 39


@pytest.fixture
def sending(example: Example, serve: Serve) -> Callable[..., tuple[Shell, Served]]:
    """Plan the example's send, against an emulator with these faults."""

    def plan(**faults: list[dict[str, object]]) -> tuple[Shell, Served]:
        shell = example("one-off-send")
        served = serve(seeds=shell.seeds, **faults)
        shell.go_live(served)
        shell.run("plan", "--out", "a.lpplan")
        return shell, served

    return plan


def on_a_terminal(shell: Shell, *arguments: str) -> Terminal:
    return Terminal(shell.folder, shell.environ, *arguments)


@pytest.mark.parametrize(("answer", "sent"), [("yes", RECIPIENTS), ("no", 4), ("", 4)])
def test_after_the_canary_a_person_says_whether_the_rest_goes_out(
    answer: str, sent: int, sending: Callable[..., tuple[Shell, Served]]
) -> None:
    shell, served = sending()
    with on_a_terminal(shell, "apply", "a.lpplan", "--canary", "10%") as terminal:
        terminal.wait_for("Type the number of users to go ahead, anything else to stop: ")
        assert "This changes 39 users and sends 39 messages in live" in terminal.shown
        terminal.answer("39")
        terminal.wait_for("Type yes to continue with the rest, anything else to stop: ")
        assert "The canary is done: 4 users" in terminal.shown
        assert len(served.sends()) == 4
        terminal.answer(answer)
        assert terminal.end() == 0
    assert len(served.sends()) == sent
    assert ("the rest were not sent" in terminal.shown) == (sent == 4)


def test_who_waits_for_the_lock_is_asked_once(sending: Callable[..., tuple[Shell, Served]]) -> None:
    shell, served = sending()
    with on_a_terminal(shell, "apply", "a.lpplan", "--lock-timeout", "1h") as terminal:
        with open_journal(shell.journal) as journal, journal.acquire("app_emulator", "live"):
            terminal.wait_for("Type the number of users to go ahead, anything else to stop: ")
            terminal.answer("39")
            terminal.wait_for("Waiting for the lock. Another run is working on live")
        assert terminal.end() == 0
    assert "Type the number" not in terminal.shown
    assert "or stop it" not in terminal.shown
    assert len(served.sends()) == RECIPIENTS


def test_a_canary_that_is_not_well_does_not_ask(sending: Callable[..., tuple[Shell, Served]]) -> None:
    shell, served = sending(faults=[{"fault": "cut-before", "action": "sendMessage", "times": 1}])
    with on_a_terminal(shell, "apply", "a.lpplan", "--canary", "4") as terminal:
        terminal.wait_for("anything else to stop: ")
        terminal.answer("39")
        assert terminal.end() == 5
    assert "continue with the rest, anything" not in terminal.shown
    assert served.sends() == {}


@pytest.mark.parametrize(
    ("answer", "code", "held"), [("yes", 0, 0), ("YES", 0, 0), ("y", 130, RECIPIENTS), ("", 130, RECIPIENTS)]
)
def test_a_word_about_what_is_held_counts_once_the_person_has_typed_yes(
    answer: str, code: int, held: int, sending: Callable[..., tuple[Shell, Served]]
) -> None:
    shell, _ = sending(faults=[{"fault": "cut-before", "action": "sendMessage", "times": 1}])
    shell.run("apply", "a.lpplan", "--yes", code=5)
    shift_doubts(shell.journal, -3600)
    with on_a_terminal(shell, "resolve", "1", "--again") as terminal:
        terminal.wait_for("Type yes to go ahead, anything else to stop: ")
        assert f"Run 1 in live: {RECIPIENTS} held actions of {RECIPIENTS} users" in terminal.shown
        terminal.answer(answer)
        assert terminal.end() == code
    assert len(shell.json("status")["held"]) == held
