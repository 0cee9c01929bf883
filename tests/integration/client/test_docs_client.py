"""The Python blocks of docs/client.md run, print what they say, and name every action."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

from leanplum_sync.client import api
from leanplum_sync.client.client import Client
from leanplum_sync.wire.catalogue import ACTIONS

PAGE = Path(__file__).parents[3] / "docs" / "client.md"


def test_the_examples_print_what_they_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) > 5
    for block in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block, str(PAGE), "exec"), names)
        assert printed.getvalue().splitlines() == re.findall(r"print\(.*\)  # (.*)", block)


def test_every_action_has_its_call_in_the_table() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    rows.pop("InvalidCallError", None)
    assert ACTIONS.keys() <= rows.keys()
    for name in ACTIONS:
        for call in re.findall(r"`([\w.]+)`", rows[name]):
            owner, _, method = call.rpartition(".")
            assert callable(getattr(Client if owner else api, method))
