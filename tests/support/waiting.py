"""Waiting for another process or thread. The timeout only ends a test that hangs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import IO


def wait_for(what: Callable[[], object], seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)


def lines_until(stream: IO[str], text: str) -> str:
    """Return what a process writes up to and including the line that contains *text*."""
    said = ""
    while text not in said:
        line = stream.readline()
        assert line, f"it ended without {text!r}:\n{said}"
        said += line
    return said
