"""
Makes a plan: observes the subjects of checked specs, decides for each, and writes the plan file.

It gets a reader, which can't write. Nothing here has the production key.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from leanplum_sync.address import ResourceAddress, Subject, SubjectKind
from leanplum_sync.clock import Clock, utc
from leanplum_sync.errors import SpecError, StalePlanError, UnexpectedResponseError
from leanplum_sync.journal.identity import Here, contradictions, of_plan
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.rows.desires import Send
from leanplum_sync.observed import (
    OverBoundError,
    TornFileError,
    check_users,
    has_long_line,
    plain_lines,
    read,
)
from leanplum_sync.observed.users import ReadsUsers
from leanplum_sync.operations.check import wants_of
from leanplum_sync.operations.pull import pull
from leanplum_sync.operations.read_rows import rows_read
from leanplum_sync.operations.repeats import Names, RepeatCounter
from leanplum_sync.planfile import PlanWriter
from leanplum_sync.planfile.writing import Packed
from leanplum_sync.planner.attribute_names import AttributeNames
from leanplum_sync.planner.change import ChangeKind, facts
from leanplum_sync.planner.decide import Decision, Reason, SendTarget
from leanplum_sync.planner.hazards import hazards
from leanplum_sync.planner.known import NOTHING_KNOWN, Known, KnowsDeliveries
from leanplum_sync.planner.messages import resolve
from leanplum_sync.planner.notes import NOTED, rejected_before_sentence, sentence, unsettled_sentence
from leanplum_sync.planner.parts import Part
from leanplum_sync.planner.plan import REMARK, SOURCE, Cost, Note, Scope, Summary, Target
from leanplum_sync.planner.subject import Context, SubjectPlan, plan_subject, waves
from leanplum_sync.problem import Problem, Remark
from leanplum_sync.progress import Progress
from leanplum_sync.specs import Loaded
from leanplum_sync.staging import Met, Staging
from leanplum_sync.wire.action import Action, DeliveryClass
from leanplum_sync.wire.message import Message
from leanplum_sync.wire.profile import read_profile

_SUBJECTS_AT_ONCE: Final = 500  # asked of the journal together
_SAMPLES: Final = 3
_DAY: Final = 24 * 3600


class ReadsLiveState(ReadsUsers, Protocol):
    def messages(self) -> tuple[Message, ...]: ...


@dataclass(frozen=True, slots=True)
class Live:
    """Read users now, into the snapshot *into*. Entries there that are younger than *max_age_seconds* are used again."""

    into: Path
    max_age_seconds: float
    concurrency: int
    requests_per_second: float | None
    together: int = 1  # users in one request


@dataclass(frozen=True, slots=True)
class Recorded:
    """Take users from this snapshot, which may be at most *max_age_seconds* old."""

    path: Path
    max_age_seconds: float | None


Observed: TypeAlias = Live | Recorded


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """
    *budget* maps names of hazards to the most that is allowed, None for no limit. *marker* names the attribute for receipts
    of increments, None for none. No batch crosses one of *parts*; *part* is the one that *staging* was cut down to,
    None if it holds all subjects. *is_migrating*: what the app receives is copied elsewhere meanwhile. *settle_seconds* is how long a request whose response was lost may still take effect. A message that was sent in the last *repeated_send_days* counts
    as repeated. *journal* is the journal as it was found, None if nobody looked.
    """

    target: Target
    out: Path
    observed: Observed
    budget: Mapping[str, int | None]
    sensitive: frozenset[str]
    requests_per_second: float | None
    marker: str | None = None
    parts: int = 1
    part: Part | None = None
    settle_seconds: float = 0.0
    is_migrating: bool = False
    repeated_send_days: float = 7
    remarks: Sequence[Remark] = ()
    scope: Scope | None = None
    journal: Here | None = None


@dataclass(frozen=True, slots=True)
class MadePlan:
    path: Path
    digest: str


def make_plan(
    loaded: Loaded,
    staging: Staging,
    request: PlanRequest,
    *,
    reader: ReadsLiveState,
    journal: KnowsDeliveries,
    clock: Clock,
    progress: Progress,
) -> MadePlan:
    """
    Write the plan for *loaded*, whose rows ``check`` staged and found no problem in.

    Raises:
        SpecError: a message doesn't exist, is not active, or can't be sent; or a device belongs to a user of another shard.
        StalePlanError: the snapshot is too old, or lacks subjects.
        ApiError, CredentialError: live state can't be read.
        StorageError: the plan file can't be written.
    """
    with PlanWriter(request.out):
        pass  # fail before anything is read and billed if no plan can be written
    messages = _messages(loaded.resources, reader)
    context = Context(
        waves({each.address: each.depends_on for each in loaded.resources}),
        messages,
        request.marker,
        loaded.former_names,
    )
    app = request.target.app_id
    began, last_run, position = clock.now(), journal.last_run(), journal.position(app)
    reads, unreadable = observe(staging, request.observed, reader, clock, progress)
    oldest, _ = staging.users.between()
    if oldest is not None and oldest < began:  # from a snapshot, or read by an earlier attempt
        position = journal.position(app, oldest)
    tally = Tally(
        listed=staging.count_subjects(),
        unreadable=unreadable,
        creatable=frozenset(str(each.address) for each in loaded.resources if each.kind.creates_users),
    )
    names = AttributeNames(request.marker)
    names.observe(staging.users.names_seen())
    delivery_names = Names.of(loaded.deliveries, loaded.chosen_deliveries, loaded.former_names)
    since = clock.now() - request.repeated_send_days * _DAY
    with (
        PlanWriter(request.out, parts=request.parts, part=request.part) as writer,
        RepeatCounter(context, delivery_names, since) as repeats,
    ):
        with (
            progress.track("Comparing", staging.users.count_passed(), "user") as task,
            naming_the_place(request.observed),
        ):
            for plan in decided(
                loaded, staging, request.target.app_id, journal, context, names=names, repeats=repeats
            ):
                _check_part(plan, request.part)
                tally.include(plan)
                names.plan(plan.changes)
                writer.add(plan)
                task.advance()
        with progress.track("Writing the plan", None, "batch"):
            packed = writer.pack()
            summary = tally.summary(packed, reads, request.requests_per_second)
            digest = writer.finish(
                target=request.target,
                created_at=clock.now(),
                observed=staging.users.between(),
                read_after_run=last_run if isinstance(request.observed, Live) else None,
                position=position,
                journal=journal.mark(),
                journal_doubt=doubt_about(request.journal, request.target, delivers=writer.delivers),
                scope=request.scope,
                sensitive=request.sensitive,
                inputs=loaded.inputs,
                resources=loaded.digests(),
                rows=rows_read(loaded),
                hazards=hazards(
                    summary,
                    tally.forced_sends,
                    request.budget,
                    names.new_near_ceiling,
                    is_migrating=request.is_migrating,
                    repeats=repeats.count(
                        journal, request.target.app_id, request.part.of if request.part else 1
                    ),
                ),
                notes=[
                    *tally.notes(),
                    *_unsettled(staging, request, journal, began),
                    *map(_remark_note, request.remarks),
                    *_rows_notes(loaded),
                ],
                summary=summary,
            )
    return MadePlan(request.out, digest)


def doubt_about(journal: Here | None, target: Target, *, delivers: bool) -> str:
    """Return why the journal may not know what was sent, empty if it does; *delivers*: the plan has sends or increments."""
    if journal is None:
        return ""
    lapses = (*contradictions(journal), *of_plan(journal, None, delivers=delivers and not target.is_embedded))
    return lapses[0].warning(journal.name) if lapses else ""


def _remark_note(remark: Remark) -> Note:
    problem = remark.problem
    return Note(REMARK, problem.address, problem.sentence, remark.count, (str(problem.place),))


def _rows_notes(loaded: Loaded) -> Iterator[Note]:
    for address, origin in rows_read(loaded).items():
        kept = origin.kept
        rows = "1 row" if kept.count == 1 else f"{kept.count:,} rows"
        versions = kept.versions.values()
        version = f" ({next(iter(versions))})" if len(versions) == 1 else ""
        sentence = (
            f"{rows} read from {kept.server}{version} at {utc(int(kept.read_at))}, digest {kept.digest[:12]}."
        )
        yield Note(SOURCE, address, sentence, kept.count, (f"{origin.connection}:{origin.query}",))


def _unsettled(
    staging: Staging, request: PlanRequest, journal: KnowsDeliveries, began: float
) -> Iterator[Note]:
    """Yield a note on users who may have been read too early. Reading *began* then: later settling doesn't count."""
    ends = journal.unsettled(request.target.app_id, request.settle_seconds, began)
    if not ends:
        return
    if found := [subject for subject in staging.subjects() if subject in ends]:
        until = utc(math.ceil(max(ends[subject] for subject in found)))
        yield Note("unsettled", "", unsettled_sentence(len(found), until), len(found), _names(found))


