"""
JSON documents for machines, and their fields.

This is their only definition: ``written`` writes a document from its class here, and ``schemas``
derives its JSON Schema. A field's key is its name in camelCase. All numbers are counts, or real numbers
that are not negative. Within a version a field may be added; the existing ones stay and keep their meaning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias, TypeVar

from leanplum_sync.address import Subject
from leanplum_sync.journal.entry import BatchState, DeliveryState, Fate, Resolution, RunState
from leanplum_sync.operations.verify import Difference
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.decide import Reason
from leanplum_sync.planner.plan import Cohort, Cost, Note, Target, ValuePair
from leanplum_sync.problem import ProblemEntry, RemarkEntry
from leanplum_sync.render.values import Masked
from leanplum_sync.wire.action import Json

# An instant, such as 2026-11-21T22:17:51Z.
Time: TypeAlias = Annotated[str | None, {"type": ["string", "null"], "format": "date-time"}]


class Document:
    """What ``-o json`` prints: *NAME* is the part of its ``format`` after the slash."""

    __slots__ = ()
    NAME: ClassVar[str]
    VERSION: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class HazardEntry:
    name: str
    count: int
    allowed: int | None
    is_over: bool


@dataclass(frozen=True, slots=True)
class UserCounts:
    listed: int
    changed: int
    missing: int
    created: int
    assumed: Annotated[
        int, "Users who were not read, because they match the specs according to the baseline."
    ]
    assumed_since: Time
    unseen: Annotated[int, "Users who were not read, because they match the specs according to an export."]


@dataclass(frozen=True, slots=True)
class ThingCounts:
    listed: int
    changed: int
    tested: Annotated[
        tuple[str, ...], "Variables that would change, and are in a running A/B test, or may be."
    ]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A sample of the assumed users was read, to bound how many of the others don't match the specs after all."""

    sample: int
    differing: Annotated[int, "Users in the sample who don't match."]
    unseen: Annotated[int, "Users who were not read."]
    most: Annotated[int, "At most this many of them don't match."]
    share: Annotated[float, "The same in percent."]
    confidence: Annotated[float, "In percent."]
    limit: Annotated[float, "The share that the project allows, in percent."]
    is_over: bool


@dataclass(frozen=True, slots=True)
class RowsEntry:
    """Rows that one resource has from a connection."""

    resource: str
    connection: str
    source: Annotated[str, "The file with the query, or the path of the files."]
    rows: int
    read_at: Time
    server: str
    digest: Annotated[str, "Of the rows, in any order."]
    versions: Annotated[Mapping[str, str], "Of each file or table that was read."]


@dataclass(frozen=True, slots=True)
class PlanSummary(Document):
    NAME: ClassVar = "plan-summary"

    digest: str
    target: Target
    created_at: Time
    observed_from: Time
    observed_until: Time
    journal_doubt: str
    is_empty: bool
    users: UserCounts
    things: Annotated[ThingCounts, "Things of the app, such as variables."]
    audit: AuditEntry | None
    changes: Mapping[ChangeKind, int]
    actions: int
    batches: int
    hazards: tuple[HazardEntry, ...]
    notes: tuple[Note, ...]
    rows: tuple[RowsEntry, ...]
    cohorts: tuple[Cohort, ...]
    cost: Cost


@dataclass(frozen=True, slots=True)
class ComparedPlan:
    digest: str
    target: Target


@dataclass(frozen=True, slots=True)
class DifferenceCounts:
    added: int
    removed: int
    altered: int
    same: int


@dataclass(frozen=True, slots=True)
class DifferenceSamples:
    added: tuple[Subject, ...]
    removed: tuple[Subject, ...]
    altered: tuple[Subject, ...]


@dataclass(frozen=True, slots=True)
class CountEntry:
    name: str
    old: int
    new: int
    is_over: bool


@dataclass(frozen=True, slots=True)
class GroupEntry:
    resource: str
    kind: ChangeKind
    field: str
    added: int
    removed: int
    altered: int
    same: int
    samples: DifferenceSamples


@dataclass(frozen=True, slots=True)
class PlanDifference(Document):
    NAME: ClassVar = "plan-diff"

    is_empty: bool
    old: ComparedPlan
    new: ComparedPlan
    users: DifferenceCounts
    counts: tuple[CountEntry, ...]
    groups: tuple[GroupEntry, ...]


