"""A clock for tests that must not wait."""

from __future__ import annotations


class Clock:
    """Stands at *time*, in seconds, and moves when somebody sleeps."""

    def __init__(self, time: float = 1_700_000_000.5) -> None:
        self.time = time
        self._ids = 0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def new_id(self) -> str:
        self._ids += 1
        return f"{id(self):x}-{self._ids}"
