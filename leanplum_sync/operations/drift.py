"""
Compares live state with what we last wrote, and finds who changed it since.

Fields that differ from the specs are the ones that a plan would change. Each is looked up in the journal's footprints, which
record what we last wrote:

========================  =====================================  ===================
live                      the spec asks                          changed
========================  =====================================  ===================
as we wrote it            something else than then               by us
not as we wrote it        what it asked then                     by others
not as we wrote it        something else than then               by both
we never wrote the field  what it asked then, of a known user    by others
we never wrote the field  anything else                          not changed: new
========================  =====================================  ===================

The fourth line covers fields that were already as desired when the spec was applied. A user is known if we ever wrote to them;
any other user is new. A thing of the app is known if its spec was applied.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from heapq import merge
from itertools import islice
from typing import Final, Protocol, TypeAlias

from leanplum_sync.address import Subject, SubjectKind
from leanplum_sync.clock import Clock
from leanplum_sync.journal.entry import AppliedSpec
from leanplum_sync.kinds.rows.parts import OncePart
from leanplum_sync.operations.observing import Observed, naming_the_place, observe
from leanplum_sync.operations.plan import ReadsLiveState, decided
from leanplum_sync.operations.things import decided_things, read_things, things_of
from leanplum_sync.planner.attribute_names import AttributeNames
from leanplum_sync.planner.change import Change, ChangeKind, Effect, effect_of
from leanplum_sync.planner.decide import Reason
from leanplum_sync.planner.footprint import ADDED, COUNTED, TAKEN_OUT, fields_of, prints_of
from leanplum_sync.planner.known import KnowsDeliveries
from leanplum_sync.planner.plan import ValuePair
from leanplum_sync.planner.subject import Context, SubjectPlan, waves
from leanplum_sync.progress import Progress
from leanplum_sync.specs import Loaded
from leanplum_sync.staging import Staging
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.erasing import is_blocked

_SUBJECTS_AT_ONCE: Final = 500
_SAMPLES: Final = 3
_PAIRS: Final = 3
_SHORT: Final = frozenset(
    {
        Reason.CONSENT_OLDER,
        Reason.CONSENT_USED,
        Reason.FIXED,
        Reason.IN_THE_WAY,
        Reason.IS_DEFAULT,
        Reason.SEVERAL,
        Reason.NOT_A_LIST,
        Reason.NOT_CONVERTIBLE,
        Reason.NOT_COPYABLE,
        Reason.NOT_WHOLE,
    }
)
_PAIRS_COUNTED: Final = 100  # of a group: memory must not grow with the users
# Instead of a field: the user is gone.
WHOLE_USER: Final = ""


class Origin(StrEnum):
    OTHERS = "others"
    BOTH = "both"
    OURS = "ours"
    NEW = "new"

    @property
    def is_drift(self) -> bool:
        """Whether others changed managed values. Changes of ours and new ones are for a plan."""
        match self:
            case Origin.OTHERS | Origin.BOTH:
                return True
            case Origin.OURS | Origin.NEW:
                return False


class KnowsFootprints(KnowsDeliveries, Protocol):
    """The part of the journal that drift needs."""

    def applied_specs(self, app: str, environment: str) -> Mapping[str, AppliedSpec]: ...

    def footprints(
        self, app: str, environment: str, subjects: Sequence[Subject]
    ) -> Mapping[Subject, Mapping[str, str]]: ...


@dataclass(frozen=True, slots=True)
class Moved:
    """
    A field that differs from the specs for *users* users; *samples* are a few of them.

    *values* are the most frequent values, live and desired; the values of *others* users are not among them. Where *field*
    is ``WHOLE_USER``, the users themselves are gone.
    """

    origin: Origin
    resource: str
    kind: ChangeKind | None
    field: str
    users: int
    samples: tuple[str, ...]
    values: tuple[ValuePair, ...] = ()
    others: int = 0


@dataclass(frozen=True, slots=True)
class InForce:
    """*applied* is None if the resource was never applied; *changed* tells that it has changed since."""

    resource: str
    applied: AppliedSpec | None
    changed: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """
    *listed* counts the users and the things of the app in the specs: *in_step* match them, *missing* don't exist and were never written to, and *unreadable*
    could not be read. *things* are how many of the listed are things of the app, *thing_kinds* their kinds.
    """

    listed: int
    in_step: int
    missing: int
    unreadable: int
    reads: int
    observed: tuple[float | None, float | None]
    specs: tuple[InForce, ...]
    moved: tuple[Moved, ...]
    things: int = 0
    thing_kinds: frozenset[SubjectKind] = frozenset()

    @property
    def has_drifted(self) -> bool:
        return any(each.origin.is_drift for each in self.moved)

    def users(self, origin: Origin) -> int:
        """Return how many fields of users are *origin*'s."""
        return sum(each.users for each in self.moved if each.origin is origin)