@dataclass(frozen=True, slots=True)
class CheckedCounts:
    resources: int
    rows: int
    users: int
    things: Annotated[int, "Things of the app, such as variables."]


@dataclass(frozen=True, slots=True)
class Problems(Document):
    NAME: ClassVar = "problems"

    total: int
    problems: tuple[ProblemEntry, ...]
    remarks: tuple[RemarkEntry, ...]
    listed: Annotated[str, "A file with all problems, one per line, in the same form as here."] | None
    checked: CheckedCounts


@dataclass(frozen=True, slots=True)
class ChangeEntry:
    resource: str
    kind: ChangeKind
    field: str
    device_id: str | None
    before: Json
    after: Json
    asked_at: str
    found_at: str


@dataclass(frozen=True, slots=True)
class ComparedValues:
    observed: Json
    desired: Json


@dataclass(frozen=True, slots=True)
class DecisionEntry:
    resource: str
    field: str
    device_id: str | None
    observed: Json
    desired: Json
    compared_as: ComparedValues
    reason: Reason
    asked_at: str
    found_at: str
    is_changed: bool


@dataclass(frozen=True, slots=True)
class ExplanationDocument(Document):
    NAME: ClassVar = "explanation"

    target: Target
    subject: Subject
    is_listed: bool
    is_observed: bool
    changes: tuple[ChangeEntry, ...]
    decisions: tuple[DecisionEntry, ...]


@dataclass(frozen=True, slots=True)
class ExceptionRecord:
    batch: int
    action: int
    subject: Subject
    fate: Fate
    message: str


@dataclass(frozen=True, slots=True)
class VerificationEntry:
    checked: int
    equal: int
    different: int
    unread: int
    unproven: int
    again: int
    is_proof: bool
    differing: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class ReceiptDocument(Document):
    NAME: ClassVar = "receipt"

    target: Target
    run: int
    plan_digest: str
    state: RunState
    planned: int
    actions: Mapping[Fate, int]
    subjects: Mapping[Fate, int]
    batches: Mapping[BatchState, int]
    requests: int
    billable_lookups: int
    recheck_reads: int
    settle_reads: int
    rejected_before: int
    sent_now: int
    stopped: str | None
    complete: bool
    exceptions_total: int
    exceptions: tuple[ExceptionRecord, ...]
    verification: VerificationEntry | None
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunRecord:
    run: int
    app_id: str
    environment: str
    part: str
    plan_digest: str
    state: RunState
    batches: int
    actions: int
    started_at: Time
    ended_at: Time


@dataclass(frozen=True, slots=True)
class LockRecord:
    app_id: str
    environment: str
    part: str
    holder: str
    host: str
    pid: int
    since: Time
    until: Time
    is_live: bool


@dataclass(frozen=True, slots=True)
class HeldRecord:
    app_id: str
    resource: str
    name: str
    subject: Subject
    state: DeliveryState
    run: int


@dataclass(frozen=True, slots=True)
class ErasureRecord:
    """An erased user, by a keyed hash; *erased_at* is when the user was read back and did not exist. The second check is due 15 days later."""

    person: str
    request: str
    app_id: str
    environment: str
    run: int
    full: bool
    block: bool
    erased_at: Time
    due_at: Time
    checked_at: Time


@dataclass(frozen=True, slots=True)
class StatusDocument(Document):
    NAME: ClassVar = "status"

    journal: str
    read_at: Time
    locks: tuple[LockRecord, ...]
    runs: tuple[RunRecord, ...]
    erasures: tuple[ErasureRecord, ...]
    held: tuple[HeldRecord, ...]


@dataclass(frozen=True, slots=True)
class DayCostEntry:
    """Lookups are billable: unique users per HTTP request."""

    day: Annotated[str, "Of UTC, such as 2026-11-30."]
    reads: int
    writes: int
    lookups: int
    export_jobs: Annotated[int, "exportUsers jobs asked for on this day that did not fail."]


@dataclass(frozen=True, slots=True)
class CommandCostEntry:
    command: str
    times: int
    reads: int
    writes: int
    lookups: int


@dataclass(frozen=True, slots=True)
class PlanCostEntry:
    """Making the plan, and applying it in *run*."""

    plan_digest: str
    run: int | None
    day: Annotated[str, "The last one with costs of this plan."]
    reads: int
    writes: int
    lookups: int


