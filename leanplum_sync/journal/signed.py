"""What a signature covers: each record of a batch, a run or the journal as one text, see ``signing``."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from leanplum_sync.journal.cells import unchecked
from leanplum_sync.journal.schema import (
    accepted_table,
    batch_table,
    delivery_rename_table,
    delivery_table,
    exception_table,
    identity_table,
    run_plan_table,
    run_table,
)

_ID: Final = "leanplum_sync_journal_id"


@dataclass(slots=True)
class Record:
    """
    The *rows* of one record, by table, as they are in the database, and the *signature* it has.

    *head* says what it is and where. The first table has one row, unless the record doesn't exist.
    """

    head: tuple[str | int, ...]
    signature: object = None
    rows: dict[str, list[list[Any]]] = field(default_factory=lambda: defaultdict(list))

    @property
    def is_absent(self) -> bool:
        return not self.rows

    def text(self) -> str | None:
        """Return everything that the signature covers; None if a value is none that we write."""
        try:
            return json.dumps([self.head, {name: sorted(self.rows[name]) for name in sorted(self.rows)}])
        except TypeError:
            return None


def _columns(table: sa.Table) -> list[sa.ColumnElement[Any]]:
    return [each for each in unchecked(table) if each.key != "signature"]


def _signature(table: sa.Table) -> sa.ColumnElement[Any]:
    return sa.type_coerce(table.c.signature, sa.types.NullType()).label("signature")


_SEQUENCES: Final[sa.BindParameter[Any]] = sa.bindparam("of_sequences", expanding=True)
_BATCHES: Final = sa.select(_signature(batch_table), *_columns(batch_table)).where(
    batch_table.c.run == sa.bindparam("of_run"), batch_table.c.sequence.in_(_SEQUENCES)
)
_PARTS: Final = {
    table.name: sa.select(*_columns(table)).where(
        table.c.run == sa.bindparam("of_run"), table.c.sequence.in_(_SEQUENCES)
    )
    for table in (exception_table, delivery_table)
}
_NUMBERS: Final[sa.BindParameter[Any]] = sa.bindparam("of_numbers", expanding=True)
_RUNS: Final = sa.select(_signature(run_table), *_columns(run_table)).where(run_table.c.number.in_(_NUMBERS))
_PLANS: Final = sa.select(*_columns(run_plan_table)).where(run_plan_table.c.run.in_(_NUMBERS))
_IDENTITY: Final = sa.select(_signature(identity_table), *_columns(identity_table))
_SMALL: Final = {table.name: sa.select(*_columns(table)) for table in (accepted_table, delivery_rename_table)}


def journal_id(connection: sa.Connection) -> str:
    """Return the journal's id, which is read once in a transaction that ``remembering`` surrounds and doesn't change it."""
    kept = connection.info.get(_ID)
    if isinstance(kept, str):
        return kept
    found = connection.scalar(sa.select(sa.type_coerce(identity_table.c.id, sa.types.NullType())))
    if isinstance(found, str) and _ID in connection.info:
        connection.info[_ID] = found
    return str(found)


@contextmanager
def remembering(connection: sa.Connection) -> Iterator[None]:
    info = connection.info  # not asked for at the end: a connection that was lost meanwhile has none
    info[_ID] = None
    try:
        yield
    finally:
        info.pop(_ID, None)


def forget(connection: sa.Connection) -> None:
    """Read the id each time from now on: this transaction changes it."""
    connection.info.pop(_ID, None)


def batches(connection: sa.Connection, run: int, sequences: Sequence[int]) -> Mapping[int, Record]:
    """Return the batches of *run* by sequence, also if there is none."""
    journal = journal_id(connection)
    found = {sequence: Record(("batch", journal, run, sequence)) for sequence in sequences}
    place = {"of_run": run, "of_sequences": list(sequences)}
    for row in connection.execute(_BATCHES, place):
        record = found[row.sequence]
        record.signature = row.signature
        record.rows[batch_table.name].append(list(row)[1:])
    for name, statement in _PARTS.items():
        for row in connection.execute(statement, place):
            found[row.sequence].rows[name].append(list(row))
    return found


def runs(connection: sa.Connection, numbers: Collection[int]) -> Mapping[int, Record]:
    journal = journal_id(connection)
    found = {number: Record(("run", journal, number)) for number in numbers}
    for row in connection.execute(_RUNS, {"of_numbers": list(numbers)}):
        found[row.number].signature = row.signature
        found[row.number].rows[run_table.name].append(list(row)[1:])
    for row in connection.execute(_PLANS, {"of_numbers": list(numbers)}):
        found[row.run].rows[run_plan_table.name].append(list(row))
    return found


def identity(connection: sa.Connection) -> Record:
    count = connection.scalar(sa.select(sa.func.count()).select_from(run_table)) or 0
    record = Record(("journal", count))
    for row in connection.execute(_IDENTITY):
        record.signature = row.signature
        record.rows[identity_table.name].append(list(row)[1:])
    for name, statement in _SMALL.items():
        rows = connection.execute(statement).all()
        if rows:
            record.rows[name] = [list(row) for row in rows]
    return record
