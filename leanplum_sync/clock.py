"""Time and new ids behind one small protocol, so that tests can choose both."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Callable
from typing import Final, Protocol

GLANCE_SECONDS: Final = 0.2  # how often a wait checks whether it must end


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds that never go backwards; only differences are meaningful."""

    def sleep(self, seconds: float) -> None: ...

    def new_id(self) -> str:
        """A new unique id of 32 hexadecimal digits."""


class SystemClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def new_id(self) -> str:
        return uuid.uuid4().hex


def pause(seconds: float, clock: Clock, must_end: Callable[[], bool]) -> None:
    """Wait so long, or until this *must_end*. Short sleeps are too long, each by a little, so only the end counts."""
    end = clock.monotonic() + seconds
    while (left := end - clock.monotonic()) > 0 and not must_end():
        clock.sleep(min(left, GLANCE_SECONDS))


def utc(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
