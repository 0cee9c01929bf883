"""The differences between SQLite and PostgreSQL: opening, exclusive transactions, replacing rows, errors."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from leanplum_sync.encryption import SealingKeys
from leanplum_sync.errors import (
    JournalCorruptError,
    JournalError,
    JournalReplacedError,
    JournalStorageError,
    JournalUnreachableError,
)
from leanplum_sync.journal.cells import DamagedCellError
from leanplum_sync.journal.highwater import HighWater
from leanplum_sync.journal.identity import of_marks
from leanplum_sync.journal.schema import (
    VERSION,
    accepted_table,
    bring_up_to_date,
    identity_table,
    run_table,
    version_of,
)
from leanplum_sync.journal.signing import Signer, changes_of, sign_identity, signing
from leanplum_sync.journal.whole import create_whole, is_absent
from leanplum_sync.planner.known import JournalMark

# On a shared server, our tables have a schema of their own: names like ``run`` may be taken.
SCHEMA: Final = "leanplum_sync"

# How long a transaction waits for another process's before it gives up.
_BUSY_SECONDS: Final = 30
_WRITES: Final = "leanplum_sync_writes"
_AT_ONCE: Final = "leanplum_sync_durable_at_once"
_CORRUPT: Final = ("malformed", "not a database", "file is encrypted", "not decode")
_FULL: Final = ("disk is full", "No space left", "disk I/O error")
_READ_ONLY: Final = ("readonly database", "read-only", "unable to open database file", "permission denied")
# What psycopg says if there is no connection: it failed, it failed at once, or it took too long.
_NOT_CONNECTED: Final = ("connection failed", "connection is bad", "connection timeout expired")
_BUSY: Final = ("locked", "lock timeout")
# Source: PostgreSQL docs, error codes: connections, conflicts between transactions, resources, operator intervention.
_TEMPORARY: Final = ("08", "40", "53", "57")
# We raise what the driver also logs; it should not be printed as well.
_SILENT: Final = logging.NullHandler()
_AHEAD: Final = "leanplum_sync_clock_ahead"
_RAISED: Final = "leanplum_sync_mark"
# Without conversion: damaged values may be of any type.
_USED: Final = sa.select(sa.exists().select_from(run_table) | sa.exists().select_from(accepted_table))
_IDENTITY: Final = sa.select(
    *(
        sa.type_coerce(column, sa.types.NullType()).label(column.name)
        for column in (identity_table.c.id, identity_table.c.mark)
    )
)

# One round trip that opens a writing transaction. The isolation level is set with the connection: only READ COMMITTED
# sees, after the wait for the lock, what was committed meanwhile.
# Source: PostgreSQL docs, advisory locks (held until the transaction ends), and client connection defaults: a client
# that is paused in the middle loses its transaction, and with it the lock, before others give up waiting.
_SETTINGS: Final = (
    "SELECT set_config('synchronous_commit', :durability, true), set_config('lock_timeout', :busy, true),"
    " set_config('idle_in_transaction_session_timeout', :paused, true),"
)
_CLOCK: Final = "extract(epoch FROM clock_timestamp())"  # after the wait for the lock
_NOW: Final = sa.text(f"SELECT {_CLOCK}")
_ALONE: Final = sa.text(f"{_SETTINGS} pg_advisory_xact_lock(hashtext('leanplum-sync journal')), {_CLOCK}")
_BESIDE: Final = sa.text(
    f"{_SETTINGS} pg_advisory_xact_lock_shared(hashtext('leanplum-sync journal')), {_CLOCK}"
)
# Source: PostgreSQL docs, libpq connection parameters. A server that is gone without a word is noticed within these.
_PATIENCE: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 1000 * _BUSY_SECONDS,
}


class Database:
    """The database of one journal. Transactions either commit durably or leave nothing."""

    def __init__(
        self,
        location: str | Path,
        *,
        read_only: bool = False,
        memory: Path | None = None,
        as_it_is: bool = False,
        keys: SealingKeys | None = None,
        is_checked: bool = True,
    ) -> None:
        """
        *memory* is the file with the mark of a shared journal, None for none; a journal in a file has its own beside it. With
        *as_it_is*, a journal that is not the one remembered there is opened too. With *keys*, records are signed, and an
        altered journal is only opened if it is not to be *checked*.
        """
        self.name = describe(location)
        self.signer = Signer(self.name, keys or SealingKeys())
        self._is_postgres = is_postgres(location)
        self._schema = SCHEMA if self._is_postgres else None
        self._writing = threading.Lock()
        if is_address(location) and not self._is_postgres:
            raise _no_address()
        self.memory = memory_of(location, memory)
        with self._reporting("it was not opened"):
            # Read before the journal, which other processes may be writing: it is never behind its file.
            remembered = self.memory.read() if self.memory else None
            if self.memory and not (self._is_postgres or read_only):
                self._create_file(self.memory, Path(location), as_it_is=as_it_is)
            self._engine = (
                _postgres(str(location), read_only)
                if self._is_postgres
                else _sqlite(Path(location), read_only)
            )
            try:
                self._check_version(read_only=read_only)
                if is_checked:
                    self._check_signatures(read_only=read_only)
                if not read_only and not as_it_is:
                    self._check_identity(remembered)
            except BaseException:
                self._engine.dispose()
                raise

    def _create_file(self, memory: HighWater, path: Path, *, as_it_is: bool) -> None:
        """Create the journal whole, under another name first: an empty or incomplete file is never one of ours."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if not is_absent(path):
            return
        if not as_it_is and (lapse := of_marks(None, memory.read(), str(memory.path))):
            raise JournalReplacedError(lapse.sentence(self.name))
        with memory.alone():
            if is_absent(path):
                create_whole(path, lambda connection: bring_up_to_date(connection, None))

    def _check_signatures(self, *, read_only: bool) -> None:
        """
        Check the journal as a whole. One that has recorded nothing is signed, if there is a key.

        Raises:
            JournalCorruptError: something was altered, or is not signed although there is a key.
            CredentialError: it is signed, and the key is not here.
        """
        if self.is_empty or (read_only and not self.signer.is_on):
            return
        with self.reading() as connection:
            if self.signer.key_of(connection):
                self.signer.check_journal(connection)
                return
            is_unused = self.mark_in(connection).number == 0 and not connection.scalar(_USED)
        if not self.signer.is_on:
            return
        if not is_unused:
            raise self.signer.unsigned()
        if not read_only:
            with self.writing("it was not signed") as connection:
                sign_identity(connection, self.signer)

    def _check_identity(self, remembered: JournalMark | None) -> None:
        mark = self.mark()
        evidence = str(self.memory.path) if self.memory else ""
        if lapse := of_marks(mark, remembered, evidence):
            raise JournalReplacedError(lapse.sentence(self.name))
        if self.memory and mark:
            self.memory.raise_to(mark)

    def mark(self) -> JournalMark | None:
        """
        Return the journal's mark as of now; None if it is empty, or is of an older version.

        Raises:
            JournalCorruptError: it has none, or no valid one.
        """
        if self.is_empty:
            return None
        with self.reading() as connection:
            return self.mark_in(connection)

    def mark_in(self, connection: sa.Connection) -> JournalMark:
        rows = connection.execute(_IDENTITY).all()
        if len(rows) != 1 or not isinstance(rows[0].id, str) or not isinstance(rows[0].mark, int):
            raise _damaged(self.name, "nothing was changed")
        return JournalMark(rows[0].id, rows[0].mark)

    def raise_mark(self, connection: sa.Connection, at_least: int = 0) -> None:
        """
        Raise the mark within a writing transaction, once, to *at_least* this number.

        ``writing`` remembers it durably before it returns, so before anything is sent.
        """
        if _RAISED not in connection.info:
            changes_of(connection).journal()
            mark = self.mark_in(connection)
            number = max(mark.number + 1, at_least)
            connection.execute(sa.update(identity_table).values(mark=number))
            connection.info[_RAISED] = JournalMark(mark.id, number)

    def become(self, connection: sa.Connection, mark: JournalMark) -> None:
        """Take over the identity of another journal, within the transaction that copies it."""
        changes_of(connection).journal()
        connection.execute(sa.update(identity_table).values(id=mark.id, mark=mark.number))
        connection.info[_RAISED] = mark

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """With signatures, everything within it is read as of one moment: a record and its signature must match."""
        options = {"isolation_level": "REPEATABLE READ"} if self._is_postgres and self.signer.is_on else {}
        with (
            self._reporting("nothing was changed"),
            self._engine.connect().execution_options(**options) as connection,
        ):
            yield connection

    @contextmanager
    def writing(
        self, if_it_fails: str, *, durable_at_once: bool = True, alone: bool = True
    ) -> Iterator[sa.Connection]:
        """
        Open a transaction that no other writer overlaps, in this or another process. On PostgreSQL,
        transactions that need not be *alone* may overlap each other.

        *if_it_fails* completes the error's sentence: what did not happen. Without *durable_at_once*, the
        transaction survives the process but not a power cut, until the next one is committed.
        """
        # SQLite's writers sleep and poll; a lock lets the threads of this process take turns without delay.
        with (
            self._writing,
            self._reporting(if_it_fails),
            self._engine.connect().execution_options(
                **{_WRITES: True, _AT_ONCE: durable_at_once}
            ) as connection,
        ):
            with connection.begin():
                connection.info.pop(_RAISED, None)
                if self._is_postgres:
                    opening = {
                        "durability": "on" if durable_at_once else "off",
                        "busy": f"{_BUSY_SECONDS}s",
                        "paused": f"{_BUSY_SECONDS // 2}s",
                    }
                    *_, now = connection.execute(_ALONE if alone else _BESIDE, opening).one()
                    connection.info[_AHEAD] = float(now) - time.time()
                with signing(connection, self.signer):
                    yield connection
            raised = connection.info.pop(_RAISED, None)
        if raised is not None and self.memory is not None:
            with self._reporting(if_it_fails):
                self.memory.raise_to(raised)

    @contextmanager
    def brief(self, if_it_fails: str) -> Iterator[sa.Connection]:
        """Open a transaction that waits for no other writer, and that a power cut may undo. Not for what a run relies on."""
        with self._reporting(if_it_fails), self._engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
            yield connection

    @property
    def is_shared(self) -> bool:
        """Whether processes on several machines may use it."""
        return self._is_postgres

    def compact(self, tables: Iterable[sa.Table]) -> None:
        """
        Write the journal's files again, or those of *tables*, so that deleted values are no longer in them.

        Raises:
            JournalError: another process uses it, or the account may not. The values are deleted nevertheless.
        """
        with self._writing, self._reporting("deleted values may still be in its files"):
            if self._is_postgres:
                # Source: PostgreSQL docs, VACUUM: FULL writes a new file. It runs outside of transactions.
                options = {"isolation_level": "AUTOCOMMIT"}
                with self._engine.connect().execution_options(**options) as connection:
                    for table in tables:
                        connection.exec_driver_sql(f'VACUUM (FULL) {SCHEMA}."{table.name}"')
                return
            raw = self._engine.raw_connection()
            try:
                # Source: SQLite docs, VACUUM, and wal_checkpoint: TRUNCATE empties the write-ahead log.
                raw.cursor().execute("VACUUM")
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                raw.close()

    def ahead(self) -> float:
        """Return by how many seconds the journal's clock is ahead of this machine's, by asking it now."""
        if not self._is_postgres:
            return 0.0
        with self.reading() as connection:
            return float(connection.execute(_NOW).scalar_one()) - time.time()

    def clock_ahead(self, connection: sa.Connection) -> float:
        """
        Return by how many seconds the journal's clock is ahead of this machine's, within a writing transaction.

        Clocks of machines differ, so the journal's clock decides when a lease ends.
        """
        return float(connection.info.get(_AHEAD, 0.0))

    def replace(self, connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert *rows*, each replacing a row with the same key."""
        if not rows:
            return
        insert = self._insert_into(table)
        keys = [column.name for column in table.primary_key.columns]
        values = {name: insert.excluded[name] for name in rows[0] if name not in keys}
        replacing = (
            insert.on_conflict_do_update(index_elements=keys, set_=values)
            if values
            else insert.on_conflict_do_nothing()
        )
        connection.execute(replacing, list(rows))

    def add(self, connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert *rows*, but for those whose key is there."""
        connection.execute(self._insert_into(table).on_conflict_do_nothing(), list(rows))

    def _insert_into(self, table: sa.Table) -> Any:
        """Import only the dialect that is used: either takes longer than a small plan."""
        if self._is_postgres:
            from sqlalchemy.dialects.postgresql import insert as insert_postgresql  # noqa: PLC0415 - see above

            return insert_postgresql(table)
        from sqlalchemy.dialects.sqlite import insert as insert_sqlite  # noqa: PLC0415 - see above

        return insert_sqlite(table)

    def _check_version(self, *, read_only: bool) -> None:
        with self._engine.connect() as connection:
            try:
                found = version_of(connection, self._schema)
            except ValueError as error:
                raise _damaged(self.name, "it was not opened") from error
        self.is_empty = read_only and not found
        if found > VERSION:
            raise JournalCorruptError(
                f"{self.name} was written by a newer version of leanplum-sync (format {found}; this version "
                f"supports up to {VERSION}). Use the newer version."
            )
        if found == VERSION:
            return
        if read_only and found:
            raise JournalError(
                f"{self.name} has the older format {found}. Upgrade it with: leanplum-sync journal upgrade"
            )
        if not read_only:
            with self.writing("it was not created") as connection:
                # Checked first: IF NOT EXISTS needs the right to create even if there is nothing to create.
                if self._schema is not None and not sa.inspect(connection).has_schema(self._schema):
                    connection.execute(sa.schema.CreateSchema(self._schema))
                bring_up_to_date(connection, self._schema)

    @contextmanager
    def _reporting(self, consequence: str) -> Iterator[None]:
        try:
            yield
        except (sa.exc.DBAPIError, sqlite3.Error) as error:
            raise _explained(error, self.name, consequence) from error
        except DamagedCellError as error:
            raise JournalCorruptError(
                f"{self.name} is damaged: {error.column} has an invalid value; {consequence}. Restore it from a backup."
            ) from error
        # Raised by the driver for a damaged text, also in its own error message.
        except UnicodeDecodeError as error:
            raise _damaged(self.name, consequence) from error
        except OSError as error:
            raise JournalStorageError(
                f"{self.name} can't be used: {error.strerror or error}; {consequence}."
            ) from error


def is_postgres(location: str | Path) -> bool:
    return str(location).startswith(("postgresql://", "postgresql+psycopg://", "postgres://"))


def is_address(location: str | Path) -> bool:
    """Whether *location* is a URL of any kind, not a file."""
    return isinstance(location, str) and "://" in location


def memory_of(location: str | Path, shared: Path | None = None) -> HighWater | None:
    """Return the file that remembers the mark of the journal at *location*; *shared* is the one of a shared journal."""
    if is_address(location):
        return HighWater(shared) if shared else None
    path = Path(location)
    return HighWater(path.with_name(f"{path.name}.mark"))


def describe(location: str | Path) -> str:
    """Name the journal without the password that a URL may contain."""
    return "The shared journal" if is_address(location) else f"The journal {location}"


def _explained(error: Exception, name: str, consequence: str) -> JournalError:
    text = str(getattr(error, "orig", None) or error)
    if any(sign in text for sign in _CORRUPT):
        return _damaged(name, consequence)
    if any(sign in text for sign in _FULL):
        return JournalStorageError(
            f"{name} can't be written, because its disk is full or failing; {consequence}."
        )
    if any(sign in text for sign in _READ_ONLY):
        return JournalStorageError(f"{name} can't be opened or is read-only; {consequence}.")
    if isinstance(error, sa.exc.OperationalError) and any(sign in text for sign in _NOT_CONNECTED):
        return JournalUnreachableError(f"{name} can't be reached: {_first_line(text)}; {consequence}.")
    if isinstance(error, sa.exc.DBAPIError) and (error.connection_invalidated or _is_cut_off(error)):
        return JournalUnreachableError(f"{name} lost its connection; {consequence}. Run the command again.")
    if any(sign in text for sign in _BUSY):
        return JournalUnreachableError(
            f"{name} was locked by another process for {_BUSY_SECONDS} seconds; {consequence}."
        )
    failed = f"{name} failed: {_first_line(text) or type(error).__name__}; {consequence}."
    if str(getattr(getattr(error, "orig", None), "sqlstate", None) or "").startswith(_TEMPORARY):
        return JournalUnreachableError(f"{failed} Run the command again.")
    return JournalError(failed)


def _is_cut_off(error: sa.exc.DBAPIError) -> bool:
    """Whether the driver failed without an answer of the server. SQLAlchemy doesn't notice that while it prepares a connection."""
    return isinstance(error, sa.exc.OperationalError) and getattr(error.orig, "sqlstate", "") is None


def _damaged(name: str, consequence: str) -> JournalCorruptError:
    return JournalCorruptError(
        f"{name} is damaged, or is not a journal; {consequence}. Restore it from a backup."
    )


def _first_line(text: str) -> str:
    """Return the first line: further lines of the driver may quote parameters, which are ids of users."""
    return text.partition("\n")[0].rstrip(".")


def _sqlite(path: Path, read_only: bool) -> sa.Engine:  # noqa: FBT001 - private, named at its only call
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
    """A reader uses the write-ahead log, since a run may be writing, unless there is none and none can be created."""
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return "mode=rw"
    return "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"


def _address(location: str) -> sa.URL:
    try:
        address = sa.make_url("postgresql+psycopg://" + location.split("://", 1)[1])
    except (sa.exc.ArgumentError, ValueError):
        address = None
    # A host that contains an @ is part of a password.
    if address is None or "@" in (address.host or ""):
        raise _no_address() from None
    return address


def _no_address() -> JournalError:
    return JournalError(
        "The shared journal's address can't be read. Write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, "
        "with %40 for an @ in the password."
    )


def _postgres(location: str, read_only: bool) -> sa.Engine:  # noqa: FBT001 - private, named at its only call
    try:
        import psycopg  # noqa: F401, PLC0415 - the driver is an extra; SQLAlchemy would name only its module
    except ImportError as error:
        raise JournalError(
            "A shared journal needs the driver for PostgreSQL: pip install 'leanplum-sync[postgres]'."
        ) from error
    # Both log tracebacks of connections that end, which are errors of ours anyway.
    for name in ("psycopg", "sqlalchemy.pool"):
        logging.getLogger(name).addHandler(_SILENT)
    address = _address(location)
    return sa.create_engine(
        address,
        pool_size=4,
        pool_pre_ping=True,
        hide_parameters=True,
        isolation_level="READ COMMITTED",
        # An address may choose its own; poolers that hand a connection from one client to another know no statements
        # prepared earlier.
        connect_args={name: value for name, value in _PATIENCE.items() if name not in address.query}
        | {"prepare_threshold": None},
        execution_options={"schema_translate_map": {None: SCHEMA}, "postgresql_readonly": read_only},
    )
