"""How fast requests go: at most so many at once, at most so many a second, fewer after the API says it is too much."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from leanplum_sync.clock import Clock

_AT_ONCE_SECONDS: Final = 0.5  # a plan for ten users is not kept waiting by the default rate
_GLANCE_SECONDS: Final = 0.2  # how often a wait looks up to see whether it must end


class Pace:
    """
    Shared by all threads that send.

    Concurrency halves when a request is refused for now (429) and grows back by one for each full round of answers:
    it settles near what the API allows, without knowing the limit, which isn't published.
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
        self._near = 0  # with a place, or next to get one
        # Public for what else the same threads wait for.
        self.changed = changed or threading.Condition()
        self._starts, self._preparations = (
            _Rate(requests_per_second, clock, self.changed, must_end) for _ in range(2)
        )

    @property
    def width(self) -> int:
        """How many requests may be under way now."""
        return max(1, int(self._width))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a free place and for the rate, then hold the place. Once all *must_end*, the rate is not waited for."""
        with self._place():
            self._starts.wait()
            yield

    @contextmanager
    def turn_after(self, prepare: Callable[[], None]) -> Iterator[None]:
        """
        As ``turn``, with *prepare* called when the turn has come, or nearly: while the last few wait for a place to fall free.

        So places need not stand idle while something is prepared. Preparations go no faster than the requests, so that none
        lies ready for long; and those that lie ready don't start at once when places fall free together.
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
    """A leaky bucket: what a pause has left unused starts at once, up to half a second's worth. The rest is spread evenly."""

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