@dataclass(frozen=True, slots=True)
class EnvironmentCostsEntry:
    environment: str
    reads: int
    writes: int
    lookups: int
    forecast: Annotated[int, "Lookups by the end of the month."]
    budget: Annotated[int | None, "`billableLookupsPerMonth` of the project."]
    is_over: Annotated[bool, "Whether the forecast is over the budget."]
    days: tuple[DayCostEntry, ...]
    commands: tuple[CommandCostEntry, ...]
    plans: tuple[PlanCostEntry, ...]


@dataclass(frozen=True, slots=True)
class CostsDocument(Document):
    NAME: ClassVar = "costs"

    journal: str
    read_at: Time
    month: Annotated[str, "Of UTC, such as 2026-11."]
    environments: tuple[EnvironmentCostsEntry, ...]


@dataclass(frozen=True, slots=True)
class Runs(Document):
    NAME: ClassVar = "runs"

    runs: tuple[RunRecord, ...]


@dataclass(frozen=True, slots=True)
class BatchRecord:
    batch: int
    wave: int
    class_: str
    state: BatchState
    attempts: int
    held: int
    sent_at: Time
    doubted_at: Time
    reason: str


@dataclass(frozen=True, slots=True)
class RunDocument(Document, RunRecord):
    NAME: ClassVar = "run"

    fates: Mapping[Fate, int]
    requests: int
    billable_lookups: int
    recheck_reads: int
    settle_reads: int
    entries: tuple[BatchRecord, ...]
    exceptions_total: int
    exceptions: tuple[ExceptionRecord, ...]


@dataclass(frozen=True, slots=True)
class FaultEntry:
    run: Annotated[int, "0: it is about the journal as a whole."]
    batch: int | None
    fault: str


@dataclass(frozen=True, slots=True)
class JournalCheck(Document):
    NAME: ClassVar = "journal-check"

    journal: str
    is_sound: bool
    faults: tuple[FaultEntry, ...]


@dataclass(frozen=True, slots=True)
class JournalCopy(Document):
    NAME: ClassVar = "journal-copy"

    source: str
    target: str
    rows: Annotated[Mapping[str, int], "By table."]


@dataclass(frozen=True, slots=True)
class JournalRebuild(Document):
    """*unknown* has a sentence for each thing that nothing shows."""

    NAME: ClassVar = "journal-rebuild"

    journal: str
    runs: int
    deliveries: Annotated[Mapping[DeliveryState, int], "By state."]
    is_complete: bool
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resolved(Document):
    """*still_held* counts the actions of the run that are still held."""

    NAME: ClassVar = "resolved"

    run: int
    resolution: Resolution
    actions: int
    subjects: int
    batches: tuple[int, ...]
    still_held: int


@dataclass(frozen=True, slots=True)
class UnreadEntry:
    subject: Subject
    sentence: str


@dataclass(frozen=True, slots=True)
class ExportedEntry:
    """*uncertain* counts users whose value the export doesn't show exactly. *jobs_left* is of the day's quota."""

    users: int
    attributes: tuple[str, ...]
    listed: Annotated[Mapping[str, int], "By attribute."]
    uncertain: Annotated[Mapping[str, int], "By attribute."]
    jobs_started: int
    jobs_resumed: int
    jobs_left: int
    asked_at: Time


@dataclass(frozen=True, slots=True)
class Pulled(Document):
    """*export* is null without ``--from-export``; with it, the other counts are zero."""

    NAME: ClassVar = "pull"

    target: Target
    read: int
    reused: int
    missing: int
    failed: int
    again: int
    failures: tuple[UnreadEntry, ...]
    export: ExportedEntry | None = None


@dataclass(frozen=True, slots=True)
class FindingEntry:
    level: Literal["ok", "note", "bad"]
    about: str
    sentence: str
    advice: str
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Findings(Document):
    NAME: ClassVar = "doctor"

    environment: str
    target: Target | None
    findings: tuple[FindingEntry, ...]


@dataclass(frozen=True, slots=True)
class MovedEntry:
    origin: str
    resource: str
    kind: ChangeKind | Literal["gone"]
    field: str
    users: int
    values: tuple[ValuePair, ...]
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpecEntry:
    resource: str
    applied_at: Time
    run: int | None
    plan_digest: str | None
    changed_since: bool


