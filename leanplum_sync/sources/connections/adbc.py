"""PostgreSQL through ADBC."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from leanplum_sync.errors import CredentialError
from leanplum_sync.sources.connections import postgresql
from leanplum_sync.sources.connections.columns import QueryColumn
from leanplum_sync.sources.connections.interrupting import interruptible
from leanplum_sync.sources.connections.reader import (
    FIRST_SIZE,
    Account,
    Wanted,
    check_columns,
    next_size,
    statement_of,
)
from leanplum_sync.sources.connections.statement import Statement
from leanplum_sync.wire.action import Json

if TYPE_CHECKING:
    import pyarrow as pa

_CURSOR: Final = "leanplum_sync_rows"
# COPY, which the driver uses otherwise, takes neither parameters nor FETCH.
_OPTIONS: Final = {"adbc.postgresql.use_copy": "false"}
_TYPE: Final = b"POSTGRESQL:type"


@contextmanager
def opened(name: str, url: str) -> Iterator[PostgreSQLReader]:
    """
    Connect as the connection *name*, and begin the transaction.

    Raises:
        SourceUnreachableError: the server doesn't answer.
        CredentialError: the server refuses the account, or the driver is not installed.
    """
    try:
        import adbc_driver_postgresql.dbapi as driver  # noqa: PLC0415 - an extra
        import pyarrow  # noqa: F401, ICN001, PLC0415 - as above
    except ImportError as error:
        raise missing_extra(name, "postgresql") from error
    with _errors(name):
        connection = interruptible(partial(driver.connect, postgresql.with_timeout(url)))
    try:
        reader = PostgreSQLReader(name, connection)
        reader.begin()
        yield reader
    finally:
        with suppress(driver.Error):
            connection.close()


def missing_extra(name: str, extra: str) -> CredentialError:
    return CredentialError(
        f"Connection {name} needs a driver that is not installed: pip install 'leanplum-sync[{extra}]'"
    )


@contextmanager
def _errors(name: str) -> Iterator[None]:
    from adbc_driver_manager.dbapi import Error  # noqa: PLC0415 - an extra

    try:
        yield
    except Error as error:
        raise postgresql.failure(name, str(error), error.sqlstate) from None


@dataclass(slots=True)
class PostgreSQLReader:
    name: str
    connection: Any
    server: str = ""
    enums: frozenset[str] = frozenset()
    versions: Mapping[str, str] = field(default_factory=dict)

    def begin(self) -> None:
        with self._cursor() as execute:
            for statement in postgresql.BEGIN:
                execute(statement)
            (version,) = _column(execute(postgresql.VERSION))
            self.server = f"PostgreSQL {version.split()[0]}"
            self.enums = frozenset(_column(execute(postgresql.ENUMS)))

    def account(self) -> Account:
        with self._cursor() as execute:
            ((writable, time_zone, table),) = execute(postgresql.ACCOUNT).fetchall()
        accepts = postgresql.accepts_writes(table, self._execute, self._rollback)
        self.begin()
        return Account(int(writable), time_zone, accepts_writes=accepts)

    def columns(self, query: Wanted, parameters: Mapping[str, Json]) -> tuple[QueryColumn, ...]:
        query = statement_of(query)
        text = f"SELECT * FROM {postgresql.inner(_numbered(query))} LIMIT 0"  # noqa: S608 - the user's query
        with self._cursor() as execute:
            fields = execute(text, _values(query, parameters)).fetch_record_batch().schema
        return check_columns(
            [
                postgresql.column(field.name, (field.metadata or {}).get(_TYPE, b"").decode(), self.enums)
                for field in fields
            ]
        )

    def batches(
        self, query: Wanted, parameters: Mapping[str, Json], columns: Sequence[QueryColumn]
    ) -> Generator[pa.RecordBatch, None, None]:
        query = statement_of(query)
        text = postgresql.as_texts(_numbered(query), columns)
        with self._cursor() as execute:
            execute(f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR {text}", _values(query, parameters))
            size, found = FIRST_SIZE, True
            while found:
                found = False
                for batch in execute(f"FETCH {size} FROM {_CURSOR}").fetch_record_batch():
                    if batch.num_rows:
                        found = True
                        size = next_size(batch)
                        yield batch
            execute(f"CLOSE {_CURSOR}")

    def _execute(self, statement: str) -> None:
        with self._cursor() as execute:
            execute(statement)

    def _rollback(self) -> None:
        with _errors(self.name):
            self.connection.rollback()

    @contextmanager
    def _cursor(self) -> Iterator[Callable[..., Any]]:
        """Yield what executes a statement, and returns the cursor for its rows."""
        with _errors(self.name), self.connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**_OPTIONS)

            def execute(statement: str, values: Sequence[Json] | None = None) -> Any:
                interruptible(partial(cursor.execute, statement, values), cursor.adbc_cancel)
                return cursor

            yield execute


def _column(cursor: Any) -> list[str]:
    return [value for (value,) in cursor.fetchall()]


def _numbered(query: Statement) -> str:
    numbers = {name: f"${number}" for number, name in enumerate(query.parameters, start=1)}
    return query.with_marks(numbers.__getitem__)


def _values(query: Statement, parameters: Mapping[str, Json]) -> list[Json] | None:
    return [parameters[name] for name in query.parameters] or None