def _messages(resources: Iterable[Resource], reader: ReadsLiveState) -> dict[ResourceAddress, SendTarget]:
    wanted = {each.address: each.message for each in resources if each.message is not None}
    if not wanted:
        return {}
    catalogue = reader.messages()
    found: dict[ResourceAddress, SendTarget] = {}
    problems: list[Problem] = []
    for address, message in wanted.items():
        match resolve(message, address, catalogue):
            case Problem() as problem:
                problems.append(problem)
            case SendTarget() as target:
                found[address] = target
    if problems:
        raise SpecError(problems)
    return found


def observe(
    staging: Staging,
    observed: Observed,
    reader: ReadsUsers,
    clock: Clock,
    progress: Progress,
    *,
    only: Collection[Subject] | None = None,
) -> tuple[int, dict[Subject, str]]:
    """
    Add observed users to *staging*, all of them or those in *only*.

    Return the billable lookups, and the subjects that could not be read, with reasons.
    """
    if isinstance(observed, Live):
        report = pull(
            reader,
            staging.subjects() if only is None else (each for each in staging.subjects() if each in only),
            observed.into,
            concurrency=observed.concurrency,
            requests_per_second=observed.requests_per_second,
            max_age_seconds=observed.max_age_seconds,
            clock=clock,
            progress=progress,
            total=staging.count_subjects() if only is None else None,
            together=observed.together,
        )
        _stage_observed(staging, observed.into, progress)
        return report.lookups, {failure.subject: failure.sentence for failure in report.failures}
    _stage_observed(staging, observed.path, progress)
    _check_coverage(staging, observed, clock, is_partial=only is not None)
    return 0, {}


