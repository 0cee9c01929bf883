"""
Makes an ordinary plan that restores the values from before a run, which the run's plan contains.

A subject is restored only if it is still as the run left it. An increment is undone by setting the old number instead of by the
opposite increment: the attribute may not have existed before, and setting is repeatable, so a lost response leaves no doubt.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final, Protocol

from leanplum_sync.address import ResourceAddress, Subject, SubjectKind
from leanplum_sync.clock import Clock
from leanplum_sync.kinds.rows import desires
from leanplum_sync.kinds.rows.desires import Desire, Want
from leanplum_sync.kinds.rows.row import Row
from leanplum_sync.operations.observing import Live, observe
from leanplum_sync.operations.plan import PlanRequest
from leanplum_sync.operations.tally import Tally
from leanplum_sync.operations.things import ReadsThings, read_things, tested_among
from leanplum_sync.planfile import PlanFile, PlanWriter
from leanplum_sync.planner.change import Change, Effect, effect_of, facts
from leanplum_sync.planner.hazards import hazards
from leanplum_sync.planner.known import NOTHING_KNOWN, JournalMark, Known, KnowsDeliveries
from leanplum_sync.planner.plan import THINGS_NOT_UNDONE, Note
from leanplum_sync.planner.standing import Standing, standings
from leanplum_sync.planner.subject import Context, plan_subject
from leanplum_sync.planner.tested import variables_of
from leanplum_sync.planner.things import became_default, restored
from leanplum_sync.problem import Place
from leanplum_sync.progress import Progress
from leanplum_sync.staging import Met, Staging
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.profile import Profile, read_profile
from leanplum_sync.wire.subscription import UNSUBSCRIBED
from leanplum_sync.wire.values import ABSENT, canonical

_SUBJECTS_AT_ONCE: Final = 500
_SAMPLES: Final = 3
MOVED_ON: Final = "changed since the run and will be left unchanged"
_SENT: Final = "received a message, which can't be unsent"
_IMPORTED: Final = "received past events, which can't be removed"
_ERASED: Final = "erased, which can't be undone"
_CREATED: Final = "created by this run will not be deleted"
_NOT_EMPTIED: Final = (
    "will keep a profile or device field that was empty before, because the API can't clear it"
)
_UNSUBSCRIBED: Final = "unsubscribed by this run will stay so: re-subscribing needs a dated consent"
_STAYS_DEFAULT: Final = (
    "became the default channel, and stays as it is: give `default: true` to another one in a spec"
)
_HIDDEN_CHANNELS: Final = "was deleted, and can't be created as it was: Leanplum doesn't show its channels"
_NESTED: Final = "had a nested value, which can't be written back"


class KnowsRuns(KnowsDeliveries, Protocol):
    """The journal, as undoing sees it."""

    def mark(self) -> JournalMark | None: ...

    def reached(self, run: int, subjects: Sequence[Subject]) -> frozenset[Subject]: ...


@dataclass(frozen=True, slots=True)
class MadeUndo:
    """*moved_on* are subjects that have changed since the run. They are skipped."""

    digest: str
    moved_on: tuple[Subject, ...]


def make_undo(
    run: int,
    plan: PlanFile,
    staging: Staging,
    request: PlanRequest,
    live: Live,
    *,
    reader: ReadsThings,
    journal: KnowsRuns,
    clock: Clock,
    progress: Progress,
) -> MadeUndo:
    """
    Write a plan that undoes what *run* did of *plan*. Subjects that the run did not reach are not read.

    Raises:
        ApiError, CredentialError: live state can't be read.
        PlanError: the plan file can't be written.
    """
    things: list[Subject] = []
    for subject in _reached(run, plan, journal):
        if subject.kind.is_thing:
            things.append(subject)
        else:
            staging.add(0, subject, Row(1, Place("", row=1), {}))
    staging.close_rows()
    began, last_run, position = clock.now(), journal.last_run(), journal.position(request.target.app_id)
    lookups, unreadable = observe(staging, live, reader, clock, progress)
    of_app = read_things(things, reader, clock)
    oldest, _ = staging.users.between()
    if oldest is not None and oldest < began:
        position = journal.position(request.target.app_id, oldest)
    tally = Tally(listed=staging.count_subjects(), unreadable=unreadable, things=things)
    resource = ResourceAddress("Undo", f"run-{run}")
    context = Context({resource: 0}, {})
    noted = _Noted()
    with PlanWriter(request.out) as writer:
        mets = chain(staging.met(), (Met(subject, (), of_app.elements[subject]) for subject in things))
        changed_things: list[Change] = []
        for met, changes, known in _with_changes(plan, mets, journal):
            if (want := _want(resource, met, changes, known, noted.add)) is not None:
                decided = plan_subject([want], read_profile(met.element or {}), NOTHING_KNOWN, context)
                tally.include(decided)
                writer.add(decided)
                changed_things += variables_of(decided.changes)
        tested = tested_among(changed_things, reader)
        packed = writer.pack()
        summary = tally.summary(
            packed,
            lookups + of_app.lookups,
            request.requests_per_second,
            tested=tested.names,
            bills_things=of_app.lookups > 0,
        )
        digest = writer.finish(
            target=request.target,
            created_at=clock.now(),
            observed=of_app.between(staging.users.between()),
            read_after_run=last_run,
            position=position,
            journal=journal.mark(),
            sensitive=request.sensitive,
            inputs=(),  # the specs may have changed: the values to restore are in the run's plan
            hazards=hazards(summary, 0, request.budget),
            notes=[*tally.notes(), *tested.notes, *noted.notes(str(resource))],
            summary=summary,
        )
    return MadeUndo(digest, tuple(noted.moved_on))


class _Noted:
    def __init__(self) -> None:
        self.moved_on: list[Subject] = []
        self._counts: Counter[tuple[str, str]] = Counter()
        self._samples: dict[tuple[str, str], list[str]] = defaultdict(list)

    def add(self, subject: Subject, sentence: str) -> None:
        key = THINGS_NOT_UNDONE if subject.kind.is_thing else "not undone", sentence
        self._counts[key] += 1
        if len(self._samples[key]) < _SAMPLES:
            self._samples[key].append(subject.id)
        if sentence == MOVED_ON:
            self.moved_on.append(subject)

    def notes(self, resource: str) -> list[Note]:
        return [
            Note(code, resource, sentence, count, tuple(self._samples[code, sentence]))
            for (code, sentence), count in self._counts.items()
        ]


def _reached(run: int, plan: PlanFile, journal: KnowsRuns) -> Iterator[Subject]:
    stream = plan.subjects()
    while page := list(islice(stream, _SUBJECTS_AT_ONCE)):
        yield from sorted(journal.reached(run, page))


def _with_changes(
    plan: PlanFile, mets: Iterator[Met], journal: KnowsRuns
) -> Iterator[tuple[Met, Sequence[Change], Known]]:
    """Yield the subjects that could be read, with their changes in the plan and what the journal knows."""
    while page := list(islice(mets, _SUBJECTS_AT_ONCE)):
        subjects = [met.subject for met in page]
        changes = plan.changes_of(subjects)
        known = journal.known(plan.header.target.app_id, subjects)
        for met in page:
            if met.element is not None:
                yield met, changes.get(met.subject, ()), known.get(met.subject, NOTHING_KNOWN)


def _want(
    resource: ResourceAddress,
    met: Met,
    changes: Sequence[Change],
    known: Known,
    note: Callable[[Subject, str], None],
) -> Want | None:
    profile = read_profile(met.element or {})
    seen = [pair for pair in standings(changes, profile) if not facts(pair[0].kind).is_once]
    sent = frozenset(known.delivered.values())
    for sentence in dict.fromkeys(
        _obstacle(change) for change in changes if facts(change.kind).is_once and change.resource in sent
    ):
        note(met.subject, sentence)
    if not seen:
        return None
    if any(effect_of(change.kind) is Effect.ABSENCE for change, _ in seen):
        note(met.subject, _ERASED)
        return None
    if not profile.exists or any(standing is Standing.OVERTAKEN for _, standing in seen):
        note(met.subject, MOVED_ON)
        return None
    done = [change for change, standing in seen if standing is not Standing.UNTOUCHED]
    for sentence in dict.fromkeys(filter(None, map(_obstacle, done))):
        note(met.subject, sentence)
    back = tuple(_desires((change for change in done if not _obstacle(change)), profile))
    return Want(resource, met.subject, create=False, found_at=changes[0].found_at, desires=back)


def _obstacle(change: Change) -> str:
    """Return why a change can't be undone; empty if it can."""
    match effect_of(change.kind):
        case Effect.EXISTENCE:
            return _CREATED
        case Effect.MESSAGE:
            return _SENT
        case Effect.OCCURRENCE:
            return _IMPORTED
        case Effect.ABSENCE:
            return _ERASED
        case Effect.PROFILE_FIELD | Effect.DEVICE_FIELD:
            return _NOT_EMPTIED if change.before is None else ""
        case Effect.SUBSCRIPTION:
            return _UNSUBSCRIBED if change.after == UNSUBSCRIBED else ""
        case Effect.ATTRIBUTE | Effect.ITEMS_ADDED | Effect.ITEMS_REMOVED | Effect.SUM:
            return _NESTED if isinstance(change.before, dict) else ""
        case Effect.THING:
            if change.subject.kind is SubjectKind.POSTBACK and change.after is None:
                return _HIDDEN_CHANNELS
            return _STAYS_DEFAULT if became_default(change) else ""


