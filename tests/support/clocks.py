"""A clock that tests move themselves."""

from __future__ import annotations


class Clock:
    """Starts at *time*, in seconds, and moves only when something sleeps."""

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
