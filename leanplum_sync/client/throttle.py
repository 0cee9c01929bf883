"""Limits the rate and the concurrency of requests, and lowers the concurrency after 429s."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from leanplum_sync.clock import Clock, pause

_AT_ONCE_SECONDS: Final = 0.5  # so that the default rate doesn't delay a plan for ten users


class Rate(Protocol):
    """When the next request may start, for all threads of a process or for all processes that work on an app."""

    def wait(self, must_end: Callable[[], bool]) -> None:
        """Wait until a request may start, or until this *must_end*."""

    def refused(self) -> None:
        """The API has answered 429."""


class Pace:
    """
    Shared by all threads that send.

    A 429 halves the concurrency, and each full round of answers raises it by one. So it settles near the API's limit, which
    isn't published.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        requests_per_second: float | None,
        clock: Clock,
        changed: threading.Condition | None = None,
        must_end: Callable[[], bool] = lambda: False,
        rate: Rate | None = None,
    ) -> None:
        """*rate* is one that other processes keep to, too; without it, this process has *requests_per_second* for itself."""
        self._most = max(1, concurrency)
        self._width = float(self._most)
        self._busy = 0
        self._near = 0  # callers that have a place, or get one next
        # Public, so that the same threads can also wait for other things.
        self.changed = changed or threading.Condition()
        self._must_end = must_end
        own, self._preparations = (_OwnRate(requests_per_second, clock, self.changed) for _ in range(2))
        self._starts: Rate = rate or own

    @property
    def width(self) -> int:
        """How many requests may be in flight now."""
        return max(1, int(self._width))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a free place and for the rate limit, then hold the place. Once the run must end, don't wait for the rate."""
        with self._place():
            self._starts.wait(self._must_end)
            yield

    @contextmanager
    def turn_after(self, prepare: Callable[[], None]) -> Iterator[None]:
        """
        Like ``turn``, but call *prepare* shortly before: when the caller is among the next to get a place.

        So places are not idle during preparations. Preparations are limited to the rate of requests, so that none waits long
        for its place, and so that prepared requests don't start all at once when several places become free.
        """
        with self.changed:
            self.changed.wait_for(lambda: self._near < self.width + self.width // 2)
            self._near += 1
        try:
            self._preparations.wait(self._must_end)
            prepare()
            with self.turn():
                yield
        finally:
            with self.changed:
                self._near -= 1
                self.changed.notify_all()

    @contextmanager
    def _place(self) -> Iterator[None]:
        with self.changed:
            self.changed.wait_for(lambda: self._busy < self.width)
            self._busy += 1
        try:
            yield
        finally:
            with self.changed:
                self._busy -= 1
                self.changed.notify_all()

    def answered(self) -> None:
        with self.changed:
            self._width = min(float(self._most), self._width + 1 / self._width)
            self.changed.notify_all()

    def refused(self) -> None:
        with self.changed:
            self._width = max(1.0, self._width / 2)
        self._starts.refused()


class _OwnRate:
    """A leaky bucket: after a pause, up to half a second's worth of requests start at once. The rest is spread evenly."""

    def __init__(self, per_second: float | None, clock: Clock, lock: threading.Condition) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._ahead = max(0.0, _AT_ONCE_SECONDS - self._interval)
        self._clock, self._lock = clock, lock
        self._due = clock.monotonic()

    def wait(self, must_end: Callable[[], bool]) -> None:
        if not self._interval:
            return
        with self._lock:
            now = self._clock.monotonic()
            due = max(now, self._due)
            start = max(now, due - self._ahead)
            self._due = due + self._interval
        pause(start - now, self._clock, must_end)

    def refused(self) -> None:
        """Nothing but the concurrency changes, see ``Pace``."""