def _desires(done: Iterable[Change], profile: Profile) -> Iterator[Desire]:  # noqa: C901, PLR0912 - a case for each effect
    attributes: dict[str, tuple[Json, Place]] = {}
    lists: dict[str, desires.AlterList] = {}
    things: dict[str, Change] = {}  # one that was replaced has two changes
    for change in done:
        match effect := effect_of(change.kind):
            case Effect.ITEMS_ADDED if _is_all_ours(change, profile):
                # Removing each value would leave an empty list, but there was no attribute.
                attributes.setdefault(change.field, (None, change.asked_at))
            case Effect.ITEMS_ADDED | Effect.ITEMS_REMOVED:
                # Value by value, so that later values of others are kept.
                values = tuple(change.after)
                add, remove = (values, ()) if effect is Effect.ITEMS_REMOVED else ((), values)
                one = lists.get(change.field, desires.AlterList(change.field, (), (), change.asked_at))
                lists[change.field] = desires.AlterList(
                    change.field, (*one.add, *add), (*one.remove, *remove), one.asked_at
                )
            case Effect.PROFILE_FIELD:
                yield desires.SetProfileField(change.field, change.before, change.asked_at)
            case Effect.SUBSCRIPTION:
                yield desires.SetSubscription(change.field, change.before, None, change.asked_at)
            case Effect.DEVICE_FIELD:
                yield desires.SetDeviceField(change.device_id, change.field, change.before, change.asked_at)
            case Effect.ATTRIBUTE | Effect.SUM:
                attributes.setdefault(change.field, (change.before, change.asked_at))
            case Effect.THING:
                things.setdefault(change.field, change)
            case Effect.EXISTENCE | Effect.ABSENCE | Effect.MESSAGE | Effect.OCCURRENCE:
                pass  # obstacles, and left out
    for name, (before, place) in attributes.items():
        lists.pop(name, None)
        if canonical(before) == ABSENT:
            yield desires.RemoveAttribute(name, place)
        else:
            yield desires.SetAttribute(name, before, place)
    yield from lists.values()
    for name, change in things.items():
        if change.before is None:
            yield desires.RemoveThing(name, change.asked_at)
        else:
            yield desires.SetThing(name, restored(change), change.asked_at, replace=True)


def _is_all_ours(change: Change, profile: Profile) -> bool:
    there = profile.attributes.get(change.field) or ()
    return change.before is None and set(map(canonical, there)) <= set(map(canonical, change.after))
