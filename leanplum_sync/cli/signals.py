"""Ctrl-C and SIGTERM: they end a command like an error; while something is being sent, first cleanly, then at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

from leanplum_sync.cli.output.console import Console

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR: Final = b"\x1b[?25h"  # which a progress bar had hidden
_STOPPED_AT_ONCE: Final = (
    b"Stopped at once. What was on its way is in doubt until apply --resume settles it.\n"
)


@contextmanager
def ending_by_signals() -> Iterator[None]:
    """
    While the block runs, a signal raises KeyboardInterrupt or SystemExit, so that files and locks are let go.

    DuckDB ends a query on a signal, but with an error of its own in the place of what the handler raised. So once a signal
    came, whatever error ends the block is taken for it.
    """
    came: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> NoReturn:
        came.append(number)
        raise _end_of(number)

    found = {number: signal.getsignal(number) for number in _SIGNALS}
    # A shell lets what runs in the background ignore Ctrl-C.
    before = {number: handler for number, handler in found.items() if handler not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, handle)
    try:
        yield
    except Exception as error:
        if came:
            raise _end_of(came[0]) from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_of(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)


@contextmanager
def stopping(request_stop: Callable[[int], None], console: Console) -> Iterator[None]:
    """
    While the block runs, the first signal calls *request_stop* with its number; the second ends the process at once.

    At once means that nobody waits for answers, and that nothing is cleaned up, as if it had been killed. The journal
    noted what is on its way before it left, so this loses and repeats nothing: the next run settles it.
    """
    asked = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            _end(128 + number)
        asked = True
        request_stop(number)
        console.complain("\nStopping: what is on its way is finished first. Once more to stop at once.")

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(code: int) -> NoReturn:
    # Past the stream, in whose midst the signal may have come.
    if sys.stderr.isatty():
        os.write(2, _SHOW_CURSOR)
    os.write(2, _STOPPED_AT_ONCE)
    os._exit(code)
