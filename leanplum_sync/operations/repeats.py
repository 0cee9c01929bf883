"""Counts what a plan would deliver again under another name, from what the journal knows of each subject."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final, Self, assert_never

from leanplum_sync.kinds.rows import desires
from leanplum_sync.planner.hazards import Repeats
from leanplum_sync.planner.known import Known, KnowsDeliveries, Sent
from leanplum_sync.planner.subject import Context, SubjectPlan

_ROWS_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class Names:
    """
    Names of deliveries: *used* by any spec of the project, and *planned* by the specs of this plan.

    Each set includes the names that its deliveries had before, as ``moved`` lists them.
    """

    used: frozenset[str]
    planned: frozenset[str]

    @classmethod
    def of(cls, used: Iterable[str], planned: Iterable[str], former: Mapping[str, tuple[str, ...]]) -> Self:
        def with_former(names: Iterable[str]) -> frozenset[str]:
            return frozenset(each for name in names for each in (name, *former.get(name, ())))

        return cls(with_former(used), with_former(planned))


class RepeatCounter:
    """
    Counts subjects as they pass. What each received before goes to a temporary database on disk, not into memory.

    *since* is the moment, in epoch seconds, after which the same message counts as repeated.
    """

    def __init__(self, context: Context, names: Names, since: float) -> None:
        self._context = context
        self._names = names
        self._since = since
        self._sends = self._subjects = 0
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
        if not known.sent or not plan.changes:
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
        former = self._context.former
        recipients = journal.recipients(
            app, sorted({each for name in self._numbers for each in (name, *former.get(name, ()))})
        )
        again = self._connection.execute(
            "SELECT earlier, count(DISTINCT subject) FROM again WHERE NOT is_used GROUP BY earlier"
        )
        found = dict(again.fetchall())
        renamed = {
            number
            for name, number in self._numbers.items()
            if 2 * parts * found.get(number, 0) >= recipients.get(name, 0)
        }
        new = {
            number
            for name, number in self._numbers.items()
            if not any(recipients.get(each, 0) for each in (name, *former.get(name, ())))
        }
        self._connection.execute("CREATE TABLE chosen (is_used INTEGER, number INTEGER)")
        self._connection.executemany(
            "INSERT INTO chosen VALUES (?, ?)",
            [*((False, number) for number in renamed), *((True, number) for number in new)],
        )
        with closing(
            self._connection.execute(
                "SELECT count(DISTINCT subject) FROM again JOIN chosen"
                " ON again.is_used = chosen.is_used AND chosen.number = CASE WHEN again.is_used THEN name ELSE earlier END"
            )
        ) as counted:
            (subjects,) = counted.fetchone()
        return Repeats(self._sends, subjects)


@dataclass(frozen=True, slots=True)
class _Again:
    """What a subject would get under *name*, and did get as *earlier*."""

    name: str
    is_send: bool
    earlier: Mapping[str, Sent]


def _delivery(desire: desires.Desire) -> str | None:
    """Return the name of a send or an increment."""
    match desire:
        case desires.Send(delivery=name) | desires.IncrementAttribute(delivery=name):
            return name
        case (
            desires.SetAttribute()
            | desires.TakeAttribute()
            | desires.RemoveAttribute()
            | desires.AlterList()
            | desires.SetProfileField()
            | desires.SetDeviceField()
        ):
            return None
        case _:
            assert_never(desire)


def _listed(plan: SubjectPlan, context: Context) -> Iterator[str]:
    """Yield the names of all sends and increments that are asked for the subject, and the names they had before."""
    for decision in plan.decisions:
        if (name := _delivery(decision.desire)) is not None:
            yield name
            yield from context.former.get(name, ())


def _again(plan: SubjectPlan, known: Known, context: Context) -> Iterator[_Again]:
    """Yield what each planned send and increment would repeat."""
    for decision in plan.decisions:
        name = _delivery(decision.desire)
        if not decision.changes or name is None:
            continue
        others = {each: sent for each, sent in known.sent.items() if each != name}
        if isinstance(decision.desire, desires.Send):
            # Old journals don't say which message was sent: it may be this one.
            ids = (context.messages[decision.want.resource].id, None)
            same = {each: sent for each, sent in others.items() if "/" not in each and sent.message in ids}
        else:
            attribute = name.partition("/")[2]
            same = {each: sent for each, sent in others.items() if each.partition("/")[2] == attribute}
        yield _Again(name, isinstance(decision.desire, desires.Send), same)
