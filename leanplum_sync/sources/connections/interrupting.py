"""Calls of drivers that hold signals back while they wait for a server."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any


def interruptible(call: Callable[[], Any], cancel: Callable[[], None] | None = None) -> Any:
    """
    Return what *call* returns, or raise what it raises.

    It runs in another thread, so that Ctrl-C reaches this one meanwhile: then *cancel* is called, which makes *call* end. Without
    *cancel*, it isn't waited for.
    """
    outcome: SimpleQueue[tuple[Any, Exception | None]] = SimpleQueue()

    def work() -> None:
        try:
            outcome.put((call(), None))
        except Exception as error:  # noqa: BLE001 - raised again, in the thread that waits
            outcome.put((None, error))

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        value, error = outcome.get()
    except BaseException:
        if cancel is not None:
            cancel()
            thread.join()
        raise
    if error is not None:
        raise error
    return value
