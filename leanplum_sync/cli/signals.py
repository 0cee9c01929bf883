"""Ctrl-C and SIGTERM end a command like an error. While requests are in flight, the first stops cleanly, the second at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

from leanplum_sync.cli.output.console import Console

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR: Final = b"\x1b[?25h"  # a progress bar hides it
_STOPPED_AT_ONCE: Final = (
    b"Stopped at once. In-flight requests are in doubt until apply --resume settles them.\n"
)


@contextmanager
def ending_by_signals() -> Iterator[None]:
    """
    While the block runs, a signal raises KeyboardInterrupt or SystemExit, so that files and locks are released.

    DuckDB ends a query on a signal with its own error, which replaces the one the handler raised. So after a signal, any
    error that ends the block counts as the signal's.
    """
    came: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> NoReturn:
        came.append(number)
        raise _end_of(number)

    # A shell makes background processes ignore Ctrl-C.
    heeded = [number for number in _SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    with _handled_by(handle, heeded):
        try:
            yield
        except Exception as error:
            if came:
                raise _end_of(came[0]) from error
            raise


@contextmanager
def _handled_by(
    handle: Callable[[int, FrameType | None], None], numbers: Sequence[signal.Signals]
) -> Iterator[None]:
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_of(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)


@contextmanager
def stopping(request_stop: Callable[[int], None], console: Console) -> Iterator[None]:
    """
    While the block runs, the first signal calls *request_stop* with its number; the second ends the process at once.

    At once means without waiting for responses or cleaning up, as if the process had been killed. The journal recorded
    every request before it was sent, so nothing is lost or repeated: the next run settles it.
    """
    asked = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            _end(128 + number)
        asked = True
        request_stop(number)
        console.complain(
            "\nStopping after the requests in flight complete. Press Ctrl-C again to stop at once."
        )

    with _handled_by(handle, _SIGNALS):
        yield


def _end(code: int) -> NoReturn:
    # Not through the stream: the signal may have interrupted a write to it.
    if sys.stderr.isatty():
        os.write(2, _SHOW_CURSOR)
    os.write(2, _STOPPED_AT_ONCE)
    os._exit(code)
