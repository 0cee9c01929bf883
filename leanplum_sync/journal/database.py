"""Where SQLite and PostgreSQL differ, and nothing else: opening, exclusive transactions, replacing rows, errors."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from leanplum_sync.errors import JournalCorruptError, JournalError
from leanplum_sync.journal.schema import VERSION, bring_up_to_date, version_of

# How long a transaction waits for another process's before it gives up.
_BUSY_SECONDS: Final = 30
_WRITES: Final = "leanplum_sync_writes"
_AT_ONCE: Final = "leanplum_sync_durable_at_once"
_CORRUPT: Final = ("malformed", "not a database", "file is encrypted")
_FULL: Final = ("disk is full", "No space left", "disk I/O error")
_READ_ONLY: Final = ("readonly database", "read-only", "unable to open database file", "permission denied")


class Database:
    """One journal's database; transactions either commit durably or leave nothing."""

    def __init__(self, location: str | Path, *, read_only: bool = False) -> None:
        self._name = describe(location)
        self._is_postgres = is_postgres(location)
        self._writing = threading.Lock()
        with self._reporting("it was not opened"):
            self._engine = (
                _postgres(str(location)) if self._is_postgres else _sqlite(Path(location), read_only)
            )
            self._check_version(read_only=read_only)

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        with self._reporting("nothing was changed"), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, if_it_fails: str, *, durable_at_once: bool = True) -> Iterator[sa.Connection]:
        """
        One transaction that no other writer, here or in another process, runs beside.

        *if_it_fails* completes the error's sentence: what did not happen. Without *durable_at_once* the transaction
        outlives the process but not a power cut, until the next one is committed.
        """
        # SQLite's own queue for writers sleeps and polls; a lock lets this process's threads take turns at once.
        with (
            self._writing,
            self._reporting(if_it_fails),
            self._engine.connect().execution_options(
                **{_WRITES: True, _AT_ONCE: durable_at_once}
            ) as connection,
            connection.begin(),
        ):
            if self._is_postgres:
                # Source: PostgreSQL docs, advisory locks: held until the transaction ends.
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('leanplum-sync journal'))"))
            yield connection

    def replace(self, connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert *rows*, each taking the place of one with the same key."""
        if not rows:
            return
        insert = (postgresql.insert if self._is_postgres else sqlite.insert)(table)
        keys = [column.name for column in table.primary_key.columns]
        values = {name: insert.excluded[name] for name in rows[0] if name not in keys}
        connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=values), list(rows))

    def _check_version(self, *, read_only: bool) -> None:
        with self._engine.connect() as connection:
            found = version_of(connection)
        self.is_empty = read_only and not found
        if found > VERSION:
            raise JournalCorruptError(
                f"{self._name} was written by a newer version of leanplum-sync (format {found}, this one knows "
                f"{VERSION}). Use that version."
            )
        if found == VERSION:
            return
        if read_only and found:
            raise JournalError(
                f"{self._name} has the older format {found}. Run apply once, which brings it up to date."
            )
        if not read_only:
            with self.writing("it was not made") as connection:
                bring_up_to_date(connection)

    @contextmanager
    def _reporting(self, consequence: str) -> Iterator[None]:
        try:
            yield
        except (sa.exc.DBAPIError, sqlite3.Error) as error:
            raise _explained(error, self._name, consequence) from error
        except OSError as error:
            raise JournalError(
                f"{self._name} can't be used: {error.strerror or error}; {consequence}."
            ) from error


def is_postgres(location: str | Path) -> bool:
    return str(location).startswith(("postgresql://", "postgresql+psycopg://", "postgres://"))


def describe(location: str | Path) -> str:
    """Name the journal without the password that an address may hold."""
    return "The shared journal" if is_postgres(location) else f"The journal {location}"


def _explained(error: Exception, name: str, consequence: str) -> JournalError:
    text = str(getattr(error, "orig", None) or error)
    if any(sign in text for sign in _CORRUPT):
        return JournalCorruptError(
            f"{name} is damaged, or is no journal; {consequence}. Restore it from a copy."
        )
    if any(sign in text for sign in _FULL):
        return JournalError(f"{name} can't be written, its disk is full or failing; {consequence}.")
    if any(sign in text for sign in _READ_ONLY):
        return JournalError(f"{name} can't be opened or is read-only; {consequence}.")
    if "locked" in text:
        return JournalError(
            f"{name} was kept busy by another process for {_BUSY_SECONDS} seconds; {consequence}."
        )
    # The driver's text may quote parameters, which are other people's ids: only its first line, without them.
    first_line = text.splitlines()[0] if text else type(error).__name__
    return JournalError(f"{name} failed: {first_line}; {consequence}.")


def _sqlite(path: Path, read_only: bool) -> sa.Engine:  # noqa: FBT001 - private, named at its only call
    if not read_only:
        path.parent.mkdir(parents=True, exist_ok=True)
    address = f"{path.absolute().as_uri()}?{_mode(path) if read_only else 'mode=rwc'}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        if read_only:
            connection.execute("PRAGMA query_only = ON")
        else:
            connection.execute("PRAGMA journal_mode = WAL")
        return connection

    engine = sa.create_engine(
        "sqlite://", creator=connect, poolclass=sa.QueuePool, pool_size=4, hide_parameters=True
    )

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if options.get(_WRITES):
            # Source: SQLite docs, pragma synchronous: in WAL mode a commit survives a power cut only with FULL, which
            # also brings all earlier commits to the disk.
            level = "FULL" if options.get(_AT_ONCE) else "NORMAL"
            connection.exec_driver_sql(f"PRAGMA synchronous = {level}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_WRITES) else "BEGIN")

    return engine


def _mode(path: Path) -> str:
    """A reader may come while a run writes: it takes part in the write-ahead log, unless there is none and can't be."""
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return "mode=rw"
    return "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"


def _postgres(location: str) -> sa.Engine:
    address = "postgresql+psycopg://" + location.split("://", 1)[1]
    return sa.create_engine(address, pool_size=4, pool_pre_ping=True, hide_parameters=True)
