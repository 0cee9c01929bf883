"""What the journal holds, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from leanplum_sync.address import Subject
from leanplum_sync.wire.batch import DeliveryKey

RECORDED: Final = "recorded"  # in place of a plan's digest: the sends of the run were made elsewhere


class BatchState(StrEnum):
    PLANNED = "planned"  # none of its open actions is in flight
    SENT = "sent"  # the request may be in flight
    DONE = "done"  # every action has its outcome
    IN_DOUBT = "in doubt"  # sent, and no trustworthy response came back
    PARKED = "parked"  # refused, or the API was unreachable for too long: waits for a resume
    HELD = "held"  # in doubt about something that must not happen twice: waits for a person


class FateGroup(StrEnum):
    AS_DESIRED = "as desired"
    NOT_CARRIED_OUT = "not carried out"  # finally; a later plan may send it again
    HELD = "held"  # a person decides
    OPEN = "open"  # a resume continues


class Fate(StrEnum):
    """The outcome of an action in the run. Every planned action has exactly one."""

    DONE = "done"
    ALREADY = "already"  # found as desired, or done by an earlier run: not written
    SKIPPED = "skipped"  # the API says that it did not carry it out
    REJECTED = "rejected"
    CONFLICTING = "conflicting"  # live state is neither as planned nor as desired: not written
    HELD = "held"
    IN_DOUBT = "in doubt"
    PARKED = "parked"
    NOT_SENT = "not sent"

    @property
    def group(self) -> FateGroup:
        match self:
            case Fate.DONE | Fate.ALREADY:
                return FateGroup.AS_DESIRED
            case Fate.SKIPPED | Fate.REJECTED | Fate.CONFLICTING:
                return FateGroup.NOT_CARRIED_OUT
            case Fate.HELD:
                return FateGroup.HELD
            case Fate.IN_DOUBT | Fate.PARKED | Fate.NOT_SENT:
                return FateGroup.OPEN

    @property
    def gravity(self) -> int:
        """From plain success to what needs a person most."""
        match self:
            case Fate.DONE:
                return 0
            case Fate.ALREADY:
                return 1
            case Fate.NOT_SENT:
                return 2
            case Fate.SKIPPED:
                return 3
            case Fate.CONFLICTING:
                return 4
            case Fate.REJECTED:
                return 5
            case Fate.PARKED:
                return 6
            case Fate.IN_DOUBT:
                return 7
            case Fate.HELD:
                return 8


def fates_of(*groups: FateGroup) -> tuple[Fate, ...]:
    return tuple(fate for fate in Fate if fate.group in groups)


# Each is a column of a batch's row.
COUNTED: Final = fates_of(FateGroup.AS_DESIRED, FateGroup.NOT_CARRIED_OUT, FateGroup.HELD)


class RunState(StrEnum):
    RUNNING = "running"  # or killed
    INTERRUPTED = "interrupted"
    FINISHED = "finished"  # all batches are done
    PARTIAL = "partial"  # reached the end of the plan; something is parked, held, in doubt or set aside
    SUPERSEDED = "superseded"  # unfinished when a run of another plan began

    @property
    def is_over(self) -> bool:
        """Whether it can't be resumed."""
        match self:
            case RunState.FINISHED | RunState.SUPERSEDED:
                return True
            case RunState.RUNNING | RunState.INTERRUPTED | RunState.PARTIAL:
                return False


UNFINISHED: Final = tuple(state for state in RunState if not state.is_over)


class DeliveryState(StrEnum):
    SENT = "sent"
    DONE = "done"
    HELD = "held"
    DROPPED = "dropped"  # unknown whether it happened; a person decided not to send it again


class ExportState(StrEnum):
    """The state of an exportUsers job. Leanplum counts the jobs that succeed, so all but two states count towards the day's quota."""

    ASKED = "asked"  # the request may have left; its response, with the job's id, was not recorded
    RUNNING = "running"
    FINISHED = "finished"  # its files can be downloaded
    USED = "used"  # its files were downloaded and used
    FAILED = "failed"
    REFUSED = "refused"  # the API started no job

    @property
    def counts(self) -> bool:
        """Whether it counts, or may count, towards the quota."""
        match self:
            case ExportState.ASKED | ExportState.RUNNING | ExportState.FINISHED | ExportState.USED:
                return True
            case ExportState.FAILED | ExportState.REFUSED:
                return False

    @property
    def can_be_resumed(self) -> bool:
        """Whether the API may still have files of it that were not used."""
        match self:
            case ExportState.RUNNING | ExportState.FINISHED:
                return True
            case ExportState.ASKED | ExportState.USED | ExportState.FAILED | ExportState.REFUSED:
                return False


class Resolution(StrEnum):
    """A person's decision about a held action."""

    DONE = "done"  # it happened
    AGAIN = "again"  # it did not: send it
    DROP = "drop"  # unknown; never send it


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who holds the lock on an app, and for which environment. Times are seconds since the epoch."""

    app: str
    environment: str
    part: str
    holder: str
    host: str
    pid: int
    since: float
    until: float
    fence: int


@dataclass(frozen=True, slots=True)
class RunEntry:
    """*plan_made_at* is when the plan that began it was made: it distinguishes plans of the same digest."""

    number: int
    app: str
    environment: str
    part: str
    plan_digest: str
    plan_made_at: float
    state: RunState
    batches: int
    actions: int
    started_at: float
    ended_at: float | None

    @property
    def is_recorded(self) -> bool:
        """Whether nothing was sent: a person recorded sends that were made elsewhere."""
        return self.plan_digest == RECORDED


@dataclass(frozen=True, slots=True)
class AppliedSpec:
    """
    A resource as of the last run that finished it: nothing was left to do, though users may have been skipped or rejected.

    *digest* covers the spec and its data. *run* is None if there was nothing to do.
    """

    resource: str
    digest: str
    run: int | None
    plan_digest: str
    applied_at: float


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """
    *open* has the numbers of the actions without an outcome, None for all actions. *sent* has the numbers of the open actions
    that are or may be in flight, None for all open ones. *held* counts the actions that wait for a person.

    The settle window begins at *doubted_at*, when the batch became doubtful.
    """

    run: int
    sequence: int
    wave: int
    delivery_class: str
    state: BatchState
    attempts: int
    open: frozenset[int] | None
    sent: frozenset[int] | None
    held: int
    body_digest: str
    sent_at: float | None
    doubted_at: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class ExceptionEntry:
    """An action that did not simply succeed. *message* is the API's, or ours."""

    run: int
    sequence: int
    action: int
    subject: Subject
    fate: Fate
    message: str


@dataclass(frozen=True, slots=True)
class DeliveryEntry:
    app: str
    key: DeliveryKey
    state: DeliveryState
    run: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Tally:
    """
    The numbers of a whole run, including its resumes.

    *actions* does not count batches without an entry. *subjects* counts each subject once, at its worst fate. *lookups* are
    billable: the unique users of each request that was or may have been carried out. *rejected_before* counts some of the
    skipped actions: they were not sent, because an earlier run had them rejected.
    """

    actions: Mapping[Fate, int]
    subjects: Mapping[Fate, int]
    batches: Mapping[BatchState, int]
    requests: int
    lookups: int
    recheck_reads: int
    settle_reads: int
    rejected_before: int = 0
