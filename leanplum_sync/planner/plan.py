"""What a plan says about itself: header, cost, hazards, notes, cohorts. Plain values, as the plan file keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from leanplum_sync.address import SubjectKind, noun_of
from leanplum_sync.kinds.rows.source import KeptRows
from leanplum_sync.planner.audit import Audit
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.known import NO_RUN, JournalMark, Position
from leanplum_sync.planner.parts import Part
from leanplum_sync.planner.triggers import Trigger
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.catalogue import KeyClass

ASSUMED: Final = "assumed"  # the hazard, and the code of the note about it
UNSEEN: Final = "unseen"  # the same, for users whom an export shows
AUDIT: Final = "audit"  # the same of what an audit of these users leaves open
# Codes of notes about things of the app, not about users.
IN_TEST: Final = "in_test"
ENDED_TEST: Final = "ended_test"
UNKNOWN_TESTS: Final = "unknown_tests"
IN_THE_WAY: Final = "in_the_way"
FIXED: Final = "fixed"
IS_DEFAULT: Final = "is_default"
SEVERAL: Final = "several"
REJECTED_THINGS: Final = "things_rejected_before"
THINGS_NOT_UNDONE: Final = "things_not_undone"
# What each is about.
ABOUT_THINGS: Final[Mapping[str, str]] = {
    **dict.fromkeys((IN_TEST, ENDED_TEST, UNKNOWN_TESTS, IN_THE_WAY), SubjectKind.VARIABLE.words),
    **dict.fromkeys((FIXED, IS_DEFAULT), SubjectKind.CHANNEL.words),
    SEVERAL: SubjectKind.POSTBACK.words,
    **dict.fromkeys((REJECTED_THINGS, THINGS_NOT_UNDONE), noun_of(())),
}
TRIGGERS: Final = "triggers"  # the code of a note on a message that events of the plan may send
BLOCKED: Final = "blocked"  # the code of a note on users who were to be erased
# The codes of notes that are not about users: a doubt about specs or data, and where rows came from.
REMARK: Final = "remark"
SOURCE: Final = "source"
EXPORT: Final = "export"
ABOUT_SPECS: Final = (REMARK, SOURCE, EXPORT)
PLAN_FORMAT: Final = 2


EMBEDDED: Final = "embedded emulator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    The app that a plan was made for, and the only one that it may be applied to.

    *host* is the API's host without a port, or ``EMBEDDED`` for an environment that starts its own emulator. *writes* is the class of
    the only key that may be used to write.
    """

    environment: str
    host: str
    app_id: str
    is_emulator: bool
    writes: KeyClass = KeyClass.PRODUCTION

    @property
    def is_embedded(self) -> bool:
        return self.is_emulator and self.host == EMBEDDED