@dataclass(frozen=True, slots=True)
class DriftDocument(Document):
    NAME: ClassVar = "drift"

    environment: str
    app: str
    host: str
    has_drifted: bool
    listed: int
    in_step: int
    missing: Annotated[int, "Listed users who don't exist, and to whom no run ever wrote."]
    unreadable: int
    reads: int
    observed_from: Time
    observed_until: Time
    fields: Mapping[str, int]
    moved: tuple[MovedEntry, ...]
    specs: tuple[SpecEntry, ...]


@dataclass(frozen=True, slots=True)
class AdoptedEntry:
    """*users* counts the rows of a value that the spec has for all of them; *subject* and *column* are then empty."""

    resource: str
    subject: str
    field: str
    place: str
    column: str
    users: int
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class NotAdoptedEntry:
    resource: str
    field: str
    reason: str
    users: int
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AdoptedFileEntry:
    path: str
    values: int
    instead_of: str


@dataclass(frozen=True, slots=True)
class AdoptionDocument(Document):
    """*pending* counts differences that were left out, because others did not make them."""

    NAME: ClassVar = "adoption"

    target: Target
    is_dry_run: bool
    listed: int
    unreadable: int
    unlisted: Annotated[int, "Users who were asked for, but are in no spec."]
    reads: int
    observed_from: Time
    observed_until: Time
    pending: int
    adopted: tuple[AdoptedEntry, ...]
    not_adopted: tuple[NotAdoptedEntry, ...]
    files: tuple[AdoptedFileEntry, ...]


@dataclass(frozen=True, slots=True)
class RecordedSends(Document):
    """*run* has the *recorded* sends, None if there are none. *unsettled* ones are held or in flight."""

    NAME: ClassVar = "recorded-sends"

    environment: str
    delivery: str
    is_dry_run: bool
    run: int | None
    recorded: int
    already: int
    unsettled: int


@dataclass(frozen=True, slots=True)
class ErrorDocument(Document):
    NAME: ClassVar = "error"

    command: str
    exit: int
    message: str
    over: Annotated[
        Mapping[str, int], "The hazards that are over budget, with the counts to pass with `--ack`."
    ]


DOCUMENTS: Final[tuple[type[Document], ...]] = (
    PlanSummary,
    PlanDifference,
    Problems,
    ExplanationDocument,
    ReceiptDocument,
    StatusDocument,
    CostsDocument,
    Runs,
    RunDocument,
    JournalCheck,
    JournalCopy,
    JournalRebuild,
    Resolved,
    Pulled,
    Findings,
    DriftDocument,
    AdoptionDocument,
    RecordedSends,
    ErrorDocument,
)


T = TypeVar("T")


def written(document: Document) -> str:
    """
    Return ``{"format": "leanplum-sync/<name>", "version": <version>, ...}``, indented, in ASCII only.

    ASCII, because values are untrusted text, and people also look at documents in a terminal.
    """
    head = {"format": f"leanplum-sync/{document.NAME}", "version": document.VERSION}
    return (
        json.dumps({**head, **_fields(document)}, indent=2, default=_plain).replace("\x7f", "\\u007f") + "\n"
    )


def key_of(name: str) -> str:
    """Return the key of the field *name*: ``planDigest`` for ``plan_digest``, ``class`` for ``class_``."""
    first, *others = name.rstrip("_").split("_")
    return first + "".join(map(str.capitalize, others))


def entry(model: type[T], *sources: object, **given: Any) -> T:
    """
    Return a *model*. Its fields are *given*, or else the attributes of the same names of *sources*, the first one first.

    Raises:
        TypeError: a field is neither.
    """
    names = [field.name for field in fields(model)]  # type: ignore[arg-type]  # all are dataclasses
    found = {
        name: getattr(source, name) for source in reversed(sources) for name in names if hasattr(source, name)
    }
    return model(**{**found, **given})


def _plain(value: Any) -> Mapping[str, Any] | str:
    if isinstance(value, Subject):
        return str(value)
    if isinstance(value, Masked):
        return {"sensitive": value.fingerprint}
    if is_dataclass(value):
        return _fields(value)
    raise TypeError(f"{type(value).__name__} has no place in a document")


def _fields(value: Any) -> Mapping[str, Any]:
    return {key_of(field.name): getattr(value, field.name) for field in fields(value)}
