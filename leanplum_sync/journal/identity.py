"""
Whether a journal is the one that recorded what was sent before. Pure: the evidence is gathered elsewhere.

Without its journal, a plan would contain sends and increments that have been made. So a journal that evidence contradicts is
refused until a person accepts it with ``--new-journal``, and a new one before the first send or increment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from leanplum_sync.planner.known import JournalMark

_ACCEPT: Final = "or apply with --new-journal to continue without the missing records"


class LapseKind(StrEnum):
    MISSING = "missing"  # or empty
    OLDER = "older"
    OTHER = "other"
    UNPROVEN = "unproven"  # no send or increment was recorded in it, and nobody has said that there was none
    INCOMPLETE = "incomplete"  # some were recorded, but nobody has said that these are all: it was rebuilt from what was left


@dataclass(frozen=True, slots=True)
class Lapse:
    """Why a journal can't be trusted. *evidence* is what contradicts it, such as the name of a file."""

    kind: LapseKind
    evidence: str = ""

    @property
    def is_lifted_by_planning(self) -> bool:
        """Whether a new plan helps: the journal is in use, and only the plan belongs to another one."""
        return self.kind is LapseKind.OTHER and self.evidence == _THE_PLAN

    def sentence(self, name: str) -> str:
        """Return what is wrong with the journal *name*, and what to do, as ``apply`` refuses it."""
        return f"{self.fault(name)}; nothing was sent. {self._remedy()}"

    def warning(self, name: str) -> str:
        """Return the same for a plan that has not been applied yet."""
        return f"{self.fault(name)}, so apply will refuse this plan. {self._remedy()}"

    def report(self, name: str) -> str:
        """Return the same where there is no plan."""
        return f"{self.fault(name)}, so apply will refuse every plan. {self._remedy()}"

    def fault(self, name: str) -> str:
        match self.kind:
            case LapseKind.MISSING:
                return (
                    f"{name} is missing or has no runs, although {self.evidence} shows that there were some"
                )
            case LapseKind.OLDER:
                return f"{name} is an older copy: {self.evidence} shows that it had recorded more"
            case LapseKind.OTHER:
                return f"{name} is not the journal that {self.evidence} belongs to"
            case LapseKind.UNPROVEN:
                return f"{name} has no record of any sends, increments, or past events, so it doesn't show which were made"
            case LapseKind.INCOMPLETE:
                return f"{name} may lack some sends, increments, or past events, so it doesn't show which were made"
            case _:
                assert_never(self.kind)

    def _remedy(self) -> str:
        match self.kind:
            case LapseKind.MISSING:
                return f"Restore it from a backup, rebuild it with leanplum-sync journal rebuild, {_ACCEPT}."
            case LapseKind.OLDER:
                return f"Restore the latest copy, {_ACCEPT}."
            case LapseKind.OTHER:
                return (
                    "Plan again." if self.is_lifted_by_planning else f"Restore the right journal, {_ACCEPT}."
                )
            case LapseKind.UNPROVEN:
                return "If this plan makes the app's first sends, increments, or past events, apply with --new-journal. Otherwise, restore the journal that recorded the earlier ones."
            case LapseKind.INCOMPLETE:
                return "Apply with --new-journal to continue without the missing records, or restore the journal that recorded them."
            case _:
                assert_never(self.kind)


_THE_PLAN: Final = "the plan"


@dataclass(frozen=True, slots=True)
class Trace:
    """What a run left beside the journal. *journal*, *run* and *mark* are what an event log says; a kept plan says none."""

    name: str
    journal: str = ""
    run: int = 0
    mark: int = 0


@dataclass(frozen=True, slots=True)
class Here:
    """
    The journal as it is found: its *mark*, None if there is none, the number of its *last_run*, and whether sends of the app are
    *accepted*: a person has said that it may be new. *delivered*: it has a record of one.

    *remembered* is the mark in the file *memory*. *latest* is the latest trace of a run of the app.
    """

    name: str
    mark: JournalMark | None
    last_run: int = 0
    accepted: bool = False
    delivered: bool = False
    remembered: JournalMark | None = None
    memory: str = ""
    latest: Trace | None = None

    @property
    def is_new(self) -> bool:
        return self.mark is None or self.mark.number == 0


def contradictions(here: Here) -> Iterator[Lapse]:
    """Yield what files beside the journal say against it."""
    if lapse := of_marks(here.mark, here.remembered, here.memory):
        yield lapse
    if here.latest and (lapse := _of_trace(here, here.latest)):
        yield lapse


def _of_trace(here: Here, trace: Trace) -> Lapse | None:
    if here.mark is None or here.is_new:
        return Lapse(LapseKind.MISSING, trace.name)
    if not trace.journal:
        return None
    if trace.journal != here.mark.id:
        return Lapse(LapseKind.OTHER, trace.name)
    is_behind = here.last_run < trace.run or here.mark.number < trace.mark
    return Lapse(LapseKind.OLDER, trace.name) if is_behind else None


def of_plan(here: Here, planned: JournalMark | None, *, delivers: bool) -> Iterator[Lapse]:
    """Yield what a plan that was made with the mark *planned* says against the journal. *delivers*: it has sends or increments."""
    if lapse := of_marks(here.mark, planned, _THE_PLAN):
        yield lapse
    elif delivers and not here.accepted:
        yield Lapse(LapseKind.INCOMPLETE if here.delivered else LapseKind.UNPROVEN)


def of_marks(found: JournalMark | None, known: JournalMark | None, evidence: str) -> Lapse | None:
    """Compare the mark that is *found* with one that *evidence* knows."""
    if known is None or known.number == 0:
        return None
    if found is None or (found.id != known.id and found.number == 0):
        return Lapse(LapseKind.MISSING, evidence)
    if found.id != known.id:
        return Lapse(LapseKind.OTHER, evidence)
    return Lapse(LapseKind.OLDER, evidence) if found.number < known.number else None
