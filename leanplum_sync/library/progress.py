"""Progress as a callback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from leanplum_sync.progress import Progress, SilentProgress


@dataclass(frozen=True, slots=True)
class Step:
    """*what* is such as ``Reading users``. Of *total* steps, None if unknown, each one *unit*, *done* are done."""

    what: str
    done: int
    total: int | None
    unit: str


Callback: TypeAlias = Callable[[Step], None]


class _Task:
    def __init__(self, callback: Callback, what: str, total: int | None, unit: str) -> None:
        self._callback, self._what, self._total, self._unit = callback, what, total, unit
        self._done = 0

    def advance(self, steps: int = 1) -> None:
        self._done += steps
        self._callback(Step(self._what, self._done, self._total, self._unit))

    def skip(self, steps: int = 1) -> None:
        self.advance(steps)


class CallbackProgress:
    def __init__(self, callback: Callback) -> None:
        self._callback = callback

    @contextmanager
    def track(self, what: str, total: int | None, unit: str) -> Iterator[_Task]:
        yield _Task(self._callback, what, total, unit)


def progress_to(callback: Callback | None) -> Progress:
    return SilentProgress() if callback is None else CallbackProgress(callback)
