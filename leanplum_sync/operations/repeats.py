"""Counts what a plan would deliver again under another name, from what the journal knows of each subject."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self, assert_never

from leanplum_sync.address import Subject
from leanplum_sync.kinds.rows import desires
from leanplum_sync.planner.change import Change, Effect, effect_of
from leanplum_sync.planner.hazards import Repeats
from leanplum_sync.planner.known import Known, KnowsDeliveries, Sent
from leanplum_sync.planner.subject import Context, SubjectPlan
from leanplum_sync.wire.event import import_of, is_event

_ROWS_AT_ONCE: Final = 5_000
_COUNT: Final = """
WITH
    again_of AS (SELECT earlier, count(DISTINCT subject) AS subjects FROM again WHERE NOT is_used GROUP BY earlier),
    renamed AS (
        SELECT number FROM delivery JOIN again_of ON number = earlier WHERE 2 * :parts * subjects >= recipients
    ),
    split AS (SELECT number FROM delivery WHERE is_new)
SELECT count(DISTINCT subject) FROM again
WHERE (NOT is_used AND earlier IN (SELECT number FROM renamed))
    OR (is_used AND name IN (SELECT number FROM split))
"""


@dataclass(frozen=True, slots=True)
class Names:
    """
    Names of deliveries: *used* by any spec of the project, and *planned* by the specs of this plan.

    Each set includes the names that its deliveries had before, as ``moved`` lists them. *events* has the event of each import
    in the specs, by the same names, unless it comes from a column.
    """

    used: frozenset[str]
    planned: frozenset[str]
    events: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        used: Iterable[str],
        planned: Iterable[str],
        former: Mapping[str, tuple[str, ...]],
        events: Mapping[str, str],
    ) -> Self:
        def with_former(names: Iterable[str]) -> frozenset[str]:
            return frozenset(each for name in names for each in (name, *former.get(name, ())))

        by_former = {each: event for name, event in events.items() for each in former.get(name, ())}
        return cls(with_former(used), with_former(planned), {**by_former, **events})


class RepeatCounter:
    """
    Counts subjects as they pass. What each received before goes to a temporary database on disk, not into memory.

    *since* is the moment, in epoch seconds, after which the same message counts as repeated.
    """

    def __init__(self, context: Context, names: Names, since: float) -> None:
        self._context = context
        self._names = names
        self._since = since
        self._sends = self._events = self._subjects = 0
        self._erased: dict[int, list[Subject]] = {}  # by run: they are few
        self._numbers: dict[str, int] = {}
        self._rows: list[tuple[int, int, int, bool]] = []
        self._connection = sqlite3.connect("", isolation_level=None)  # a temporary file
        self._connection.execute(
            "CREATE TABLE again (subject INTEGER, earlier INTEGER, name INTEGER, is_used INTEGER)"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def include(self, plan: SubjectPlan, known: Known) -> None:
        if not plan.changes:
            return
        if known.erased_by is not None and any(_is_after_erasure(each) for each in plan.changes):
            self._erased.setdefault(known.erased_by, []).append(plan.subject)
        self._events += _repeated_events(plan, known, self._names.events)
        if not known.sent:
            return
        listed = frozenset(_listed(plan, self._context))
        rows = set[tuple[int, int, int, bool]]()
        for again in _again(plan, known, self._context):
            self._sends += again.is_send and any(
                sent.message is not None and sent.at is not None and sent.at >= self._since
                for sent in again.earlier.values()
            )
            for earlier in again.earlier:
                is_used = earlier in self._names.used
                if not is_used or (earlier in self._names.planned and earlier not in listed):
                    rows.add((self._subjects, self._number(earlier), self._number(again.name), is_used))
        if rows:
            self._subjects += 1
            self._rows += rows
            if len(self._rows) >= _ROWS_AT_ONCE:
                self._write()

    def _number(self, name: str) -> int:
        return self._numbers.setdefault(name, len(self._numbers))

    def _write(self) -> None:
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT INTO again VALUES (?, ?, ?, ?)", self._rows)
        self._connection.execute("COMMIT")
        self._rows.clear()

    def count(self, journal: KnowsDeliveries, app: str, parts: int = 1) -> Repeats:
        """
        Return the counts. A plan for one of *parts* has about that share of the recipients of each delivery.

        A delivery that is in no spec any more looks renamed if at least half of its recipients would get the same message, or
        an increment of the same attribute. One that still is in a spec looks split if recipients that it no longer lists
        would get the same under a name that nobody received yet.
        """
        self._write()
        names = {name: (name, *self._context.former.get(name, ())) for name in self._numbers}
        received = journal.recipients(app, sorted({each for every in names.values() for each in every}))
        self._connection.execute("CREATE TABLE delivery (number INTEGER, recipients INTEGER, is_new INTEGER)")
        self._connection.executemany(
            "INSERT INTO delivery VALUES (?, ?, ?)",
            (
                (number, received.get(name, 0), not any(received.get(each, 0) for each in names[name]))
                for name, number in self._numbers.items()
            ),
        )
        ((subjects,),) = self._connection.execute(_COUNT, {"parts": parts}).fetchall()
        return Repeats(self._sends, subjects, self._events, sum(map(len, self._erased.values())))

    def erased(self) -> Mapping[int, Sequence[Subject]]:
        """Return the users who would be changed, or sent something, although a run erased them, by that run."""
        return self._erased


def _is_after_erasure(change: Change) -> bool:
    return effect_of(change.kind) is not Effect.ABSENCE  # who is back may be erased once more


@dataclass(frozen=True, slots=True)
class _Again:
    """What a subject would get under *name*, and did get as *earlier*."""

    name: str
    is_send: bool
    earlier: Mapping[str, Sent]


def _delivery(desire: desires.Desire) -> str | None:
    """Return the name of a send or an increment."""
    match desire:
        case (
            desires.Send(delivery=name)
            | desires.IncrementAttribute(delivery=name)
            | desires.TrackEvent(delivery=name)
        ):
            return name
        case (
            desires.SetAttribute()
            | desires.TakeAttribute()
            | desires.RemoveAttribute()
            | desires.AlterList()
            | desires.SetProfileField()
            | desires.SetDeviceField()
            | desires.SetSubscription()
            | desires.Erase()
            | desires.OfTheApp()
        ):
            return None
        case _:
            assert_never(desire)


def _listed(plan: SubjectPlan, context: Context) -> Iterator[str]:
    """Yield the names of all sends, imports and increments that are asked for the subject, and the names they had before."""
    for decision in plan.decisions:
        if (delivery := _delivery(decision.desire)) is not None:
            name = import_of(delivery) or delivery
            yield name
            yield from context.former.get(name, ())


def _again(plan: SubjectPlan, known: Known, context: Context) -> Iterator[_Again]:
    """
    Yield what each planned send, event and increment would repeat.

    Events are told by their imports: the same row in another import is a repetition, whichever key it has.
    """
    imports = _imports(known)
    for decision in plan.decisions:
        name = _delivery(decision.desire)
        if not decision.changes or name is None:
            continue
        if isinstance(decision.desire, desires.TrackEvent):
            imported_as = decision.desire.imported_as
            earlier = imports.get(name.removeprefix(imported_as), {})
            yield _Again(imported_as, is_send=False, earlier=earlier)
            continue
        others = {each: sent for each, sent in known.sent.items() if each != name and not is_event(each)}
        if isinstance(decision.desire, desires.Send):
            # Old journals don't say which message was sent: it may be this one.
            ids = (context.messages[decision.want.resource].id, None)
            same = {each: sent for each, sent in others.items() if "/" not in each and sent.message in ids}
        else:
            attribute = name.partition("/")[2]
            same = {each: sent for each, sent in others.items() if each.partition("/")[2] == attribute}
        yield _Again(name, isinstance(decision.desire, desires.Send), same)


def _repeated_events(plan: SubjectPlan, known: Known, events: Mapping[str, str]) -> int:
    """
    Return how many planned events have the key of an event that the subject has from another import, or gets from one in this plan.

    Imports of different *events* may share keys, as orders and their refunds do. The journal doesn't know the event of a key, so
    an import that is in no spec any more may have been of the same event.
    """
    imports = _imports(known)
    count, planned = 0, set[tuple[str, str]]()
    for decision in plan.decisions:
        event = decision.desire
        if not isinstance(event, desires.TrackEvent) or not decision.changes:
            continue
        key = event.delivery.removeprefix(event.imported_as)
        count += (key, event.name) in planned or any(
            events.get(each, event.name) == event.name for each in imports.get(key, ())
        )
        planned.add((key, event.name))
    return count


def _imports(known: Known) -> Mapping[str, Mapping[str, Sent]]:
    """Return the imports that the subject got each event from, by what follows the import's name."""
    found: dict[str, dict[str, Sent]] = {}
    for name, sent in known.sent.items():
        if imported_as := import_of(name):
            found.setdefault(name.removeprefix(imported_as), {})[imported_as] = sent
    return found