def _stage_observed(staging: Staging, snapshot: Path, progress: Progress) -> None:
    """A snapshot that can't be loaded as a whole is read line by line, which also finds its problems."""
    with progress.track("Matching users", staging.count_subjects(), "user") as task:
        if _sift(staging, snapshot):
            task.advance(staging.count_subjects())
            return
        if staging.count_subjects():
            for entry in read(snapshot):
                staging.users.observe(entry.subject, entry.element, entry.observed_at)
                task.advance()
        staging.users.close()


def _sift(staging: Staging, snapshot: Path) -> bool:
    try:
        with plain_lines(snapshot, staging.folder) as lines:
            if lines is None or has_long_line(lines):
                return False
            return staging.users.sift(lines, snapshot.stat().st_mtime)
    except (OSError, TornFileError, OverBoundError):
        return False


def _check_coverage(staging: Staging, observed: Recorded, clock: Clock, *, is_partial: bool) -> None:
    if not is_partial and (missing := staging.count_unobserved()):
        raise StalePlanError(
            f"{observed.path}: the snapshot lacks {missing} of {staging.count_subjects()} listed users. Read all of them"
            " into a new file with: leanplum-sync pull --out NEW.ndjson"
        )
    oldest, _ = staging.users.between()
    if oldest is not None and observed.max_age_seconds is not None:
        age = clock.now() - oldest
        if age > observed.max_age_seconds:
            raise StalePlanError(
                f"{observed.path}: the snapshot is {age / 60:.0f} min old, and --max-age allows"
                f" {observed.max_age_seconds / 60:.0f} min. Make a new one with: leanplum-sync pull --out NEW.ndjson"
            )


