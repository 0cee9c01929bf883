"""
What event logs, kept plans and receipts show about the deliveries of a lost journal. Pure, see ``library.rebuild``.

A log counts outcomes by batch and names nobody; the plan names the actions of the batch. So where all actions of a
batch ended alike, each is known. Where they ended differently, only a receipt that lists the exceptions tells which. Without
one, every delivery of the batch may have happened, and is held for a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from leanplum_sync.journal.entry import BatchState, DeliveryState, Fate, FateGroup, fates_of
from leanplum_sync.wire.batch import Batch, PlannedAction

_HAPPENED: Final = {True: DeliveryState.DONE, False: None}


@dataclass(slots=True)
class Logged:
    """What a log says about one batch: its last state, how many actions are open, and how many had each fate."""

    was_sent: bool = False
    last: BatchState = BatchState.PLANNED
    open: int = 0
    fates: Counter[Fate] = field(default_factory=Counter)
    sent_at: float = 0.0
    last_at: float = 0.0

    def add(self, event: Mapping[str, Any]) -> None:
        """
        Raises:
            ValueError, KeyError, TypeError, AttributeError: it is not an event of a batch.
        """
        self.last, self.last_at = BatchState(event["to"]), float(event["at"])
        self.open = int(event["open"])
        self.fates.update({Fate(fate): int(count) for fate, count in event["fates"].items()})
        if self.last is BatchState.SENT:
            self.was_sent, self.sent_at = True, self.last_at


@dataclass(slots=True)
class LoggedRun:
    """
    A run as its log shows it: *number* in the journal with the id *journal*, the digest of its *plan*, and its batches.

    *unreadable* counts damaged lines. *has_ended* is False if the process was killed or lost power. *mark* is the number of the
    journal's mark when the run was last started or ended.
    """

    journal: str
    number: int
    plan: str
    started_at: float
    ended_at: float = 0.0
    batches: dict[int, Logged] = field(default_factory=dict)
    unreadable: int = 0
    has_ended: bool = False
    mark: int = 0

    def batch(self, number: int) -> Logged:
        """Return what the log says about a batch. Where lines are damaged, a batch without an event may have been sent."""
        return self.batches.get(number) or Logged(
            was_sent=self.unreadable > 0, last=BatchState.IN_DOUBT if self.unreadable else BatchState.PLANNED
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the *planned* action: *state* None if it was not carried out."""

    planned: PlannedAction
    state: DeliveryState | None


def outcomes(batch: Batch, logged: Logged, listed: Mapping[int, Fate]) -> Iterator[Outcome]:
    """
    Yield what became of each action of *batch*, which was sent or may have been. *listed* are the exceptions of the batch that a receipt lists, by number; empty
    if there is no receipt.
    """
    known = _of_all(logged, len(batch.actions))
    fits = Counter(listed.values()) == Counter(
        {
            fate: count
            for fate, count in logged.fates.items()
            if fate.group is not FateGroup.AS_DESIRED and count
        }
    )
    for planned in batch.actions:
        if known is not None:
            yield Outcome(planned, _HAPPENED[known])
        elif listed and fits and not logged.open:
            yield Outcome(planned, _state(listed.get(planned.number, Fate.DONE)))
        else:
            yield Outcome(planned, DeliveryState.HELD)


def _of_all(logged: Logged, actions: int) -> bool | None:
    """Return whether all *actions* were carried out, None if they ended differently or that is unknown."""
    if logged.last in (BatchState.SENT, BatchState.IN_DOUBT) or logged.fates[Fate.HELD]:
        return None
    happened = sum(logged.fates[fate] for fate in fates_of(FateGroup.AS_DESIRED))
    failed = sum(logged.fates[fate] for fate in fates_of(FateGroup.NOT_CARRIED_OUT)) + logged.open
    if happened + failed != actions or (happened and failed):
        return None
    return bool(happened)


def _state(fate: Fate) -> DeliveryState | None:
    match fate:
        case Fate.DONE | Fate.ALREADY:
            return DeliveryState.DONE
        case Fate.HELD | Fate.IN_DOUBT:
            return DeliveryState.HELD
        case Fate.SKIPPED | Fate.REJECTED | Fate.CONFLICTING | Fate.PARKED | Fate.NOT_SENT:
            return None


def missing(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of each row of runs that left no log, though later ones did."""
    following = 1
    for number in sorted(set(numbers)):
        if number > following:
            yield following, number - 1
        following = number + 1
