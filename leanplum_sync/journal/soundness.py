"""Checks whether the journal is consistent: a damaged or edited one may contain what no transition produces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import sqlalchemy as sa

from leanplum_sync.journal.entry import (
    COUNTED,
    BatchState,
    DeliveryState,
    Fate,
    FateGroup,
    RunState,
    fates_of,
)
from leanplum_sync.journal.rows import Row, numbers_from
from leanplum_sync.journal.schema import (
    batch_table,
    deliveries_of_batch,
    delivery_table,
    exception_table,
    run_table,
)

Select: TypeAlias = Callable[[sa.Select[Any]], Sequence[Row]]

_PAGE: Final = 1000
_IN_FLIGHT: Final = (BatchState.SENT, BatchState.IN_DOUBT)
# Each action of one of these fates has a row of its own.
_LISTED: Final = fates_of(FateGroup.NOT_CARRIED_OUT, FateGroup.HELD)


@dataclass(frozen=True, slots=True)
class Fault:
    """*batch* is None where it is about the run as a whole, and *run* is 0 where it is about the journal as a whole."""

    run: int
    batch: int | None
    sentence: str


def faults(select: Select) -> Iterator[Fault]:
    """
    Yield what is wrong, run by run: states, counts, and deliveries against batches.

    Cells are checked as they are read, see ``cells``: an invalid one ends it with ``DamagedCellError``.
    """
    runs = {row.number: row for row in select(sa.select(run_table).order_by(run_table.c.number))}
    listed = _listed(select)
    totals: Counter[int] = Counter()
    settled: Counter[int] = Counter()
    for row in _batches(select):
        run = runs.get(row.run)
        if run is None:
            yield Fault(row.run, row.sequence, "belongs to a run that is not in the journal")
            continue
        totals[row.run] += row.actions
        settled[row.run] += sum(getattr(row, fate.value) for fate in COUNTED if fate is not Fate.HELD)
        for sentence in _of_batch(row, run, listed):
            yield Fault(row.run, row.sequence, sentence)
    for run in runs.values():
        for sentence in _of_run(run, totals[run.number], settled[run.number]):
            yield Fault(run.number, None, sentence)
    yield from _lost_deliveries(select)
    yield from _of_deliveries(select)


def _lost_deliveries(select: Select) -> Iterator[Fault]:
    """Yield the batches that lack deliveries, which would be made again, or have some that they never had."""
    batch = batch_table
    found = deliveries_of_batch()
    query = sa.select(batch.c.run, batch.c.sequence, batch.c.deliveries, found.label("found"))
    for row in select(query.where(batch.c.deliveries != found).order_by(batch.c.run, batch.c.sequence)):
        yield Fault(
            row.run, row.sequence, f"has the wrong number of deliveries: {row.found}, not {row.deliveries}"
        )


def _batches(select: Select) -> Iterator[Row]:
    table = batch_table
    query = sa.select(table).order_by(table.c.run, table.c.sequence).limit(_PAGE)
    rows = select(query)
    while rows:
        yield from rows
        place = sa.tuple_(sa.literal(rows[-1].run), sa.literal(rows[-1].sequence))
        rows = select(query.where(sa.tuple_(table.c.run, table.c.sequence) > place))


def _listed(select: Select) -> dict[tuple[int, int, str], int]:
    table = exception_table
    key = (table.c.run, table.c.sequence, table.c.fate)
    query = sa.select(*key, sa.func.count().label("actions")).group_by(*key)
    return {(row.run, row.sequence, row.fate): row.actions for row in select(query)}


def _of_batch(row: Row, run: Row, listed: dict[tuple[int, int, str], int]) -> Iterator[str]:
    state = BatchState(row.state)
    # Batches of a part keep their numbers in the whole plan.
    if row.sequence < 1 or (row.sequence > run.batches and not run.part):
        yield f"has a number above the count of batches of its run, {run.batches}"
    known = sum(getattr(row, fate.value) for fate in COUNTED) + row.open_count
    # What a superseded run had open is nobody's any more.
    if known > row.actions or (known < row.actions and run.state != RunState.SUPERSEDED.value):
        yield f"has the wrong number of outcomes: {known} for {_actions(row.actions)}"
    open_now = numbers_from(row.open_actions)
    if (row.actions if open_now is None else len(open_now)) != row.open_count:
        yield "has the wrong number of open actions"
    if row.sent_count > row.open_count:
        yield "has more actions in flight than open actions"
    sent_now = numbers_from(row.sent_actions)
    if state in _IN_FLIGHT and (row.open_count if sent_now is None else len(sent_now)) != row.sent_count:
        yield "has the wrong number of in-flight actions"
    yield from _of_state(state, row)
    for fate in _LISTED:
        count = listed.get((row.run, row.sequence, fate.value), 0)
        if count != getattr(row, fate.value):
            yield f"counts {_actions(getattr(row, fate.value))} as {fate.value}, but lists {count}"


def _actions(count: int) -> str:
    return "1 action" if count == 1 else f"{count} actions"


def _of_state(state: BatchState, row: Row) -> Iterator[str]:
    if not _is_as_it_says(state, row):
        yield f"is {state.value}, which contradicts its counts and times"


def _is_as_it_says(state: BatchState, row: Row) -> bool:
    has_open, has_sent = bool(row.open_count), bool(row.sent_count)
    match state:
        case BatchState.DONE:
            return not has_open and not row.held
        case BatchState.HELD:
            return not has_open and bool(row.held)
        case BatchState.PLANNED | BatchState.PARKED:
            return has_open
        case BatchState.SENT:
            return has_sent and row.sent_at is not None
        case BatchState.IN_DOUBT:
            return has_sent and row.doubted_at is not None


def _of_run(run: Row, actions: int, settled: int) -> Iterator[str]:
    if actions > run.actions:
        yield f"has {_actions(actions)} in its batches, but was started with {run.actions}"
    if run.state == RunState.FINISHED.value and settled != run.actions:
        yield f"is finished, but only {settled} of {_actions(run.actions)} have an outcome"


def _of_deliveries(select: Select) -> Iterator[Fault]:
    delivery, batch, exception = delivery_table, batch_table, exception_table
    query = (
        sa.select(
            delivery.c.run,
            delivery.c.sequence,
            delivery.c.state,
            batch.c.state.label("batch_state"),
            exception.c.fate,
            sa.func.count().label("deliveries"),
        )
        .select_from(
            delivery.outerjoin(
                batch, sa.and_(batch.c.run == delivery.c.run, batch.c.sequence == delivery.c.sequence)
            ).outerjoin(
                exception,
                sa.and_(
                    exception.c.run == delivery.c.run,
                    exception.c.sequence == delivery.c.sequence,
                    exception.c.action == delivery.c.action,
                ),
            )
        )
        .group_by(delivery.c.run, delivery.c.sequence, delivery.c.state, batch.c.state, exception.c.fate)
        .order_by(delivery.c.run, delivery.c.sequence, delivery.c.state)
    )
    for row in select(query):
        if not _agrees(row):
            fate = f", its action {row.fate}" if row.fate else ""
            where = f"the batch is {row.batch_state}{fate}" if row.batch_state else "there is no such batch"
            deliveries = "1 delivery" if row.deliveries == 1 else f"{row.deliveries} deliveries"
            sentence = f"has {deliveries} with the state {row.state}, but {where}"
            yield Fault(row.run, row.sequence, sentence)


def _agrees(row: Row) -> bool:
    match DeliveryState(row.state):
        case DeliveryState.SENT:
            return row.batch_state in _IN_FLIGHT
        case DeliveryState.HELD:
            return bool(row.fate == Fate.HELD)
        case DeliveryState.DROPPED:
            return bool(row.fate == Fate.SKIPPED)
        case DeliveryState.DONE:
            return row.batch_state is not None and row.fate is None
