"""
Makes a plan: observes the subjects of checked specs, decides for each, and writes the plan file.

It gets a reader, which can't write. Nothing here has the production key.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from pathlib import Path
from typing import Final, Protocol

from leanplum_sync.address import ResourceAddress, Subject, SubjectKind
from leanplum_sync.clock import Clock, utc
from leanplum_sync.errors import SpecError
from leanplum_sync.journal.identity import Here, contradictions, of_plan
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.rows.parts import OncePart
from leanplum_sync.operations.check import wants_of
from leanplum_sync.operations.observing import Assumed, Observed, Recorded, naming_the_place, observe
from leanplum_sync.operations.read_rows import rows_read
from leanplum_sync.operations.repeats import Names, RepeatCounter
from leanplum_sync.operations.tally import Tally, names_of
from leanplum_sync.operations.things import ReadsThings, decided_things, read_things, tested_among, things_of
from leanplum_sync.planfile import PlanWriter
from leanplum_sync.planner.attribute_names import AttributeNames
from leanplum_sync.planner.change import Change
from leanplum_sync.planner.decide import SendTarget
from leanplum_sync.planner.hazards import ERASED_BEFORE, hazards
from leanplum_sync.planner.known import NOTHING_KNOWN, Known, KnowsDeliveries, Position
from leanplum_sync.planner.messages import resolve
from leanplum_sync.planner.notes import (
    BLOCKED_WORDS,
    assumed_sentence,
    audit_sentence,
    erased_before_sentence,
    unseen_sentence,
    unsettled_sentence,
)
from leanplum_sync.planner.parts import Part
from leanplum_sync.planner.plan import (
    ASSUMED,
    AUDIT,
    BLOCKED,
    REMARK,
    SOURCE,
    UNSEEN,
    Note,
    Scope,
    Summary,
    Target,
)
from leanplum_sync.planner.subject import Context, SubjectPlan, plan_subject, waves
from leanplum_sync.problem import Problem, Remark
from leanplum_sync.progress import Progress
from leanplum_sync.specs import Loaded
from leanplum_sync.staging import Met, Staging
from leanplum_sync.wire.action import Action, DeliveryClass
from leanplum_sync.wire.erasing import is_blocked
from leanplum_sync.wire.message import Message
from leanplum_sync.wire.profile import read_profile

_SUBJECTS_AT_ONCE: Final = 500  # asked of the journal together
_ROWS_AT_ONCE: Final = 5_000
_DAY: Final = 24 * 3600


class ReadsLiveState(ReadsThings, Protocol):
    def messages(self) -> tuple[Message, ...]: ...


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
    notes: Sequence[Note] = ()


@dataclass(frozen=True, slots=True)
class MadePlan:
    """
    Users were read from *read_since* on, in epoch seconds, None if none were, when the journal was at *position* and requests about
    *unsettled* had no response yet. *names* are attributes that users have, all of those in specs and nearly all others.
    """

    path: Path
    digest: str
    summary: Summary
    read_since: float | None
    position: Position
    unsettled: Collection[Subject]
    names: frozenset[str]


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
    catalogue = _catalogue(loaded.resources, reader)
    messages = _messages(loaded.resources, catalogue)
    context = Context(
        waves({each.address: each.depends_on for each in loaded.resources if each.kind.has_waves}),
        messages,
        request.marker,
        loaded.former_names,
    )
    app = request.target.app_id
    erases = any(each.erases for each in loaded.resources)
    began, last_run, position = clock.now(), journal.last_run(), journal.position(app)
    unsettled = journal.unsettled(app, request.settle_seconds, began)
    reads, unreadable = observe(staging, request.observed, reader, clock, progress)
    things = things_of(loaded.resources, request.part)
    of_app = read_things(things, reader, clock)
    oldest, _ = staging.users.between()
    if oldest is not None and oldest < began:  # from a snapshot, or read by an earlier attempt
        position = journal.position(app, oldest)
    blocked = [subject for subject, message in unreadable.items() if erases and is_blocked(message)]
    for subject in blocked:
        del unreadable[subject]
    tally = Tally(
        listed=staging.count_subjects(),
        unreadable=unreadable,
        creatable=frozenset(str(each.address) for each in loaded.resources if each.kind.creates_users),
        audited=staging.users.audited(),
        messages=catalogue,
        things=things,
    )
    names = AttributeNames(request.marker)
    names.observe(staging.users.names_seen())
    if isinstance(request.observed, Assumed):
        names.observe(request.observed.names)
    delivery_names = Names.of(loaded.deliveries, loaded.chosen_deliveries, loaded.former_names, loaded.events)
    since = clock.now() - request.repeated_send_days * _DAY
    with (
        PlanWriter(request.out, parts=request.parts, part=request.part) as writer,
        RepeatCounter(context, delivery_names, since) as repeats,
    ):
        with (
            progress.track("Comparing", staging.users.count_passed(), "user") as task,
            naming_the_place(request.observed),
        ):
            of_users = decided(
                loaded,
                staging,
                request.target.app_id,
                journal,
                context,
                names=names,
                repeats=repeats,
                blocked=frozenset(blocked),
            )
            of_things = decided_things(things, of_app, request.target.app_id, journal, context)
            changed_things: list[Change] = []
            for plan in merge(of_users, of_things, key=lambda each: each.subject):
                _check_part(plan, request.part)
                tally.include(plan)
                names.plan(plan.changes)
                writer.add(plan)
                if plan.subject.kind.is_thing:
                    changed_things += plan.changes
                else:
                    task.advance()
        tested = tested_among(changed_things, reader)
        with progress.track("Writing the plan", None, "batch"):
            packed = writer.pack()
            summary = tally.summary(
                packed,
                reads + of_app.lookups,
                request.requests_per_second,
                staging.users.assumed(),
                is_export=isinstance(request.observed, Assumed) and request.observed.source == UNSEEN,
                goal=request.observed.audit if isinstance(request.observed, Assumed) else None,
                tested=tested.names,
                bills_things=of_app.lookups > 0,
            )
            digest = writer.finish(
                target=request.target,
                created_at=clock.now(),
                observed=of_app.between(staging.users.between()),
                read_after_run=None if isinstance(request.observed, Recorded) else last_run,
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
                    *_blocked(blocked),
                    *_erased_before(repeats.erased()),
                    *tested.notes,
                    *_assumed(summary),
                    *_unsettled(staging, unsettled),
                    *map(_remark_note, request.remarks),
                    *_rows_notes(loaded),
                    *request.notes,
                ],
                summary=summary,
            )
    return MadePlan(
        request.out, digest, summary, oldest, position, frozenset(unsettled), staging.users.names_seen()
    )


def _blocked(subjects: Sequence[Subject]) -> Iterator[Note]:
    if subjects:
        one, several = BLOCKED_WORDS
        sentence = one if len(subjects) == 1 else several
        yield Note(BLOCKED, "", sentence, len(subjects), names_of(subjects))


def _erased_before(by_run: Mapping[int, Sequence[Subject]]) -> Iterator[Note]:
    for run, subjects in sorted(by_run.items()):
        count = len(subjects)
        yield Note(ERASED_BEFORE, "", erased_before_sentence(count, run), count, names_of(subjects))


def _assumed(summary: Summary) -> Iterator[Note]:
    if summary.audit is not None and summary.audit.bound.sample:
        yield Note(AUDIT, "", audit_sentence(summary.audit), summary.audit.bound.sample, ())
    if summary.assumed_since is None:
        return
    since = utc(int(summary.assumed_since))
    if summary.unseen:
        yield Note(UNSEEN, "", unseen_sentence(summary.unseen, since), summary.unseen, ())
    else:
        yield Note(ASSUMED, "", assumed_sentence(summary.assumed, since), summary.assumed, ())


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


def _unsettled(staging: Staging, ends: Mapping[Subject, float]) -> Iterator[Note]:
    """Yield a note on users who may have been read too early: requests about them were unsettled when reading began."""
    if not ends:
        return
    if found := [subject for subject in staging.subjects() if subject in ends]:
        until = utc(math.ceil(max(ends[subject] for subject in found)))
        yield Note("unsettled", "", unsettled_sentence(len(found), until), len(found), names_of(found))


def _catalogue(resources: Iterable[Resource], reader: ReadsLiveState) -> tuple[Message, ...]:
    """Return the app's messages if a spec sends one, or has events that may trigger one."""
    is_needed = any(isinstance(part, OncePart) for each in resources for part in each.parts)
    return reader.messages() if is_needed else ()


