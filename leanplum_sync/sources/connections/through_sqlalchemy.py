"""PostgreSQL through SQLAlchemy, for drivers other than ADBC's: ``postgresql+psycopg://``. Rows and digests are the same."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from leanplum_sync.errors import CredentialError
from leanplum_sync.sources.connections import postgresql
from leanplum_sync.sources.connections.adbc import missing_extra
from leanplum_sync.sources.connections.columns import QueryColumn
from leanplum_sync.sources.connections.interrupting import interruptible
from leanplum_sync.sources.connections.reader import (
    FIRST_SIZE,
    Account,
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

_TYPES = "SELECT oid::int, typname::text FROM pg_type WHERE oid = ANY(:oids)"


@contextmanager
def opened(name: str, url: str) -> Iterator[SqlAlchemyReader]:
    """
    Connect as the connection *name*, and begin the transaction.

    Raises:
        SourceUnreachableError: the server doesn't answer.
        CredentialError: the server refuses the account, the URL is none, or the driver is not installed.
    """
    try:
        import pyarrow  # noqa: F401, ICN001, PLC0415 - an extra
    except ImportError as error:
        raise missing_extra(name, "postgresql") from error
    try:
        engine = sa.create_engine(
            postgresql.with_timeout(url), poolclass=sa.NullPool, hide_parameters=True, logging_name=name
        )
    except ImportError as error:
        if sa.make_url(url).drivername == "postgresql+psycopg":
            raise missing_extra(name, "postgres") from error
        raise _unusable(name) from error
    except (sa.exc.ArgumentError, ValueError):
        raise postgresql.malformed(name) from None
    if engine.dialect.is_async:
        raise _unusable(name)
    with _errors(name):
        connection = interruptible(engine.connect)
    try:
        reader = SqlAlchemyReader(name, connection)
        reader.begin()
        yield reader
    finally:
        with suppress(sa.exc.SQLAlchemyError):
            connection.close()


def _unusable(name: str) -> CredentialError:
    return CredentialError(
        f"Connection {name}: the driver in its URL is not installed, or can't be used. Use postgresql:// or"
        " postgresql+psycopg:// instead."
    )


@contextmanager
def _errors(name: str) -> Iterator[None]:
    try:
        yield
    except sa.exc.DBAPIError as error:
        code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
        raise postgresql.failure(name, f"ERROR: {error.orig}", code) from None
    except sa.exc.SQLAlchemyError:
        raise postgresql.unreachable(name) from None


@dataclass(slots=True)
class SqlAlchemyReader:
    name: str
    connection: Any
    server: str = ""
    enums: frozenset[str] = frozenset()
    versions: Mapping[str, str] = field(default_factory=dict)

    def begin(self) -> None:
        for statement in postgresql.BEGIN:
            self._execute(statement)
        self.server = f"PostgreSQL {self._execute(postgresql.VERSION).scalar_one().split()[0]}"
        self.enums = frozenset(self._execute(postgresql.ENUMS).scalars())

    def account(self) -> Account:
        writable, time_zone, table = self._execute(postgresql.ACCOUNT).one()
        accepts = postgresql.accepts_writes(table, self._execute, self._rollback)
        self.begin()
        return Account(int(writable), time_zone, accepts_writes=accepts)

    def columns(self, query: Wanted, parameters: Mapping[str, Json]) -> tuple[QueryColumn, ...]:
        query = statement_of(query)
        text = f"SELECT * FROM {postgresql.inner(_text(query, parameters))} LIMIT 0"  # noqa: S608 - the user's query
        result = self._execute(text, _values(query, parameters), is_escaped=True)
        fields = [(each[0], each[1]) for each in result.cursor.description]
        result.close()
        names = dict(self._execute(_TYPES, {"oids": [oid for _, oid in fields]}).all())
        return check_columns(
            [postgresql.column(name, names.get(oid, f"unknown ({oid})"), self.enums) for name, oid in fields]
        )

    def batches(
        self, query: Wanted, parameters: Mapping[str, Json], columns: Sequence[QueryColumn]
    ) -> Generator[pa.RecordBatch, None, None]:
        query = statement_of(query)
        text = postgresql.as_texts(_text(query, parameters), columns, escape=_escaped)
        streaming = self.connection.execution_options(stream_results=True, max_row_buffer=FIRST_SIZE)
        result = self._execute(text, _values(query, parameters), on=streaming, is_escaped=True)
        size = FIRST_SIZE
        with _errors(self.name):
            while rows := interruptible(partial(result.fetchmany, size), self._cancel):
                batch = batch_of(rows, columns)
                size = next_size(batch)
                yield batch
            result.close()

    def _execute(
        self,
        statement: str,
        values: Mapping[str, Any] | None = None,
        *,
        on: Any = None,
        is_escaped: bool = False,
    ) -> Any:
        text = sa.text(statement if is_escaped or values else _escaped(statement))
        with _errors(self.name):
            return interruptible(partial((on or self.connection).execute, text, values), self._cancel)

    def _rollback(self) -> None:
        with _errors(self.name):
            self.connection.rollback()

    def _cancel(self) -> None:
        driver = self.connection.connection.driver_connection
        getattr(driver, "cancel_safe", driver.cancel)()


def _escaped(text: str) -> str:
    """Return *text* so that SQLAlchemy finds no parameter in it."""
    return text.replace(":", "\\:")


def _text(query: Statement, parameters: Mapping[str, Json]) -> str:
    """Return the query with a parameter for each of its own. A text stays a text: drivers send it without a type."""

    def mark(name: str) -> str:
        return f"CAST(:{name} AS text)" if isinstance(parameters[name], str | None) else f":{name}"

    return query.with_marks(mark, _escaped)


def _values(query: Statement, parameters: Mapping[str, Json]) -> Mapping[str, Json]:
    return {name: parameters[name] for name in query.parameters}
