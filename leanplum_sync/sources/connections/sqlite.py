"""SQLite files. A column's type is that of its values: SQLite has no other."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from leanplum_sync.errors import CredentialError, SourceUnreachableError
from leanplum_sync.sources.connections.adbc import missing_extra
from leanplum_sync.sources.connections.columns import ColumnKind, QueryColumn
from leanplum_sync.sources.connections.interrupting import interruptible
from leanplum_sync.sources.connections.postgresql import inner, quoted
from leanplum_sync.sources.connections.reader import (
    FIRST_SIZE,
    Account,
    QueryError,
    Wanted,
    batch_of,
    check_columns,
    next_size,
    statement_of,
)
from leanplum_sync.sources.connections.statement import Statement
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.number import double_text

if TYPE_CHECKING:
    import pyarrow as pa

_BUSY_SECONDS: Final = 30
_KINDS: Final = {
    frozenset[str](): ColumnKind.TEXT,
    frozenset({"text"}): ColumnKind.TEXT,
    frozenset({"integer"}): ColumnKind.INTEGER,
    frozenset({"real"}): ColumnKind.DOUBLE,
    frozenset({"integer", "real"}): ColumnKind.DOUBLE,
}
_TOLD: Final = (
    "no such",
    "syntax error",
    "ambiguous",
    "near ",
    "wrong number",
    "misuse",
    "readonly database",
    "duplicate",
)


@contextmanager
def opened(name: str, url: str, root: Path) -> Iterator[SqliteReader]:
    """
    Open the file of ``sqlite:///path``; a path that is not absolute starts in *root*.

    Raises:
        SourceUnreachableError: the file can't be opened now, or is locked.
        CredentialError: there is no such file, it is not SQLite, it may not be read, or pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: F401, ICN001, PLC0415 - an extra
    except ImportError as error:
        raise missing_extra(name, "sqlite") from error
    path = root / unquote(url.partition("://")[2].removeprefix("/").partition("?")[0])
    if not path.is_file():
        raise _unusable(name, "there is no such file")
    if not os.access(path, os.R_OK):
        raise _unusable(name, "there is no permission to read the file")
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro", uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )  # fmt: skip
    except sqlite3.Error:
        raise _unreachable(name) from None
    with closing(connection):
        reader = SqliteReader(name, connection)
        reader.begin()
        yield reader


def _unusable(name: str, what: str) -> CredentialError:
    return CredentialError(f"Connection {name}: {what}. Check the path in the connection's URL.")


def _unreachable(name: str) -> SourceUnreachableError:
    return SourceUnreachableError(
        f"Connection {name}: the file can't be opened, or is locked. Nothing was kept. Run the command again."
    )


@contextmanager
def _errors(name: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:
        message = str(error)
        if not any(each in message for each in _TOLD):
            raise _unreachable(name) from None
        raise QueryError(f"SQLite rejected the query: {message}") from None
    except (sqlite3.Error, OverflowError) as error:
        if "not a database" in str(error):
            raise _unusable(name, "the file is not a SQLite database") from None
        raise QueryError("SQLite can't run the query") from None


@dataclass(slots=True)
class SqliteReader:
    name: str
    connection: sqlite3.Connection
    server: str = f"SQLite {sqlite3.sqlite_version}"
    versions: Mapping[str, str] = field(default_factory=dict)

    def begin(self) -> None:
        with _errors(self.name):
            self.connection.execute("PRAGMA query_only = ON")
            self.connection.execute("BEGIN")
            self.connection.execute(
                "SELECT 1 FROM sqlite_master"
            ).fetchall()  # from here on, one state of the file

    def account(self) -> Account:
        try:
            with _errors(self.name):
                self.connection.execute("CREATE TABLE leanplum_sync_write_test (id INTEGER)")
        except QueryError:
            return Account(accepts_writes=False)
        with _errors(self.name):
            self.connection.execute("ROLLBACK")
        self.begin()
        return Account(accepts_writes=True)

    def columns(self, query: Wanted, parameters: Mapping[str, Json]) -> tuple[QueryColumn, ...]:
        query = statement_of(query)
        text = query.with_marks(":{}".format)
        head = self._execute(f"SELECT * FROM {inner(text)} LIMIT 0", query, parameters)  # noqa: S608 - the user's query
        names = check_columns([QueryColumn(each[0], ColumnKind.OTHER, "") for each in head.description])
        found = [
            frozenset(
                kind
                for (kind,) in self._execute(
                    f"SELECT DISTINCT typeof({quoted(column.name)}) FROM {inner(text)}",  # noqa: S608 - as above
                    query,
                    parameters,
                )
                if kind != "null"
            )
            for column in names
        ]
        return tuple(
            QueryColumn(
                column.name, _KINDS.get(kinds, ColumnKind.OTHER), " and ".join(sorted(kinds)) or "null"
            )
            for column, kinds in zip(names, found, strict=True)
        )

    def batches(
        self, query: Wanted, parameters: Mapping[str, Json], columns: Sequence[QueryColumn]
    ) -> Generator[pa.RecordBatch, None, None]:
        query = statement_of(query)
        cells = ", ".join(quoted(column.name) for column in columns)
        text = f"SELECT {cells} FROM {inner(query.with_marks(':{}'.format))}"  # noqa: S608 - as above
        cursor, size = self._execute(text, query, parameters), FIRST_SIZE
        with _errors(self.name):
            while rows := interruptible(partial(cursor.fetchmany, size), self.connection.interrupt):
                batch = batch_of([[_text(value) for value in row] for row in rows], columns)
                size = next_size(batch)
                yield batch

    def _execute(self, text: str, query: Statement, parameters: Mapping[str, Json]) -> sqlite3.Cursor:
        values = {name: parameters[name] for name in query.parameters}
        with _errors(self.name):
            found: sqlite3.Cursor = interruptible(
                partial(self.connection.execute, text, values), self.connection.interrupt
            )
            return found


def _text(value: str | bytes | float | None) -> str | None:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return double_text(value)
    return value if value is None else str(value)
