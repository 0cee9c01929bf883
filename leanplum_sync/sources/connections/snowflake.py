"""Snowflake through ADBC. A query runs inside a SELECT, because Snowflake has no transaction that can't write."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from leanplum_sync.errors import CredentialError, LeanplumSyncError, SourceUnreachableError
from leanplum_sync.sources.connections import adbc_select
from leanplum_sync.sources.connections.adbc import missing_extra
from leanplum_sync.sources.connections.arrow_rows import as_texts, columns_of, renamed
from leanplum_sync.sources.connections.columns import ColumnKind, QueryColumn
from leanplum_sync.sources.connections.interrupting import interruptible
from leanplum_sync.sources.connections.reader import (
    Account,
    QueryError,
    Wanted,
    check_columns,
    statement_of,
)
from leanplum_sync.wire.action import Json

if TYPE_CHECKING:
    import pyarrow as pa

# Source: gosnowflake's DSN. Otherwise a server that doesn't answer is asked again for minutes. In seconds.
_TIMEOUTS: Final = {"loginTimeout": "30", "requestTimeout": "120"}
# Nanoseconds, the driver's own choice, end in the year 2262.
_OPTIONS: Final = {
    "adbc.snowflake.sql.client_option.disable_telemetry": "true",
    "adbc.snowflake.sql.client_option.max_timestamp_precision": "microseconds",
}
_JSON: Final = ("VARIANT", "ARRAY", "OBJECT")
_READ: Final = ("FIXED", "REAL", "TEXT", "BOOLEAN", "DATE", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP_TZ")
_NAMES: Final = {"TEXT": "VARCHAR", "REAL": "FLOAT", "FIXED": "NUMBER"}
# Source: Snowflake's documentation. Errors of compiling a query have these codes; they name what the query names, and no value of a row.
_TOLD: Final = re.compile(r"00(?:1003|1007|2003|0904|2043|1789)\b")
_REFUSED: Final = range(390_100, 390_200)
_MALFORMED: Final = range(260_000, 260_020)  # Source: gosnowflake's errors.go, errors of its DSN
_OF_THE_DRIVER: Final = 200_000  # and above: it could not ask, or got no response
_PREFIX: Final = re.compile(r"^\w+: \[Snowflake\] (?:[0-9]{6} \(\w{5}\): )*")


@contextmanager
def opened(name: str, url: str) -> Iterator[SnowflakeReader]:
    """
    Connect as the connection *name*.

    Raises:
        SourceUnreachableError: Snowflake doesn't answer.
        CredentialError: it refuses the account, or the driver is not installed.
    """
    try:
        import adbc_driver_snowflake.dbapi as driver  # noqa: PLC0415 - an extra
        import pyarrow  # noqa: F401, ICN001, PLC0415 - as above
    except ImportError as error:
        raise missing_extra(name, "snowflake") from error
    with _errors(name):
        connection = interruptible(
            partial(driver.connect, _with_timeouts(url), db_kwargs=_OPTIONS, autocommit=True)
        )
    try:
        reader = SnowflakeReader(name, connection)
        reader.begin()
        yield reader
    finally:
        with suppress(driver.Error):
            connection.close()


def _with_timeouts(url: str) -> str:
    missing = [f"{name}={seconds}" for name, seconds in _TIMEOUTS.items() if f"{name}=" not in url]
    return f"{url}{'&' if '?' in url else '?'}{'&'.join(missing)}" if missing else url


@contextmanager
def _errors(name: str) -> Iterator[None]:
    import pyarrow as pa  # noqa: PLC0415 - an extra
    from adbc_driver_manager.dbapi import Error  # noqa: PLC0415 - as above

    try:
        yield
    except Error as error:
        raise _failure(name, str(error), error.vendor_code or 0) from None
    except (pa.ArrowException, OSError):
        raise _unreachable(name) from None


def _failure(name: str, message: str, code: int) -> LeanplumSyncError | QueryError:
    """A message may hold values of rows, or parts of the URL, so it is shown only where it can't."""
    if code in _REFUSED:
        return CredentialError(
            f"Connection {name}: Snowflake rejected the account, user name, or password (code {code}). Check the connection's URL."
        )
    told = _PREFIX.sub("", message).partition("\n")[0]
    if _TOLD.match(f"{code:06}"):
        return QueryError(f"Snowflake rejected the query: {told.partition('. Vendor code')[0].rstrip('.')}")
    if code and code < _OF_THE_DRIVER:
        return QueryError(
            f"Snowflake rejected the query (code {code})",
            "Its own message is not shown, because it may contain values of rows.",
        )
    if code in _MALFORMED or (not code and message.startswith("INVALID_ARGUMENT")):
        return CredentialError(f"Connection {name}: its URL is not valid. Check it.")
    return _unreachable(name)


def _unreachable(name: str) -> SourceUnreachableError:
    return SourceUnreachableError(
        f"Connection {name}: Snowflake can't be reached, or ended the query. Nothing was kept. Run the command again."
    )


@dataclass(slots=True)
class SnowflakeReader:
    name: str
    connection: Any
    server: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    def begin(self) -> None:
        with _errors(self.name), adbc_select.executing(self.connection) as (execute, _):
            self.server = f"Snowflake {execute('SELECT current_version()').fetchone()[0]}"

    def account(self) -> Account:
        with _errors(self.name), adbc_select.executing(self.connection) as (execute, _):
            row = execute("SHOW PARAMETERS LIKE 'TIMEZONE'").fetchone()
        return Account(time_zone=str(row[1]) if row else "", is_checked=False)

    def columns(self, query: Wanted, parameters: Mapping[str, Json]) -> tuple[QueryColumn, ...]:
        query = statement_of(query)
        text, values = adbc_select.wrapped(query), adbc_select.values(query, parameters)
        with _errors(self.name), adbc_select.executing(self.connection) as (execute, _):
            schema = execute(f"{text} LIMIT 0", values).fetch_record_batch().schema
        check_columns([QueryColumn(each, ColumnKind.OTHER, "") for each in schema.names])
        return tuple(renamed(columns_of(schema), {field.name: _type(field) for field in schema}))

    def batches(
        self, query: Wanted, parameters: Mapping[str, Json], columns: Sequence[QueryColumn]
    ) -> Generator[pa.RecordBatch, None, None]:
        del columns  # they are those of the query
        query = statement_of(query)
        with _errors(self.name), adbc_select.executing(self.connection) as (execute, cancel):
            text, values = adbc_select.wrapped(query), adbc_select.values(query, parameters)
            rows = execute(text, values).fetch_record_batch()
            yield from as_texts(iter(rows), rows.schema, cancel)


def _type(field: pa.Field) -> tuple[ColumnKind | None, str]:
    """Return the kind of a column if its Arrow type doesn't tell, and Snowflake's name of its type."""
    told = field.metadata or {}
    name = (told.get(b"logicalType") or told.get(b"SNOWFLAKE_TYPE") or b"").decode().upper()
    if name in _JSON:
        return ColumnKind.JSON, name
    return (None if name in _READ else ColumnKind.OTHER), _NAMES.get(name, name)