@contextmanager
def naming_the_place(observed: Observed) -> Iterator[None]:
    """
    Raises:
        SpecError: a snapshot, which was loaded as a whole, holds something that is no user; it names the line or row.
    """
    try:
        yield
    except UnexpectedResponseError:
        if isinstance(observed, Recorded):
            check_users(observed.path)
        raise


def decided(
    loaded: Loaded,
    staging: Staging,
    app_id: str,
    journal: KnowsDeliveries,
    context: Context,
    *,
    names: AttributeNames,
    repeats: RepeatCounter | None = None,
) -> Iterator[SubjectPlan]:
    stream = staging.met()
    while group := list(islice(stream, _SUBJECTS_AT_ONCE)):
        known = journal.known(app_id, [met.subject for met in group])
        plans = []
        for met in group:
            if met.element is not None:
                of_subject = known.get(met.subject, NOTHING_KNOWN)
                plan = decide_met(met, loaded.resources, of_subject, context)
                names.observe(met.element.get("userAttributes") or ())
                if repeats is not None:
                    repeats.include(plan, of_subject)
                plans.append(plan)
        repeated = {plan.subject: actions for plan in plans if (actions := _repeatable(plan))}
        rejected = journal.rejected_before(app_id, repeated)
        yield from (
            replace(plan, is_rejected_before=True) if plan.subject in rejected else plan for plan in plans
        )


def _repeatable(plan: SubjectPlan) -> list[Action]:
    return [
        each.action
        for (_, delivery_class), actions in plan.actions.items()
        if delivery_class is DeliveryClass.REPEATABLE
        for each in actions
    ]


def decide_met(met: Met, resources: Sequence[Resource], known: Known, context: Context) -> SubjectPlan:
    plan = plan_subject(wants_of(met, resources), read_profile(met.element or {}), known, context)
    return plan if met.subject.kind is SubjectKind.USER else replace(plan, owner=_owner(met))


def _owner(met: Met) -> Subject | None:
    """Return the user who has the device, by the response about it. Source: the API names the user in each response."""
    user_id = (met.element or {}).get("userId")
    return Subject.user(user_id) if isinstance(user_id, str) and user_id else None


def _check_part(plan: SubjectPlan, part: Part | None) -> None:
    """
    Raises:
        SpecError: a device belongs to a user of another part, which another process may write to at the same time.
    """
    if part is None or plan.owner is None or not plan.changes or part.holds(plan.owner):
        return
    raise SpecError(
        [
            Problem(
                plan.changes[0].found_at,
                "this device is listed without its user, who is in another shard",
                "Specify the column with the users: `devices: {user: COLUMN}`. Or plan without --shard, and apply with it.",
            )
        ]
    )


@dataclass(slots=True)
class _Noted:
    count: int = 0
    last: Subject | None = None
    samples: list[str] = field(default_factory=list)

    def add(self, subject: Subject) -> None:
        """Count *subject* once, even if it comes several times in a row."""
        if subject == self.last:
            return
        self.count += 1
        self.last = subject
        if len(self.samples) < _SAMPLES:
            self.samples.append(subject.id)


