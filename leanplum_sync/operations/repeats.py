"""Counts what a plan would deliver again under another name, from what the journal knows of each subject."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from types import TracebackType
from typing import Final, Self

from leanplum_sync.kinds.rows import desires
from leanplum_sync.planner.hazards import Repeats
from leanplum_sync.planner.known import Known, KnowsDeliveries, Sent
from leanplum_sync.planner.subject import Context, SubjectPlan

_ROWS_AT_ONCE: Final = 5_000


class RepeatCounter:
    """
    Counts subjects as they pass. Pairs of subject and earlier delivery go to a temporary database on disk, not into memory.

    *used* are the delivery names that the project's specs have, or that it lists as moved. *since* is the moment, in epoch
    seconds, after which the same message counts as repeated.
    """

    def __init__(self, context: Context, used: frozenset[str], since: float) -> None:
        self._context = context
        self._used = used
        self._since = since
        self._sends = self._subjects = 0
        self._numbers: dict[str, int] = {}  # of deliveries that are no longer in any spec
        self._rows: list[tuple[int, int]] = []
        self._connection = sqlite3.connect("", isolation_level=None)  # a temporary file
        self._connection.execute("CREATE TABLE again (subject INTEGER, earlier INTEGER)")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def include(self, plan: SubjectPlan, known: Known) -> None:
        if not known.sent or not plan.changes:
            return
        gone: set[str] = set()
        for is_send, earlier in _same(plan, known, self._context):
            gone |= earlier.keys() - self._used
            self._sends += is_send and any(
                sent.message is not None and sent.at is not None and sent.at >= self._since
                for sent in earlier.values()
            )
        if gone:
            self._subjects += 1
            self._rows += [
                (self._subjects, self._numbers.setdefault(name, len(self._numbers))) for name in sorted(gone)
            ]
            if len(self._rows) >= _ROWS_AT_ONCE:
                self._write()

    def _write(self) -> None:
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT INTO again VALUES (?, ?)", self._rows)
        self._connection.execute("COMMIT")
        self._rows.clear()

    def count(self, journal: KnowsDeliveries, app: str, parts: int = 1) -> Repeats:
        """
        Return the counts. A plan for one of *parts* has about that share of the recipients of each delivery.

        A delivery that is in no spec any more looks renamed if at least half of its recipients would get the same message, or
        an increment of the same attribute.
        """
        self._write()
        recipients = journal.recipients(app, sorted(self._numbers))
        again = self._connection.execute("SELECT earlier, count(*) FROM again GROUP BY earlier")
        found = dict(again.fetchall())
        renamed = [
            number
            for name, number in self._numbers.items()
            if 2 * parts * found.get(number, 0) >= recipients.get(name, 0)
        ]
        self._connection.execute("CREATE TABLE renamed (earlier INTEGER PRIMARY KEY)")
        self._connection.executemany("INSERT INTO renamed VALUES (?)", ((number,) for number in renamed))
        with closing(
            self._connection.execute("SELECT count(DISTINCT subject) FROM again JOIN renamed USING (earlier)")
        ) as counted:
            (subjects,) = counted.fetchone()
        return Repeats(self._sends, subjects)


def _same(plan: SubjectPlan, known: Known, context: Context) -> Iterator[tuple[bool, Mapping[str, Sent]]]:
    """Yield, for each planned send and increment, whether it is a send, and what the subject had of the same kind."""
    for decision in plan.decisions:
        if not decision.changes:
            continue
        match decision.desire:
            case desires.Send(delivery=name):
                message = context.messages[decision.want.resource].id
                # Old journals don't say which message was sent: it may be this one.
                yield (
                    True,
                    {
                        each: sent
                        for each, sent in known.sent.items()
                        if each != name and "/" not in each and sent.message in (message, None)
                    },
                )
            case desires.IncrementAttribute(delivery=name, name=attribute):
                yield (
                    False,
                    {
                        each: sent
                        for each, sent in known.sent.items()
                        if each != name and each.partition("/")[2] == attribute
                    },
                )
            case (
                desires.SetAttribute()
                | desires.TakeAttribute()
                | desires.RemoveAttribute()
                | desires.AlterList()
                | desires.SetProfileField()
                | desires.SetDeviceField()
            ):
                pass
