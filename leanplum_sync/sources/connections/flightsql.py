"""Databases that speak Arrow Flight SQL, such as Dremio, through ADBC. A query runs inside a SELECT: the protocol has no transaction that can't write."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from leanplum_sync.errors import CredentialError, LeanplumSyncError, SourceUnreachableError
from leanplum_sync.sources.connections import adbc_select
from leanplum_sync.sources.connections.adbc import missing_extra
from leanplum_sync.sources.connections.arrow_rows import as_texts, columns_of, readable, renamed
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
from leanplum_sync.wire.hosts import is_loopback

if TYPE_CHECKING:
    import pyarrow as pa

_HEADER: Final = "adbc.flight.sql.rpc.call_header."
_TOKEN: Final = "adbc.flight.sql.authorization_header"  # noqa: S105 - the name of an option
_ROOTS: Final = "adbc.flight.sql.client_option.tls_root_certs"


@contextmanager
def opened(name: str, url: str) -> Iterator[FlightSqlReader]:
    """
    Connect as the connection *name* to ``flightsql://user:password@host:port``.

    Raises:
        SourceUnreachableError: the server doesn't answer.
        CredentialError: it refuses the account, the URL can't be used, or the driver is not installed.
    """
    try:
        import adbc_driver_flightsql.dbapi as driver  # noqa: PLC0415 - an extra
        import pyarrow  # noqa: F401, ICN001, PLC0415 - as above
    except ImportError as error:
        raise missing_extra(name, "flightsql") from error
    address, options = _address(name, url)
    with _errors(name):
        connection = interruptible(partial(driver.connect, address, db_kwargs=options, autocommit=True))
    try:
        yield FlightSqlReader(name, connection)
    finally:
        with suppress(driver.Error):
            connection.close()


def _address(name: str, url: str) -> tuple[str, dict[str, str]]:
    """
    Return the driver's address and options.

    Parameters have the names that Arrow's JDBC driver gives them. Those it doesn't know are sent as headers, as it does.
    """
    options = {}
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        asked = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        raise _malformed(name) from None
    is_encrypted = asked.pop("useEncryption", "true")
    if not host or port is None or parts.path.strip("/") or is_encrypted not in ("true", "false"):
        raise _malformed(name)
    if parts.username:
        options["username"], options["password"] = unquote(parts.username), unquote(parts.password or "")
    if token := asked.pop("token", ""):
        options[_TOKEN] = f"Bearer {token}"
    if options and is_encrypted == "false" and not is_loopback(host):
        raise CredentialError(
            f"Connection {name}: a password or token must not cross a network unencrypted. Remove useEncryption=false from its URL."
        )
    if roots := asked.pop("tlsRootCerts", ""):
        try:
            options[_ROOTS] = Path(roots).read_text(encoding="ascii")
        except (OSError, ValueError):
            raise CredentialError(
                f"Connection {name}: the file that tlsRootCerts in its URL names can't be read as PEM. Check the path."
            ) from None
    options |= {f"{_HEADER}{key.lower()}": text for key, text in asked.items()}
    location = f"[{host}]" if ":" in host else host
    return f"grpc{'+tls' if is_encrypted == 'true' else ''}://{location}:{port}", options


def _malformed(name: str) -> CredentialError:
    return CredentialError(
        f"Connection {name}: its URL is not valid. Write it as flightsql://user:password@host:port."
    )


@contextmanager
def _errors(name: str) -> Iterator[None]:
    import pyarrow as pa  # noqa: PLC0415 - an extra
    from adbc_driver_manager.dbapi import Error  # noqa: PLC0415 - as above

    try:
        yield
    except Error as error:
        raise _failure(name, str(error), error.status_code.name) from None
    except (pa.ArrowException, OSError):
        raise _unreachable(name) from None


def _failure(name: str, message: str, status: str) -> LeanplumSyncError | QueryError:
    """A message is the server's own, and may hold values of rows, so it is never shown. *status* is ADBC's."""
    match status:
        case "UNAUTHENTICATED" | "UNAUTHORIZED":
            return CredentialError(
                f"Connection {name}: the server rejected the user name, password, or token, or refused access. Check the connection's URL."
            )
        case "IO" if "authentication handshake failed" in message:
            return CredentialError(
                f"Connection {name}: no encrypted connection could be made. If the server's certificate comes from an authority of your own,"
                " name its file: ?tlsRootCerts=PATH."
            )
        case "IO" | "TIMEOUT" | "CANCELLED":
            return _unreachable(name)
        case _:
            return QueryError(
                f"the database rejected the query (status {status})",
                "Its own message is not shown, because it may contain values of rows. Run the query with the database's own tools to see it.",
            )


def _unreachable(name: str) -> SourceUnreachableError:
    return SourceUnreachableError(
        f"Connection {name}: the database can't be reached, or ended the query. Nothing was kept. Run the command again."
    )


@dataclass(slots=True)
class FlightSqlReader:
    name: str
    connection: Any
    server: str = "The Flight SQL server"
    versions: Mapping[str, str] = field(default_factory=dict)

    def account(self) -> Account:
        with _errors(self.name), adbc_select.executing(self.connection) as (execute, _):
            execute("SELECT 1")
        return Account(is_checked=False)

    def columns(self, query: Wanted, parameters: Mapping[str, Json]) -> tuple[QueryColumn, ...]:
        query = statement_of(query)
        text, values = adbc_select.wrapped(query), adbc_select.values(query, parameters)
        with _errors(self.name), adbc_select.executing(self.connection) as (execute, _):
            schema = execute(f"{text} LIMIT 0", values).fetch_record_batch().schema
        check_columns([QueryColumn(each, ColumnKind.OTHER, "") for each in schema.names])
        return tuple(renamed(columns_of(readable(schema)), _long_decimals(schema)))

    def batches(
        self, query: Wanted, parameters: Mapping[str, Json], columns: Sequence[QueryColumn]
    ) -> Generator[pa.RecordBatch, None, None]:
        del columns  # they are those of the query
        query = statement_of(query)
        with _errors(self.name), adbc_select.executing(self.connection) as (execute, cancel):
            rows = execute(adbc_select.wrapped(query), adbc_select.values(query, parameters))
            batches = rows.fetch_record_batch()
            schema = readable(batches.schema)
            yield from as_texts((each.cast(schema) for each in batches), schema, cancel)


def _long_decimals(schema: pa.Schema) -> Mapping[str, tuple[ColumnKind, str]]:
    """Return what to say of columns that DuckDB doesn't know: decimals of more than 38 digits."""
    return {
        each.name: (ColumnKind.OTHER, str(each.type))
        for each, known in zip(schema, readable(schema), strict=True)
        if each.type != known.type
    }
