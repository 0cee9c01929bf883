"""Runs whole commands inside the test's own process, which is quicker; ``test_process.py`` starts real ones."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from document_schemas import check_document
from files import ndjson
from hello import HELLO, send_hello
from shell import Command

from leanplum_sync.cli import program


@pytest.fixture(autouse=True)
def nobodys_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No key, no variable of ours but one: no lines of progress, which come only when a command is slow. The signals as they were."""
    for name in list(os.environ):
        if name.startswith("LEANPLUM") or name in ("NO_COLOR", "COLUMNS"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LEANPLUM_SYNC_NO_PROGRESS", "1")
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run ``leanplum-sync`` with these arguments; in the project folder ``tmp_path/shop`` once there is one."""

    def run(
        *arguments: str, variables: Mapping[str, str] | None = None, answer: str = ""
    ) -> subprocess.CompletedProcess[str]:
        shop = tmp_path / "shop"
        out, err = io.StringIO(), io.StringIO()
        with monkeypatch.context() as context, redirect_stdout(out), redirect_stderr(err):
            context.chdir(shop if shop.exists() else tmp_path)
            context.setattr(sys, "stdin", io.StringIO(answer))
            for name, value in (variables or {}).items():
                context.setenv(name, value)
            code = program.run(list(arguments))
        if out.getvalue().startswith('{\n  "format": "leanplum-sync/'):
            check_document(out.getvalue())
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def shop(command: Command, tmp_path: Path) -> Path:
    """A new project, as ``init`` makes it."""
    assert command("init", "shop").returncode == 0
    return tmp_path / "shop"


@pytest.fixture
def shop_that_sends(shop: Path) -> Path:
    """A new project in which two users are to get a message, too: with their id as its value of ``email``."""
    send = send_hello('{inline: ["00001", "00002"]}') + "  values: {email: {column: id}}\n"
    (shop / "specs" / "hello.yaml").write_text(send)
    seed = shop / "seed" / "users.ndjson"
    seed.write_text(ndjson(HELLO) + seed.read_text())
    return shop
