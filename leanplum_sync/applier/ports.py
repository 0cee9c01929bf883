"""Protocols of the applier's collaborators. Reading and writing are separate types: a reader can't send."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from leanplum_sync.address import Subject
from leanplum_sync.planner.change import Change
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
    def header(self) -> Header: ...

    @property
    def summary(self) -> Summary: ...

    @property
    def has_owners(self) -> bool:
        """Whether devices are listed without their users, and some of these are known."""

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
