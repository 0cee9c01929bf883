"""``validate --watch``: checks again whenever a file of the project changes, until Ctrl-C."""

from __future__ import annotations

import signal
from pathlib import Path

from shell import TIMEOUT_SECONDS, Command, Shell, Start
from terminal import Terminal
from waiting import lines_until

SOUND = "Valid: 1 spec"


def test_each_change_is_checked_until_ctrl_c(start: Start, shop: Path) -> None:
    process = start(Shell(shop), "validate", "--watch")
    assert process.stdout is not None
    lines_until(process.stdout, SOUND)
    spec = shop / "specs" / "loyalty.yaml"
    whole = spec.read_text()
    spec.write_text(whole.replace("attributes:", "atributes:"))
    assert "specs/loyalty.yaml" in lines_until(process.stdout, "1 problem")
    spec.write_text(whole)
    lines_until(process.stdout, SOUND)
    data = shop / "data" / "customers.csv"
    data.write_text(data.read_text() + "00001,many,A\n")
    lines_until(process.stdout, "problem")
    project = (shop / "leanplum-sync.yaml").read_text()
    (shop / "leanplum-sync.yaml").write_text(project.replace("kind: Project", "kind: Projekt"))
    lines_until(process.stdout, "leanplum-sync.yaml:")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert (process.returncode, "Interrupted." in err) == (130, True)


def test_the_screen_is_cleared_before_each_check(shop: Path) -> None:
    with Terminal(shop, {"TERM": "xterm"}, "validate", "--watch") as terminal:
        terminal.wait_for("Waiting for changes")
        assert terminal.shown.count("\x1b[2J") == 1
        (shop / "specs" / "more.yaml").write_text("kind: Nothing\n")
        terminal.wait_for("Nothing")
        assert terminal.shown.count("\x1b[2J") == 2


def test_only_text_can_be_watched(command: Command, shop: Path) -> None:
    ended = command("validate", "--watch", "-o", "json")
    assert (ended.returncode, "--watch shows text only" in ended.stderr) == (64, True)
