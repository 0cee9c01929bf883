"""How long work reports how far it is, without knowing who watches."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Task(Protocol):
    def advance(self, steps: int = 1) -> None: ...


class Progress(Protocol):
    def track(self, what: str, total: int | None, unit: str) -> AbstractContextManager[Task]:
        """
        Announce *what* (such as ``Reading users``), of *total* steps if that is known, each one *unit*.

        The context ends the task; the same object may track one task after another.
        """


class _SilentTask:
    def advance(self, steps: int = 1) -> None:
        pass


class SilentProgress:
    """Nobody watches."""

    def track(self, what: str, total: int | None, unit: str) -> AbstractContextManager[Task]:  # noqa: ARG002 - the protocol's arguments
        return nullcontext(_SilentTask())
