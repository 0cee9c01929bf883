"""While an API can't be reached, a terminal shows that the command waits and tries again; a pipe shows only the error."""

from __future__ import annotations

from pathlib import Path

import pytest
from terminal import Terminal

from leanplum_sync import emulator
from leanplum_sync.cli.connect import RetryNotice
from leanplum_sync.errors import NotSentError

NOWHERE = {
    "LEANPLUM_API_URL": "http://127.0.0.1:1",
    "LEANPLUM_APP_ID": emulator.APP_ID,
    "LEANPLUM_DATA_EXPORT_KEY": emulator.KEYS["data_export"],
}


@pytest.mark.parametrize(
    "arguments", [["plan", "-e", "production"], ["pull", "00001", "-e", "production", "--out", "a.ndjson"]]
)
def test_a_terminal_shows_that_the_command_tries_again(arguments: list[str], shop: Path) -> None:
    with Terminal(shop, NOWHERE, *arguments) as terminal:
        terminal.wait_for("Trying again in")
        assert "could not be reached" in terminal.shown


def test_nothing_is_told_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    RetryNotice()(NotSentError("api.example.com could not be reached: nothing was sent."), 1, 2.0)
    assert capsys.readouterr() == ("", "")
