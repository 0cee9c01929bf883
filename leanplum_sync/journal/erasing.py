"""
Erasures: which users were erased, when, and how. And deleting everything else that the journal knows about them.

Users are written as keyed hashes. With them, a later plan, or the second check, can ask whether a given user was erased; the
journal alone can't say who it was.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import orjson
import sqlalchemy as sa

from leanplum_sync.address import Subject
from leanplum_sync.encryption import SealingKeys
from leanplum_sync.journal.cells import unchecked
from leanplum_sync.journal.database import Database
from leanplum_sync.journal.entry import BatchState, Fate
from leanplum_sync.journal.lock import Lease
from leanplum_sync.journal.schema import (
    batch_subject_table,
    batch_table,
    delivery_table,
    erasure_table,
    exception_table,
    fingerprint_table,
    footprint_table,
    kept_chunk_table,
    metadata,
    rejection_table,
    run_table,
)
from leanplum_sync.journal.signing import changes_of
from leanplum_sync.journal.states import BatchStates, Transition, resting_state
from leanplum_sync.journal.texts import Texts

ERASED: Final = "user:erased"  # in place of the subject, in rows that count actions
SECOND_CHECK_SECONDS: Final = 15 * 86_400.0  # Source: Leanplum docs: a full erasure takes up to 15 days
_AT_ONCE: Final = 300  # subjects in one query
_DIGITS: Final = 32
_TABLES: Final = (
    batch_table,
    batch_subject_table,
    delivery_table,
    exception_table,
    fingerprint_table,
    footprint_table,
    rejection_table,
)


@dataclass(frozen=True, slots=True)
class ErasureEntry:
    """
    One erased user. *person* is the keyed hash. Times are in epoch seconds: *erased_at* is when the user was read back and did not
    exist, *cleaned_at* when the project's own data about the user was deleted, *checked_at* when a read after *due_at* found nobody.
    """

    app: str
    person: str
    environment: str
    run: int
    full: bool
    block: bool
    request: str
    planned_at: float
    erased_at: float | None = None
    cleaned_at: float | None = None
    checked_at: float | None = None

    @property
    def due_at(self) -> float | None:
        """When the second check is due; None if it needs none, or before the user is erased."""
        return None if self.erased_at is None else self.erased_at + SECOND_CHECK_SECONDS


class People:
    """Returns the hashes by which *journal* may know a subject of *app*, by each of *keys*: the first is the one to store."""

    def __init__(self, journal: str, keys: SealingKeys, app: str) -> None:
        self._journal, self._app = journal.encode(), app
        self._codecs = [SealingKeys((key,)).sealed(b"", "erasure") for key in keys.keys]

    def __call__(self, subject: Subject) -> tuple[str, ...]:
        text = f"{self._app}\0{subject}".encode(errors="surrogatepass")
        plain = hmac.digest(self._journal, text, hashlib.sha256).hex()
        return tuple(each[:_DIGITS] for each in (*(codec.stamp(plain) for codec in self._codecs), plain))


def note_checked(database: Database, app: str, people: Collection[str], at: float) -> None:
    """Record that none of *people* existed when they were read *at* this time, in epoch seconds."""
    table = erasure_table
    with database.writing("the second check was not recorded") as connection:
        for person in people:
            this = (table.c.app == app, table.c.person == person)
            connection.execute(sa.update(table).where(*this).values(checked_at=at))


def store(database: Database, lease: Lease, entries: Sequence[ErasureEntry]) -> None:
    """Record *entries*, each in place of an earlier one about the same user."""
    columns = [column.key for column in erasure_table.columns]
    with lease.writing("the erasures were not recorded") as connection:
        rows = [{name: getattr(entry, name) for name in columns} for entry in entries]
        database.replace(connection, erasure_table, [{**row, **_flags(row)} for row in rows])


def entries(rows: Sequence[Any]) -> tuple[ErasureEntry, ...]:
    return tuple(
        ErasureEntry(**{**row._asdict(), "full": bool(row.full), "block": bool(row.block)}) for row in rows
    )


def _flags(row: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(row[name]) for name in ("full", "block")}


def texts(database: Database, opened: Texts) -> Iterator[tuple[str, bytes]]:
    """
    Yield each row of each table as text, its cells with zeros between them, and what is encrypted in it.

    Raises:
        CredentialError: it is encrypted with a key that isn't here.
    """
    for table in metadata.sorted_tables:
        if table is kept_chunk_table:
            continue  # each file was searched before it was left here
        with database.reading() as connection:
            for row in connection.execution_options(yield_per=1000).execute(sa.select(*unchecked(table))):
                cells = [str(cell) for cell in row]
                if table is footprint_table:
                    cells.append(opened.open(row.fields, "fields", row.run, row.sequence))
                elif table is exception_table:
                    cells.append(opened.open(row.message, "message", row.run, row.sequence, row.action))
                elif table is rejection_table:
                    cells.append(opened.open(row.message, "rejection", row.run, row.subject))
                elif table is batch_table:
                    cells.append(opened.open(row.reason, "reason", row.run, row.sequence))
                yield table.name, "\0".join(["", *cells, ""]).encode(errors="surrogatepass")


def erase(database: Database, texts: Texts, lease: Lease, subjects: Collection[str]) -> Mapping[str, int]:
    """
    Delete what the journal knows about *subjects* of the lease's app. Return by table how many rows were deleted or changed.

    Counts of past runs stay, without ids. The records of others in a shared row stay, too. Nothing that must not happen twice is
    lost: whatever the journal prevented for these users can only reach a user who exists.
    """
    counts: Counter[str] = Counter()
    stream = iter(sorted(subjects))
    while page := list(islice(stream, _AT_ONCE)):
        with lease.writing("the users were not erased from it") as connection:
            _erase_page(connection, texts, lease, page, counts)
    database.compact(_TABLES)
    return {name: count for name, count in counts.items() if count}


def _erase_page(
    connection: sa.Connection, texts: Texts, lease: Lease, page: Sequence[str], counts: Counter[str]
) -> None:
    app = lease.app
    runs = sa.select(run_table.c.number).where(run_table.c.app == app)
    of_batch, exception, delivery = batch_subject_table, exception_table, delivery_table
    for run, sequence in _places(connection, of_batch, runs, page):
        counts[footprint_table.name] += _erase_footprints(connection, texts, run, sequence, frozenset(page))
    changes = changes_of(connection)
    for table in (exception, delivery):
        for run, sequence in _places(connection, table, runs, page):
            changes.batch(run, sequence)
    of_page = (exception.c.run.in_(runs), exception.c.subject.in_(page))
    _drop_held(connection, lease, of_page)
    named = sa.update(exception).where(*of_page).values(subject=ERASED, message="")
    counts[exception.name] += connection.execute(named).rowcount
    of_deliveries = list(_places(connection, delivery, runs, page))
    for table in (delivery, rejection_table, fingerprint_table):
        gone = sa.delete(table).where(table.c.app == app, table.c.subject.in_(page))
        counts[table.name] += connection.execute(gone).rowcount
    for run, sequence in of_deliveries:
        BatchStates(run, lease.fence).count_deliveries(connection, sequence)
    gone = sa.delete(of_batch).where(of_batch.c.run.in_(runs), of_batch.c.subject.in_(page))
    counts[of_batch.name] += connection.execute(gone).rowcount


def _drop_held(connection: sa.Connection, lease: Lease, of_page: Sequence[sa.ColumnElement[bool]]) -> None:
    """Drop the held actions of erased users: there is nobody left for whom a person could decide, or to whom they could be sent."""
    batch, exception = batch_table, exception_table
    of_held = (*of_page, exception.c.fate == Fate.HELD.value)
    counts = sa.select(exception.c.run, exception.c.sequence, sa.func.count().label("dropped")).where(
        *of_held
    )
    held = connection.execute(counts.group_by(exception.c.run, exception.c.sequence)).all()
    for run, sequence, dropped in held:
        this = (batch.c.run == run, batch.c.sequence == sequence)
        row = connection.execute(
            sa.select(batch.c.state, batch.c.open_count, batch.c.held).where(*this)
        ).one()
        states, state = BatchStates(run, lease.fence), BatchState(row.state)
        added = {"held": -dropped, "skipped": dropped}
        rests_in = resting_state(row.open_count, row.held - dropped)
        if state is BatchState.HELD and rests_in is not BatchState.HELD:
            states.move(connection, sequence, Transition(state, rests_in), {}, added)
        else:
            states.amend(connection, sequence, state, {}, added)
    connection.execute(sa.update(exception).where(*of_held).values(fate=Fate.SKIPPED.value))


def _places(
    connection: sa.Connection, table: sa.Table, runs: sa.Select[tuple[int]], page: Sequence[str]
) -> Iterator[tuple[int, int]]:
    """Yield the batches of *runs* in which *table* has any of the subjects of *page*."""
    query = sa.select(table.c.run, table.c.sequence).where(table.c.run.in_(runs), table.c.subject.in_(page))
    yield from (
        (row.run, row.sequence)
        for row in connection.execute(query.distinct().order_by("run", "sequence")).all()
    )


def _erase_footprints(
    connection: sa.Connection, texts: Texts, run: int, sequence: int, subjects: frozenset[str]
) -> int:
    """Write the footprints of a batch again, without *subjects*."""
    table = footprint_table
    query = sa.select(table).where(table.c.run == run, table.c.sequence == sequence)
    changed = 0
    for row in connection.execute(query).all():
        groups = orjson.loads(texts.open(row.fields, "fields", run, sequence))
        left = [
            [names, {name: found for name, found in of_subjects.items() if name not in subjects}]
            for names, of_subjects in groups
        ]
        if left == groups:
            continue
        changed += 1
        this = (table.c.run == run, table.c.sequence == sequence, table.c.attempt == row.attempt)
        if any(of_subjects for _, of_subjects in left):
            text = orjson.dumps([group for group in left if group[1]]).decode()
            sealed = texts.seal(text, "fields", run, sequence)
            connection.execute(sa.update(table).where(*this).values(fields=sealed))
        else:
            connection.execute(sa.delete(table).where(*this))
    return changed
