"""
Writes of other runs that came after live state was read for a plan: what a plan must not overwrite unnoticed.

Runs are ordered by number, and an unfinished run is compared with what it had sent when the plan was made. So clocks of two
machines are compared only where users were read before planning began, with a margin.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import sqlalchemy as sa

from leanplum_sync.address import Subject
from leanplum_sync.journal.database import Database
from leanplum_sync.journal.entry import UNFINISHED
from leanplum_sync.journal.footprints import rows_about, unpacked
from leanplum_sync.journal.rows import Row
from leanplum_sync.journal.schema import batch_subject_table, batch_table, exception_table, run_table
from leanplum_sync.journal.texts import Texts
from leanplum_sync.journal.unsubscriptions import unsubscriptions
from leanplum_sync.planner.footprint import Written
from leanplum_sync.planner.known import Position

Select: TypeAlias = Callable[[sa.Select[Any]], Sequence[Row]]

# By how much the clock of the machine that read may differ from that of a machine that applied.
_CLOCKS_DIFFER_SECONDS: Final = 300.0
_PAGE: Final = 10_000  # rows


def position(select: Select, app: str, read_since: float | None, last_run: int) -> Position:
    """Return *app*'s position, see ``KnowsDeliveries``. *last_run* is the number of the latest run of any app."""
    run = run_table
    if read_since is not None:
        wrote = sa.or_(run.c.ended_at.is_(None), run.c.ended_at > read_since - _CLOCKS_DIFFER_SECONDS)
        writers = select(sa.select(run.c.number).where(run.c.app == app, wrote))
        last_run = min((row.number - 1 for row in writers), default=last_run)
    unfinished = select(
        sa.select(run.c.number).where(
            run.c.app == app, run.c.number <= last_run, run.c.state.in_([state.value for state in UNFINISHED])
        )
    )
    return Position(last_run, _requests(select, [row.number for row in unfinished]))


def _requests(select: Select, runs: Collection[int]) -> dict[int, int]:
    """Return how many requests each of *runs* sent."""
    batch = batch_table
    query = (
        sa.select(batch.c.run, sa.func.sum(batch.c.attempts).label("sent"))
        .where(batch.c.run.in_(runs))
        .group_by(batch.c.run)
    )
    return dict.fromkeys(runs, 0) | {row.run: int(row.sent) for row in (select(query) if runs else ())}


def touched_since(select: Select, app: str, since: Position, besides: int = 0) -> Iterator[str]:
    """
    Yield the subjects that runs of *app*, other than *besides*, worked on after *since*: they wrote to them, may have, or found
    them changed. One may come several times.
    """
    run = run_table
    now = _requests(select, since.unfinished)
    continued = [number for number, sent in since.unfinished.items() if now[number] != sent]
    later = sa.or_(run.c.number > since.run, run.c.number.in_(continued))
    query = sa.select(run.c.number).where(run.c.app == app, run.c.number != besides, later)
    for row in select(query.order_by(run.c.number)):
        yield from touched_by(select, row.number)


def touched_by(select: Select, run: int) -> Iterator[str]:
    """Yield the subjects that *run* worked on. One may come several times."""
    of_batch, exception = batch_subject_table, exception_table
    for table, place in ((of_batch, of_batch.c.subject), (exception, exception.c.action)):
        query = sa.select(table.c.sequence, place.label("place"), table.c.subject).where(table.c.run == run)
        query = query.order_by(table.c.sequence, place).limit(_PAGE)
        rows = select(query)
        while rows:
            yield from (row.subject for row in rows)
            after = sa.tuple_(sa.literal(rows[-1].sequence), sa.literal(rows[-1].place))
            rows = select(query.where(sa.tuple_(table.c.sequence, place) > after))


class LaterWrites:
    """What runs of *app* other than *own* wrote after *since*. It may be asked from several threads."""

    def __init__(self, database: Database, texts: Texts, *, app: str, own: int, since: Position) -> None:
        self._database, self._texts = database, texts
        self._app, self._own, self._since = app, own, since
        self._continued = self._find_continued()

    def subjects(self, subjects: Collection[Subject]) -> frozenset[Subject]:
        """Return to which of *subjects* a later request was, or may have been, sent."""
        runs = self._runs()
        if not runs:
            return frozenset()
        of_batch, batch = batch_subject_table, batch_table
        query = (
            sa.select(of_batch.c.subject)
            .join(batch, sa.and_(batch.c.run == of_batch.c.run, batch.c.sequence == of_batch.c.sequence))
            .where(of_batch.c.run.in_(runs), of_batch.c.subject.in_(list(map(str, subjects))))
            .where(batch.c.attempts > 0)
            .distinct()
        )
        return frozenset(Subject.parse(row.subject) for row in self._select(query))

    def fields(self, subjects: Collection[Subject]) -> Mapping[Subject, Mapping[str, Written]]:
        """
        Return the fields of each of *subjects* that later runs wrote, with the last of these runs.

        Their names are those of footprints, see ``planner.footprint``.
        """
        runs = self._runs()
        if not runs:
            return {}
        names = {str(subject): subject for subject in subjects}
        found: dict[Subject, dict[str, Written]] = defaultdict(dict)
        for row in self._select(rows_about(runs, list(names))):
            for name, left in unpacked(row, self._texts, names.keys()).items():
                written = {field: Written(row.run, runs[row.run], value) for field, value in left.items()}
                found[names[name]].update(written)
        return found

    def unsubscriptions(self, subjects: Collection[Subject]) -> Mapping[Subject, Mapping[str, float]]:
        """Return when any run last unsubscribed each of *subjects*, in epoch seconds, by channel and category."""
        found = unsubscriptions(self._select, self._texts, self._app, sorted(map(str, subjects)))
        return {Subject.parse(name): left for name, left in found.items()}

    def _runs(self) -> Mapping[int, str]:
        """Return the digests of the plans of later runs, by number. Each call sees runs that began meanwhile."""
        run = run_table
        later = sa.or_(run.c.number > self._since.run, run.c.number.in_(self._continued))
        query = sa.select(run.c.number, run.c.plan_digest).where(
            run.c.app == self._app, run.c.number != self._own, later
        )
        return {row.number: row.plan_digest for row in self._select(query)}

    def _find_continued(self) -> list[int]:
        """Return the unfinished runs that sent more, or still can."""
        before = {run: sent for run, sent in self._since.unfinished.items() if run != self._own}
        if not before:
            return []
        run = run_table
        query = sa.select(run.c.number).where(
            run.c.number.in_(before), run.c.state.in_([state.value for state in UNFINISHED])
        )
        can_write = {row.number for row in self._select(query)}
        now = _requests(self._select, before)
        return [each for each, sent in before.items() if now[each] != sent or each in can_write]

    def _select(self, query: sa.Select[Any]) -> Sequence[Row]:
        with self._database.reading() as connection:
            return connection.execute(query).all()