def _messages(
    resources: Iterable[Resource], catalogue: Sequence[Message]
) -> dict[ResourceAddress, SendTarget]:
    wanted = {each.address: each.message for each in resources if each.message is not None}
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


def decided(
    loaded: Loaded,
    staging: Staging,
    app_id: str,
    journal: KnowsDeliveries,
    context: Context,
    *,
    names: AttributeNames,
    repeats: RepeatCounter | None = None,
    blocked: Collection[Subject] = (),
) -> Iterator[SubjectPlan]:
    """
    Yield the plan of each subject that was read, in order. *blocked* users can't be read, and are as good as absent: they are yielded
    only if something about them is left here.
    """
    returning = {number for number, each in enumerate(loaded.resources) if each.may_resubscribe}
    for group in _groups(staging.met()):
        known = journal.known(app_id, [met.subject for met in group])
        may_return = [met.subject for met in group if any(row.resource in returning for row in met.rows)]
        left = journal.unsubscriptions(app_id, may_return) if may_return else {}
        plans = []
        for met in group:
            if met.element is not None:
                of_subject = known.get(met.subject, NOTHING_KNOWN)
                if met.subject in left:
                    of_subject = replace(of_subject, unsubscribed=left[met.subject])
                plan = decide_met(met, loaded.resources, of_subject, context)
                names.observe(met.element.get("userAttributes") or ())
                if repeats is not None:
                    repeats.include(plan, of_subject)
                plans.append(plan)
            elif met.subject in blocked:
                plan = decide_met(met, loaded.resources, known.get(met.subject, NOTHING_KNOWN), context)
                plans += [plan] if plan.changes else []
        repeated = {plan.subject: actions for plan in plans if (actions := _repeatable(plan))}
        rejected = journal.rejected_before(app_id, repeated)
        yield from (
            replace(plan, is_rejected_before=True) if plan.subject in rejected else plan for plan in plans
        )


def _groups(stream: Iterable[Met]) -> Iterator[list[Met]]:
    """Yield subjects in groups with a limited number of rows, because a user may have many events."""
    group: list[Met] = []
    rows = 0
    for met in stream:
        group.append(met)
        rows += len(met.rows)
        if len(group) == _SUBJECTS_AT_ONCE or rows >= _ROWS_AT_ONCE:
            yield group
            group, rows = [], 0
    if group:
        yield group


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