def find_drift(
    loaded: Loaded,
    staging: Staging,
    observed: Observed,
    *,
    app: str,
    environment: str,
    reader: ReadsLiveState,
    journal: KnowsFootprints,
    clock: Clock,
    progress: Progress,
    on_absent: Callable[[Subject], None] = lambda _: None,
) -> Drift:
    """
    Compare the subjects of *loaded*, whose rows ``check`` staged, with what the journal says we left there. *on_absent* gets each user who was
    to be erased, and doesn't exist.

    Raises:
        StalePlanError: the snapshot is too old, or lacks subjects.
        ApiError, CredentialError: live state can't be read.
    """
    context = Context(
        waves({each.address: each.depends_on for each in loaded.resources if each.kind.has_waves}),
        {},
        former=loaded.former_names,
    )
    reads, unreadable = observe(staging, observed, reader, clock, progress)
    for subject, message in unreadable.items():
        if is_blocked(message):
            on_absent(subject)
    specs = _in_force(loaded, journal.applied_specs(app, environment))
    unchanged = {each.resource for each in specs if each.applied is not None and not each.changed}
    things = things_of(loaded.resources)
    of_app = read_things(things, reader, clock)
    listed = staging.count_subjects() + len(things)
    tally, short, missing = _Tally(), 0, 0
    with progress.track("Comparing", listed, "user") as task, naming_the_place(observed):
        of_users = decided(loaded, staging, app, journal, context, names=AttributeNames(None))
        of_things = decided_things(things, of_app, app, journal, context)
        stream = merge(of_users, of_things, key=lambda plan: plan.subject)
        while page := list(islice(stream, _SUBJECTS_AT_ONCE)):
            differing = [
                plan for plan in page if (plan.changes and not _is_absent(plan)) or _is_missing(plan)
            ]
            for plan in page:
                if _is_absent(plan):
                    on_absent(plan.subject)
            short += sum(_falls_short(plan) for plan in page)
            left = journal.footprints(app, environment, [plan.subject for plan in differing])
            for plan in differing:
                found = left.get(plan.subject, {})
                missing += not plan.changes and not found
                tally.include(plan.subject, _moved(plan, found, unchanged))
            task.advance(len(page))
    return Drift(
        listed=listed,
        in_step=listed - len(unreadable) - tally.subjects - short - missing,
        missing=missing,
        unreadable=len(unreadable),
        reads=reads + of_app.lookups,
        observed=of_app.between(staging.users.between()),
        specs=specs,
        moved=tally.moved(),
        things=len(things),
        thing_kinds=frozenset(each.kind for each in things),
    )


def without_sends(loaded: Loaded) -> Loaded:
    """Sends leave nothing behind that could drift, and without them the key that reads messages isn't needed."""
    return replace(
        loaded,
        resources=tuple(
            replace(each, parts=tuple(part for part in each.parts if not isinstance(part, OncePart)))
            for each in loaded.resources
            if each.kind.drifts
        ),
    )


def origin_of(change: Change, left: Mapping[str, str], *, unchanged: bool) -> Origin | None:
    """
    Return who caused a difference; None for a change that leaves no footprint.

    *left* holds the footprints of the user, by field. *unchanged* tells that the spec was applied and has not changed since.
    """
    fields = fields_of(change)
    # When a spec was applied, each thing that it names was compared. A user may have been added to the rows since.
    is_known = bool(left) or change.subject.kind.is_thing
    unknown = Origin.OTHERS if unchanged and is_known else Origin.NEW
    match effect := effect_of(change.kind):
        case Effect.EXISTENCE | Effect.SUM | Effect.MESSAGE | Effect.OCCURRENCE:
            return None
        case Effect.ABSENCE:
            return Origin.OTHERS if unchanged else Origin.NEW  # the user exists again
        case Effect.ITEMS_ADDED | Effect.ITEMS_REMOVED:
            word, opposite = (ADDED, TAKEN_OUT) if effect is Effect.ITEMS_ADDED else (TAKEN_OUT, ADDED)
            origins = {word: Origin.OTHERS, opposite: Origin.OURS}
            found = {origins.get(left.get(each, ""), unknown) for each in fields}
            if Origin.OTHERS in found:
                return Origin.OTHERS if len(found) == 1 else Origin.BOTH
            return Origin.OURS if Origin.OURS in found else Origin.NEW
        case (
            Effect.ATTRIBUTE | Effect.PROFILE_FIELD | Effect.DEVICE_FIELD | Effect.SUBSCRIPTION | Effect.THING
        ):
            # The API may not show a device's fields; then only a changed spec causes a difference.
            is_hidden = bool(change.device_id) and change.before is None
            found = {
                _origin_of_value(left.get(field, COUNTED), *prints, unknown, is_hidden=is_hidden)
                for field, prints in prints_of(change).items()
            }
            if len(found) == 1:
                return found.pop()
            return Origin.BOTH if any(each.is_drift for each in found) else Origin.OURS


