"""Copies a journal to another place, such as from a file to PostgreSQL, so that nothing is sent again from there."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from leanplum_sync.clock import SystemClock, utc
from leanplum_sync.encryption import SealingKeys
from leanplum_sync.errors import JournalError, JournalLockedError
from leanplum_sync.journal.database import Database, describe, is_address
from leanplum_sync.journal.lock import is_held, release_abandoned
from leanplum_sync.journal.schema import (
    cost_table,
    export_job_table,
    identity_table,
    kept_chunk_table,
    lock_table,
    metadata,
    rate_table,
    version_table,
)
from leanplum_sync.journal.signing import changes_of

_ROWS_AT_ONCE: Final = 5_000
_CHUNKS_AT_ONCE: Final = 4  # each of about a megabyte
# The target has these already, or needs none.
_OWN: Final = (version_table, identity_table, rate_table)
# Commands that read may have recorded their cost in the target already. Keys of these tables are random, so rows never clash.
_LEDGER: Final = (cost_table, export_job_table)
_COPIED: Final = tuple(table for table in metadata.sorted_tables if table not in _OWN)


def copy_journal(
    source: str | Path, target: str | Path, keys: SealingKeys | None = None
) -> Mapping[str, int]:
    """
    Copy the journal *source* into *target*, which is created if there is none, and return how many rows each table has.

    Everything is copied or nothing, in one transaction that counts the rows of both; nobody can write to either meanwhile.
    *target* gets the identity of *source*, which is not changed. Records keep their signatures.

    Raises:
        JournalLockedError: a run works with *source*.
        JournalReplacedError: *source* is an older copy.
        JournalError: there is no *source*; *target* is the same, or has data; one can't be read or written.
    """
    if not is_address(source) and not Path(source).is_file():
        raise JournalError(f"{describe(source)} does not exist; nothing was copied.")
    if _place(source) == _place(target):
        raise JournalError(f"{describe(source)} is already the project's journal; nothing was copied.")
    if _knows_nothing(source):
        raise JournalError(f"{describe(source)} is empty: there is nothing to copy.")
    keys = SealingKeys.from_environment(os.environ) if keys is None else keys
    with (
        closing(Database(source, keys=keys)) as old,
        closing(Database(target, as_it_is=True, keys=keys)) as new,
    ):
        release_abandoned(old, SystemClock())
        return _copy_all(source, target, old, new)


def _copy_all(source: str | Path, target: str | Path, old: Database, new: Database) -> Mapping[str, int]:
    with (
        old.writing("nothing was copied") as reading,
        new.writing("nothing was copied") as writing,
    ):
        now = time.time() + old.clock_ahead(reading)
        check_at_rest(reading, describe(source), now, "nothing was copied")
        _check_empty(writing, describe(target))
        before = _counts(writing)
        changes_of(writing).journal()
        for table in _COPIED:
            _copy(table, reading, writing)
        new.become(writing, old.mark_in(reading))
        writing.execute(sa.update(lock_table).values(holder=None))
        counts = {name: count - before[name] for name, count in _counts(writing).items()}
        if counts != _counts(reading):
            raise JournalError(f"{describe(target)} did not accept all rows; nothing was copied.")
    return counts


def _place(location: str | Path) -> str | Path:
    return location if is_address(location) else Path(location).resolve()


def _knows_nothing(location: str | Path) -> bool:
    """Open it read-only, which creates no tables."""
    with closing(Database(location, read_only=True)) as database:
        return database.is_empty


def check_at_rest(connection: sa.Connection, name: str, now: float, consequence: str) -> None:
    """
    Raises:
        JournalLockedError: a run works with the journal *name*. The sentence ends with the *consequence*.
    """
    for row in connection.execute(sa.select(lock_table)):
        if is_held(row, now):
            raise JournalLockedError(
                f"{name} is in use: process {row.pid} on {row.host} has been working on {row.environment} since {utc(row.since)}.",
                advice=f"Wait for it, or stop it; {consequence}.",
            )


def _check_empty(connection: sa.Connection, name: str) -> None:
    ledger = {table.name for table in _LEDGER}
    known = [table for table, count in _counts(connection).items() if count and table not in ledger]
    if known:
        raise JournalError(
            f"{name} already has data, in {', '.join(known)}. Only an empty journal can receive a copy; nothing was"
            " copied."
        )


def _copy(table: sa.Table, reading: sa.Connection, writing: sa.Connection) -> None:
    names = [column.key for column in table.columns]
    at_once = _CHUNKS_AT_ONCE if table is kept_chunk_table else _ROWS_AT_ONCE
    rows = reading.execution_options(yield_per=at_once).execute(sa.select(*table.columns))
    for part in rows.partitions():
        writing.execute(sa.insert(table), [dict(zip(names, row, strict=True)) for row in part])


def _counts(connection: sa.Connection) -> dict[str, int]:
    return {
        table.name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in _COPIED
    }
