"""Limits the rate and the concurrency of requests, and lowers the concurrency after 429s."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from leanplum_sync.clock import Clock

_AT_ONCE_SECONDS: Final = 0.5  # so that the default rate doesn't delay a plan for ten users
_GLANCE_SECONDS: Final = 0.2  # how often a wait checks whether it must end


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
    ) -> None:
        self._most = max(1, concurrency)
        self._width = float(self._most)
        self._busy = 0
        self._near = 0  # callers that have a place, or get one next
        # Public, so that the same threads can also wait for other things.
        self.changed = changed or threading.Condition()
        self._starts, self._preparations = (
            _Rate(requests_per_second, clock, self.changed, must_end) for _ in range(2)
        )

    @property
    def width(self) -> int:
        """How many requests may be in flight now."""
        return max(1, int(self._width))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a free place and for the rate limit, then hold the place. Once the run must end, don't wait for the rate."""
        with self._place():
            self._starts.wait()
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
            self._preparations.wait()
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


class _Rate:
    """A leaky bucket: after a pause, up to half a second's worth of requests start at once. The rest is spread evenly."""

    def __init__(
        self,
        per_second: float | None,
        clock: Clock,
        lock: threading.Condition,
        must_end: Callable[[], bool],
    ) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._ahead = max(0.0, _AT_ONCE_SECONDS - self._interval)
        self._clock, self._lock, self._must_end = clock, lock, must_end
        self._due = clock.monotonic()

    def wait(self) -> None:
        if not self._interval:
            return
        with self._lock:
            now = self._clock.monotonic()
            due = max(now, self._due)
            start = max(now, due - self._ahead)
            self._due = due + self._interval
        left = start - now
        while left > 0 and not self._must_end():
            self._clock.sleep(min(left, _GLANCE_SECONDS))
            left -= _GLANCE_SECONDS
