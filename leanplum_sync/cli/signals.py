"""Ctrl-C and SIGTERM while something is being sent: first stop cleanly, then at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from leanplum_sync.cli.console import Console

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping(request_stop: Callable[[int], None], console: Console) -> Iterator[None]:
    """
    While the block runs, the first signal calls *request_stop* with its number; the second ends the process.

    The journal has noted what is on its way before it left: even ending at once loses and repeats nothing.
    """
    asked = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise SystemExit(128 + number)
        asked = True
        request_stop(number)
        console.complain("\nStopping: what is on its way is finished first. Once more to stop at once.")

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
