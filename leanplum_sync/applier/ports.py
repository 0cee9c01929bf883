"""Protocols of the applier's collaborators. Reading and writing are separate types: a reader can't send."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from leanplum_sync.address import Subject
from leanplum_sync.planner.change import Change
from leanplum_sync.planner.known import Position
from leanplum_sync.planner.plan import Contents, Hazard, Header, Input, Summary
from leanplum_sync.wire.action import Action
from leanplum_sync.wire.batch import Batch
from leanplum_sync.wire.envelope import BatchAnswer


class WholePlan(Protocol):
    """A plan as the preflight reads it: what it was made for, what it was made from, and what it holds."""

    @property
    def path(self) -> Path: ...

    @property
    def header(self) -> Header: ...

    @property
    def summary(self) -> Summary: ...

    @property
    def contents(self) -> Contents: ...

    def inputs(self) -> Sequence[Input]: ...

    def hazards(self) -> Sequence[Hazard]: ...


class Plan(Protocol):
    """A plan, or a part of one, as the applier reads it: streams, and the changes of a few subjects at a time."""

    @property
    def whole(self) -> WholePlan: ...

    @property
    def digest(self) -> str: ...

    @property
    def app_id(self) -> str: ...

    @property
    def environment(self) -> str: ...

    @property
    def created_at(self) -> float:
        """When the plan was made, in seconds since the epoch. It distinguishes plans that have the same digest."""

    @property
    def read_after_run(self) -> int | None:
        """The journal's latest run when reading live state for the plan began; None if unknown."""

    @property
    def position(self) -> Position:
        """Where the journal was when live state was read for the plan."""

    @property
    def batch_count(self) -> int: ...

    @property
    def action_count(self) -> int: ...

    def batches(self) -> Iterator[Batch]:
        """Yield all batches by number, which sorts them by wave and, within a wave, by delivery class."""

    def subjects(self) -> Iterator[Subject]:
        """Yield each subject with a change once, sorted."""

    def changes_of(self, subjects: Collection[Subject]) -> Mapping[Subject, tuple[Change, ...]]: ...


class Writer(Protocol):
    def send(
        self,
        actions: Sequence[Action],
        *,
        request_ids: Sequence[str],
        batch_id: str,
        before_write: Callable[[], None],
    ) -> BatchAnswer:
        """
        Send *actions* in one ``multi``. *before_write* is called just before the first byte, and may raise to prevent it.

        Raises:
            NotSentError: it never reached the API.
            NoAnswerError: it may have been carried out.
            CredentialError: the key is missing, wrong, or of the wrong class; nothing was carried out.
        """


class Stop(Protocol):
    """Checked between batches."""

    @property
    def signal_number(self) -> int | None:
        """The signal that asked the run to end; None while it may continue."""


class StopFlag:
    """A stop that is set by a signal handler."""

    def __init__(self) -> None:
        self._signal_number: int | None = None

    def request(self, signal_number: int) -> None:
        self._signal_number = signal_number

    @property
    def signal_number(self) -> int | None:
        return self._signal_number