@dataclass(frozen=True, slots=True, order=True)
class Input:
    """A spec or data file, by its path from the project folder and the SHA-256 of its bytes."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class RowsRead:
    """The rows of one resource that were read from a connection. *query* is the file with the query."""

    connection: str
    query: str
    kept: KeptRows


@dataclass(frozen=True, slots=True)
class Scope:
    """
    Which spec files the project had (*files*), and what was chosen of them: the SPEC arguments (*specs*), relative to the
    project, and the globs of ``--select`` and ``--exclude``. Where nothing was chosen, all specs were planned.
    """

    files: tuple[Input, ...]
    specs: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Header:
    """
    *digest* is over everything that decides what would be sent; times, versions and paths of machines are not in it.
    *created_at*, in epoch seconds, distinguishes plans that have the same digest.

    *observed_from* and *observed_until* bound the moments, in epoch seconds, at which live state was read; both are
    None where nothing had to be read. *sensitive* names the attributes to mask, *mask_key* keys their fingerprints.
    *read_after_run* is the journal's latest run when reading live state began, 0 if it had none; None where users came from a
    snapshot. *journal* is the mark of the journal that says what was sent before, None if there was none, and *journal_doubt* is why it may not know that. *position* tells later writes of our own runs from earlier ones, whatever users came from. *scope* None: it was not made from
    specs. No batch crosses one of *parts*. A plan for the subjects of one *part* alone says which, None for all.
    """

    format: int
    digest: str
    target: Target
    created_at: float
    observed_from: float | None
    observed_until: float | None
    sensitive: frozenset[str]
    mask_key: bytes
    parts: int = 1
    part: Part | None = None
    read_after_run: int | None = None
    position: Position = NO_RUN
    journal: JournalMark | None = None
    journal_doubt: str = ""
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """
    Billable lookups: one for each unique user in a request (source: Leanplum docs, billing).

    *reads* were spent on observing; *writes* is what applying will cost. *one_by_one* is what a call for every action
    would cost, *by_action* what batches of one kind of action would; *separation* is the part of *writes* that is spent on
    keeping delivery classes apart. *recheck* is what checking each user again just before writing would add. *seconds*
    estimates the apply at the configured rate. *checks* is what reading users just before they are re-subscribed will cost.
    *thing_checks* is the same for variables, where they are read as a user.
    """

    reads: int
    writes: int
    recheck: int
    requests: int
    one_by_one: int
    by_action: int
    separation: int
    seconds: float
    checks: int = 0
    thing_checks: int = 0

    @property
    def to_apply(self) -> int:
        return self.writes + self.checks + self.thing_checks


@dataclass(frozen=True, slots=True)
class Hazard:
    """
    A named reason why a plan needs consent.

    *allowed* is the project's budget for it, None for no limit. *name* is the budget's and the ``--ack`` option's.
    """

    name: str
    count: int
    allowed: int | None

    @property
    def is_over(self) -> bool:
        return self.allowed is not None and self.count > self.allowed


@dataclass(frozen=True, slots=True)
class Note:
    """
    Something the plan leaves alone, and says so: *code* is for machines, *sentence* for people.

    One with code ``remark`` is about specs and data, not about users: its only sample is the place, as text. One with code ``export`` is
    about windows that applying the plan exports; its sample is their folder.
    """

    code: str
    resource: str
    sentence: str
    count: int
    samples: tuple[str, ...]


def pending_exports(notes: Iterable[Note]) -> int:
    """Return how many windows of exports applying a plan with these *notes* exports, as far as quotas allow."""
    return sum(note.count for note in notes if note.code == EXPORT)


@dataclass(frozen=True, slots=True)
class ValuePair:
    before: Json
    after: Json
    users: int


@dataclass(frozen=True, slots=True)
class Shape:
    """The names of the values that sends carry, whatever the values are."""

    names: tuple[str, ...]
    users: int


@dataclass(frozen=True, slots=True)
class Cohort:
    """
    Users, or devices without one, for which one field changes in one way.

    *values* are the most frequent values from and to, a few of them; *distinct* counts all pairs. *asked_at* is the line of the spec.
    *shapes* are those of sends, the most frequent of them.
    """

    resource: str
    kind: ChangeKind
    field: str
    users: int
    distinct: int
    values: tuple[ValuePair, ...]
    samples: tuple[str, ...]
    asked_at: str
    shapes: tuple[Shape, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """
    *listed* counts the users and devices in the specs, *changed* those with a change, *missing* the ones that don't exist and are
    skipped. *changes* counts changes by kind. *assumed* counts users who were not read: the baseline shows that they are as desired.
    *unseen* counts those of whom an export shows it. The oldest of what either shows is from *assumed_since*, in epoch seconds, None
    if everybody was read. *audit* says how many users who were not read may differ, None if no sample of them was read.
    *triggers* are the active messages that events of the plan may send, and *triggered* counts the users who may get one of them.

    Things of the app are counted apart: *things* are the ones in the specs, *changed_things* the ones with a change, *thing_kinds* the kinds of all. *tested* names the changed
    variables that are in a running A/B test, or may be.
    """

    listed: int
    changed: int
    missing: int
    created: int
    changes: Mapping[ChangeKind, int]
    batches: int
    actions: int
    cost: Cost
    assumed: int = 0
    assumed_since: float | None = None
    unseen: int = 0
    audit: Audit | None = None
    triggers: tuple[Trigger, ...] = ()
    triggered: int = 0
    things: int = 0
    changed_things: int = 0
    thing_kinds: frozenset[SubjectKind] = frozenset()
    tested: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return self.actions == 0

    def count(self, *kinds: ChangeKind) -> int:
        return sum(self.changes.get(kind, 0) for kind in kinds)


@dataclass(frozen=True, slots=True)
class Contents:
    """
    What the rows of a plan add up to, whatever the plan says about itself.

    *actions* counts by the API's names. *deliveries* are actions that must happen once: sends and increments. *lookups* are billable: the unique subjects of each batch; *checks* are those who are re-subscribed, and read before. *misdirected* are
    actions whose arguments name another subject than their row does. *events* are the names of the events that are tracked, the oldest
    of which happened at *oldest_event*, in epoch seconds. *triggered* are subjects with one that triggers a message.
    *variables* are the names of the variables that are set or deleted.
    """

    actions: Mapping[str, int]
    changes: Mapping[ChangeKind, int]
    changed: int
    created: int
    forced_sends: int
    lookups: int
    misdirected: int
    checks: int = 0
    deliveries: int = 0
    events: tuple[str, ...] = ()
    oldest_event: float | None = None
    triggered: int = 0
    variables: tuple[str, ...] = ()
