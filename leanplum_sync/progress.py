"""How long-running work reports its progress, without knowing how it is shown."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Task(Protocol):
    def advance(self, steps: int = 1) -> None: ...

    def skip(self, steps: int = 1) -> None:
        """Count steps that an earlier run has done. They take no time, so they are left out of the rate."""


class Progress(Protocol):
    def track(self, what: str, total: int | None, unit: str) -> AbstractContextManager[Task]:
        """
        Start a task such as ``Reading users``, with *total* steps if that is known, each one *unit*.

        The task ends with the context. Tasks may follow one another or be nested.
        """


class _SilentTask:
    def advance(self, steps: int = 1) -> None:
        pass

    def skip(self, steps: int = 1) -> None:
        pass


class SilentProgress:
    """Shows nothing."""

    def track(self, what: str, total: int | None, unit: str) -> AbstractContextManager[Task]:  # noqa: ARG002 - the protocol's arguments
        return nullcontext(_SilentTask())