def _origin_of_value(was: str, before: str, after: str, unknown: Origin, *, is_hidden: bool) -> Origin:
    if was == COUNTED:
        return unknown
    if is_hidden or was == before:
        return Origin.OURS
    return Origin.OTHERS if was == after else Origin.BOTH


def _in_force(loaded: Loaded, applied: Mapping[str, AppliedSpec]) -> tuple[InForce, ...]:
    return tuple(
        InForce(address, found := applied.get(address), changed=found is not None and found.digest != digest)
        for address, digest in sorted(loaded.digests().items())
    )


def _falls_short(plan: SubjectPlan) -> bool:
    """Whether the user doesn't match the specs, and no plan would change that."""
    return not plan.changes and any(decision.reason in _SHORT for decision in plan.decisions)


def _is_absent(plan: SubjectPlan) -> bool:
    """Whether the user was to be erased and doesn't exist, whether or not something about the user is left here."""
    return any(decision.reason in (Reason.ABSENT, Reason.GONE) for decision in plan.decisions)


def _is_missing(plan: SubjectPlan) -> bool:
    return any(decision.reason is Reason.MISSING for decision in plan.decisions)


# A group's key: who changed it, the spec, the kind of change, and the field.
_Key: TypeAlias = tuple[Origin, str, ChangeKind | None, str]


def _moved(
    plan: SubjectPlan, left: Mapping[str, str], unchanged: Iterable[str]
) -> Iterator[tuple[_Key, Change | None]]:
    if not plan.changes and left:
        resource = str(plan.decisions[0].want.resource)
        yield (Origin.OTHERS, resource, None, WHOLE_USER), None
    for change in plan.changes:
        origin = origin_of(change, left, unchanged=change.resource in unchanged)
        if origin is not None:
            yield (origin, change.resource, change.kind, change.field), change


class _Group:
    def __init__(self) -> None:
        self.count = 0
        self._samples: list[str] = []
        self._pairs: dict[str, tuple[Json, Json]] = {}
        self._counts: Counter[str] = Counter()

    def include(self, subject: Subject, change: Change | None) -> None:
        self.count += 1
        if len(self._samples) < _SAMPLES:
            self._samples.append(str(subject))
        if change is not None:
            pair = change.before, change.after
            key = json.dumps(pair, sort_keys=True)
            if key in self._pairs or len(self._pairs) < _PAIRS_COUNTED:
                self._pairs[key] = pair
                self._counts[key] += 1

    def moved(self, key: _Key) -> Moved:
        pairs = tuple(
            ValuePair(*self._pairs[each], count) for each, count in self._counts.most_common(_PAIRS)
        )
        others = self.count - sum(pair.users for pair in pairs) if pairs else 0
        return Moved(*key, self.count, tuple(self._samples), pairs, others)


class _Tally:
    """Counts by group. Its size grows with the specs, not with the subjects."""

    def __init__(self) -> None:
        self.subjects = 0
        self._groups: defaultdict[_Key, _Group] = defaultdict(_Group)

    def include(self, subject: Subject, moved: Iterable[tuple[_Key, Change | None]]) -> None:
        found = dict(moved)
        self.subjects += bool(found)
        for key, change in found.items():
            self._groups[key].include(subject, change)

    def moved(self) -> tuple[Moved, ...]:
        order = list(Origin)
        return tuple(
            group.moved(key)
            for key, group in sorted(
                self._groups.items(), key=lambda item: (order.index(item[0][0]), -item[1].count, item[0][1:])
            )
        )
