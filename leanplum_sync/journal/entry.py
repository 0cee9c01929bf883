"""What the journal holds, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from leanplum_sync.address import Subject
from leanplum_sync.wire.batch import DeliveryKey


class BatchState(StrEnum):
    PLANNED = "planned"  # nothing of what is open is on its way
    SENT = "sent"  # the request may be on its way
    DONE = "done"  # every action has its outcome
    IN_DOUBT = "in doubt"  # sent, and no trustworthy answer came back
    PARKED = "parked"  # refused, or unreachable for too long: waits for a resume
    HELD = "held"  # in doubt about something that must not happen twice: waits for a person


class Fate(StrEnum):
    """What became of an action in the run. Every planned action has exactly one."""

    DONE = "done"
    ALREADY = "already"  # found as desired, or done by an earlier run: not written
    SKIPPED = "skipped"  # the API says that it did not carry it out
    REJECTED = "rejected"
    CONFLICTING = "conflicting"  # live state is neither as planned nor as desired: not written
    HELD = "held"
    IN_DOUBT = "in doubt"
    PARKED = "parked"
    NOT_SENT = "not sent"


class RunState(StrEnum):
    RUNNING = "running"  # or killed: nobody came back to say
    INTERRUPTED = "interrupted"
    FINISHED = "finished"  # all batches are done
    PARTIAL = "partial"  # went through the plan; something is parked, held, in doubt or set aside
    SUPERSEDED = "superseded"  # unfinished, and a later plan took over


class DeliveryState(StrEnum):
    SENT = "sent"
    DONE = "done"
    HELD = "held"
    DROPPED = "dropped"  # nobody knows whether it happened, and a person said to leave it at that


class Resolution(StrEnum):
    """What a person says about something held."""

    DONE = "done"  # it happened
    AGAIN = "again"  # it did not: send it
    DROP = "drop"  # unknown; never send it


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who holds the lock on an app and environment. Times are seconds since the epoch."""

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
    """*plan_made_at* is the moment of the plan that began it: tells it from others of its digest."""

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


@dataclass(frozen=True, slots=True)
class AppliedSpec:
    """
    A resource as it was when a run about it last finished: nothing of it was left to do, whoever was skipped or rejected.

    *digest* is over the spec and its data. *run* is None where there was nothing to do.
    """

    resource: str
    digest: str
    run: int | None
    plan_digest: str
    applied_at: float


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """
    *open* are the numbers of the actions without an outcome, None for all of them; *sent* those of them that are, or may
    be, on their way, None for all that are open. *held* counts the actions that wait for a person.

    *doubted_at* is when the doubt arose: the settle window counts from there.
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
    """An action that is not a plain success. *message* is the API's own sentence, or ours."""

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
    The numbers of a run, over its whole life, resumes included.

    *actions* leaves out those of batches that have no entry. *subjects* counts each subject once, at its gravest fate.
    *lookups* are billable: the unique users of each request that was, or may have been, carried out.
    """

    actions: Mapping[Fate, int]
    subjects: Mapping[Fate, int]
    batches: Mapping[BatchState, int]
    requests: int
    lookups: int
    recheck_reads: int
    settle_reads: int
