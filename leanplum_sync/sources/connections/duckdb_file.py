"""DuckDB files, such as the ones that dbt writes, through DuckDB itself. They are opened read-only, and a query can open no other file."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from leanplum_sync.duck import connect_read_only
from leanplum_sync.errors import CredentialError, LeanplumSyncError, SourceUnreachableError
from leanplum_sync.sources.connections import table_texts
from leanplum_sync.sources.connections.adbc import missing_extra
from leanplum_sync.sources.connections.columns import ColumnKind, QueryColumn
from leanplum_sync.sources.connections.interrupting import interruptible
from leanplum_sync.sources.connections.postgresql import inner
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

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

_MEMORY_MB = 256


@contextmanager
def opened(name: str, url: str, root: Path, scratch: Path) -> Iterator[DuckDBReader]:
    """
    Open the file of ``duckdb:///path``; a path that is not absolute starts in *root*. *scratch* is a folder for what doesn't fit
    in memory.

    Raises:
        SourceUnreachableError: another process has the file open for writing.
        CredentialError: there is no such file, it is not DuckDB's, it may not be read, or pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: F401, ICN001, PLC0415 - an extra
    except ImportError as error:
        raise missing_extra(name, "duckdb") from error
    path = root / unquote(url.partition("://")[2].removeprefix("/").partition("?")[0])
    if not path.is_file():
        raise _unusable(name, "there is no such file")
    if not os.access(path, os.R_OK):
        raise _unusable(name, "there is no permission to read the file")
    with _errors(name):
        connection = connect_read_only(path, memory_limit_mb=_MEMORY_MB, spill=scratch)
    with closing(connection):
        with _errors(name):
            (version,) = connection.execute("SELECT version()").fetchone() or ("",)
            connection.execute("BEGIN")
        yield DuckDBReader(name, connection, f"DuckDB {version.removeprefix('v')}")


def _unusable(name: str, what: str) -> CredentialError:
    return CredentialError(f"Connection {name}: {what}. Check the path in the connection's URL.")


@contextmanager
def _errors(name: str) -> Iterator[None]:
    import duckdb  # noqa: PLC0415 - heavy

    try:
        yield
    except (duckdb.Error, UnicodeDecodeError) as error:
        raise _failure(name, error) from None


def _failure(name: str, error: Exception) -> LeanplumSyncError | QueryError:
    """A message may hold values of rows, so it is shown only where it can't."""
    import duckdb  # noqa: PLC0415 - heavy

    match error:
        case duckdb.IOException() if "lock" in str(error):
            return SourceUnreachableError(
                f"Connection {name}: another process is writing to the file. Nothing was kept. Run the command again."
            )
        case duckdb.IOException() | duckdb.SerializationException() | UnicodeDecodeError():
            return _unusable(
                name,
                f"the file is not a DuckDB database, is damaged, or needs a newer version than {duckdb.__version__}",
            )
        case duckdb.BinderException() | duckdb.CatalogException() | duckdb.ParserException():
            told = str(error).partition("\n")[0].rstrip(".! ")
            return QueryError(f"DuckDB rejected the query: {told}")
        case _:
            return QueryError(
                f"DuckDB can't run the query ({type(error).__name__})",
                "Its own message is not shown, because it may contain values of rows.",
            )


@dataclass(slots=True)
class DuckDBReader:
    name: str
    connection: DuckDBPyConnection
    server: str
    versions: Mapping[str, str] = field(default_factory=dict)

    def account(self) -> Account:
        return Account()

    def columns(self, query: Wanted, parameters: Mapping[str, Json]) -> tuple[QueryColumn, ...]:
        query = statement_of(query)
        found = self._execute(f"SELECT * FROM {_inner(query)} LIMIT 0", query, parameters)  # noqa: S608 - the user's query
        head = [(str(each[0]), str(each[1])) for each in found.description or ()]
        check_columns([QueryColumn(name, ColumnKind.OTHER, "") for name, _ in head])
        return tuple(table_texts.column(name, kind) for name, kind in head)

    def batches(
        self, query: Wanted, parameters: Mapping[str, Json], columns: Sequence[QueryColumn]
    ) -> Generator[pa.RecordBatch, None, None]:
        query = statement_of(query)
        cells = ", ".join(table_texts.selected(each) for each in columns)
        self._execute(f"SELECT {cells} FROM {_inner(query)}", query, parameters)  # noqa: S608 - as above
        size = FIRST_SIZE
        with _errors(self.name):
            # Not as Arrow: with parameters, DuckDB would hold all rows in memory.
            while rows := interruptible(partial(self.connection.fetchmany, size), self.connection.interrupt):
                batch = batch_of(rows, columns)
                size = next_size(batch)
                yield batch

    def _execute(self, text: str, query: Statement, parameters: Mapping[str, Json]) -> DuckDBPyConnection:
        values = {name: parameters[name] for name in query.parameters}
        with _errors(self.name):
            found: DuckDBPyConnection = interruptible(
                partial(self.connection.execute, text, values), self.connection.interrupt
            )
            return found


def _inner(query: Statement) -> str:
    return inner(query.with_marks("${}".format), "found")