class Tally:
    """
    Counts subjects as they pass. Its size grows with the specs, not with the subjects.

    *creatable* are the resources, as ``kind/name``, whose specs could create missing users.
    """

    def __init__(
        self, listed: int, unreadable: Mapping[Subject, str], creatable: frozenset[str] = frozenset()
    ) -> None:
        self.listed = listed
        self.forced_sends = 0
        self._unreadable = unreadable
        self._creatable = creatable
        self._changed = 0
        self._missing = 0
        self._rechecked = 0
        self._changes: Counter[ChangeKind] = Counter()
        self._noted: dict[tuple[str, str, Reason], _Noted] = {}
        self._rejected_before = _Noted()

    def include(self, plan: SubjectPlan) -> None:
        if plan.is_rejected_before:
            self._rejected_before.add(plan.subject)
        self._changed += bool(plan.changes)
        self._changes.update(change.kind for change in plan.changes)
        self._rechecked += any(facts(change.kind).is_readable for change in plan.changes)
        # A user may also be missing without a remark: nothing is desired that an absent user lacks.
        is_missing = not plan.exists and not plan.changes
        for decision in plan.decisions:
            is_missing = is_missing or decision.reason is Reason.MISSING
            if decision.changes and isinstance(decision.desire, Send) and decision.desire.force:
                self.forced_sends += 1
            elif decision.reason in NOTED:
                key = (str(decision.want.resource), _about(decision), decision.reason)
                self._noted.setdefault(key, _Noted()).add(plan.subject)
        self._missing += is_missing

    def notes(self) -> list[Note]:
        unreadable = [
            Note(
                "unreadable",
                "",
                "could not be read",
                len(self._unreadable),
                _names(self._unreadable),
            )
        ]
        found = [
            Note(
                reason.name.lower(),
                resource,
                sentence(reason, what, noted.count, creatable=resource in self._creatable),
                noted.count,
                tuple(noted.samples),
            )
            for (resource, what, reason), noted in sorted(self._noted.items())
        ]
        rejected = self._rejected_before
        before = Note(
            "rejected_before",
            "",
            rejected_before_sentence(rejected.count),
            rejected.count,
            tuple(rejected.samples),
        )
        return [
            *(unreadable if self._unreadable else []),
            *found,
            *([before] if rejected.count else []),
        ]

    def summary(self, packed: Packed, reads: int, requests_per_second: float | None) -> Summary:
        cost = Cost(
            reads=reads,
            writes=packed.lookups,
            recheck=self._rechecked,
            requests=packed.requests,
            one_by_one=packed.actions,
            by_action=packed.lookups_by_action,
            separation=packed.lookups - packed.subjects,
            seconds=packed.requests / requests_per_second if requests_per_second else 0.0,
        )
        return Summary(
            listed=self.listed,
            changed=self._changed,
            missing=self._missing,
            created=self._changes[ChangeKind.CREATE],
            changes=dict(self._changes),
            batches=packed.requests,
            actions=packed.actions,
            cost=cost,
        )


def _about(decision: Decision) -> str:
    match decision.reason:
        case Reason.HELD:
            return str(decision.held_by)
        case Reason.DELIVERED | Reason.MOVED:
            what = "send" if isinstance(decision.desire, Send) else "increment"
            return f"{what} under its former name {decision.former}" if decision.former else what
        case Reason.MISSING:
            return ""
        case (
            Reason.DIFFERS
            | Reason.SAME
            | Reason.HAS_ONE
            | Reason.NO_SOURCE
            | Reason.FINGERPRINT
            | Reason.NOT_CONVERTIBLE
            | Reason.NOT_A_LIST
            | Reason.NOT_WHOLE
            | Reason.NOT_COPYABLE
        ):
            return decision.desire.name


def _names(subjects: Iterable[Subject]) -> tuple[str, ...]:
    return tuple(subject.id for subject in islice(sorted(subjects), _SAMPLES))
