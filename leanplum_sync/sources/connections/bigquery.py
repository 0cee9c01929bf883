"""BigQuery through Google's client. A query runs inside a SELECT, so it can't write."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from leanplum_sync.errors import CredentialError, LeanplumSyncError, SourceUnreachableError
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
from leanplum_sync.sources.connections.statement import Statement
from leanplum_sync.wire.action import Json

if TYPE_CHECKING:
    import pyarrow as pa
    from google.cloud import bigquery

EMULATOR: Final = "BIGQUERY_EMULATOR_HOST"  # the client's own variable
_SECONDS: Final = 60.0  # for one request; a query may take longer
_ROWS_AT_ONCE: Final = 20_000
# These have no Arrow type that tells them apart from others, or one that DuckDB doesn't know.
_KINDS: Final = {
    "JSON": ColumnKind.JSON,
    **dict.fromkeys(
        ("BIGNUMERIC", "BYTES", "TIME", "GEOGRAPHY", "INTERVAL", "RANGE", "RECORD", "STRUCT"),
        ColumnKind.OTHER,
    ),
}
# What the client raises for a key file or a response that isn't Google's, such as a proxy's page: it doesn't check them.
_UNREADABLE: Final = (TypeError, ValueError, LookupError, AttributeError)
# The messages of BigQuery that name what the query names, and no value of a row.
_TOLD: Final = re.compile(
    r"(?:\d{3} )?((?:Syntax error|Unrecognized name|Not found|Table-valued function not found)\b[^\n]*)"
)


@contextmanager
def opened(name: str, url: str) -> Iterator[BigQueryReader]:
    """
    Open the project of ``bigquery://project/dataset?location=EU`` with the credentials that Google's tools use.

    Raises:
        CredentialError: there are no credentials, the URL has no project, or the client is not installed.
    """
    try:
        import pyarrow  # noqa: F401, ICN001, PLC0415 - an extra
        from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415 - as above
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - as above
        from google.cloud import bigquery  # noqa: PLC0415 - as above
    except ImportError as error:
        raise missing_extra(name, "bigquery") from error
    parts = urlsplit(url)
    project, dataset = parts.netloc, unquote(parts.path.strip("/"))
    if not project or "@" in project or "/" in dataset:
        raise CredentialError(
            f"Connection {name}: its URL is not valid. Write it as bigquery://project/dataset, without a password."
        )
    config = bigquery.QueryJobConfig(use_legacy_sql=False)
    if dataset:
        config.default_dataset = bigquery.DatasetReference(project, dataset)
    location = parse_qs(parts.query).get("location", [None])[0]
    anonymous: Any = AnonymousCredentials
    try:
        client: Any = bigquery.Client(
            project,
            credentials=anonymous() if os.environ.get(EMULATOR) else None,
            location=location,
            default_query_job_config=config,
        )
    except (GoogleAuthError, OSError, *_UNREADABLE):
        raise CredentialError(
            f"Connection {name}: there are no valid Google credentials. Set GOOGLE_APPLICATION_CREDENTIALS to the path of a key file,"
            " or run: gcloud auth application-default login"
        ) from None
    try:
        yield BigQueryReader(name, client)
    finally:
        client.close()


@contextmanager
def _errors(name: str) -> Iterator[None]:
    import requests  # noqa: PLC0415 - takes long to import
    from google.api_core.exceptions import GoogleAPICallError, RetryError  # noqa: PLC0415 - an extra
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - as above

    try:
        yield
    except GoogleAPICallError as error:
        raise _failure(name, str(error.message), error.code or 0) from None
    except GoogleAuthError:
        raise CredentialError(
            f"Connection {name}: Google rejected the credentials. Check GOOGLE_APPLICATION_CREDENTIALS."
        ) from None
    except (RetryError, requests.RequestException, OSError, TimeoutError):
        raise _unreachable(name) from None


def _failure(name: str, message: str, code: int) -> LeanplumSyncError | QueryError:
    """A message may hold values of rows, so it is shown only where it can't."""
    match code:
        case 401 | 403:
            return CredentialError(
                f"Connection {name}: BigQuery refused access ({code}). The account needs the roles BigQuery Data Viewer and BigQuery Job User."
            )
        case 400 | 404:
            told = _TOLD.match(message)
            if told is not None:
                return QueryError(f"BigQuery rejected the query: {told[1].partition(';')[0].rstrip('.')}")
            return QueryError(
                f"BigQuery rejected the query (code {code})",
                "Its own message is not shown, because it may contain values of rows.",
            )
        case _:
            return _unreachable(name)


def _unreachable(name: str) -> SourceUnreachableError:
    return SourceUnreachableError(
        f"Connection {name}: BigQuery can't be reached, or ended the query. Nothing was kept. Run the command again."
    )


@dataclass(slots=True)
class BigQueryReader:
    name: str
    client: Any
    server: str = "BigQuery"
    versions: Mapping[str, str] = field(default_factory=dict)

    def account(self) -> Account:
        self._run("SELECT 1", ())
        return Account(time_zone="UTC", is_checked=False)

    def columns(self, query: Wanted, parameters: Mapping[str, Json]) -> tuple[QueryColumn, ...]:
        query = statement_of(query)
        found = self._run(f"{_wrapped(query)} LIMIT 0", _values(query, parameters))
        check_columns([QueryColumn(each.name, ColumnKind.OTHER, "") for each in found.schema])
        own = {field.name: _type(field) for field in found.schema}
        with _errors(self.name):
            schema = interruptible(partial(found.to_arrow, create_bqstorage_client=False)).schema
        return tuple(renamed(columns_of(readable(schema)), own))

    def batches(
        self, query: Wanted, parameters: Mapping[str, Json], columns: Sequence[QueryColumn]
    ) -> Generator[pa.RecordBatch, None, None]:
        del columns  # they are those of the query
        query = statement_of(query)
        found = self._run(_wrapped(query), _values(query, parameters))
        with _errors(self.name):
            batches = (each.cast(readable(each.schema)) for each in found.to_arrow_iterable())
            first = interruptible(partial(next, batches, None))
            if first is None:
                return
            yield from as_texts(_chained(first, batches), first.schema, lambda: None)

    def _run(self, statement: str, parameters: Sequence[Any]) -> Any:
        with _errors(self.name):
            return interruptible(partial(self._rows, statement, parameters))

    def _rows(self, statement: str, parameters: Sequence[Any]) -> Any:
        from google.cloud import bigquery  # noqa: PLC0415 - an extra

        config = bigquery.QueryJobConfig()
        if parameters:
            config.query_parameters = parameters
        again = bigquery.DEFAULT_RETRY.with_timeout(_SECONDS)
        try:
            job = self.client.query(
                statement, job_config=config, timeout=_SECONDS, retry=again, job_retry=None
            )
            return job.result(page_size=_ROWS_AT_ONCE, retry=again)
        except _UNREADABLE:
            raise _unreachable(self.name) from None


def _chained(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest


def _wrapped(query: Statement) -> str:
    return f"SELECT * FROM (\n{query.with_marks('@{}'.format)}\n) AS found"  # noqa: S608 - the user's query


def _values(query: Statement, parameters: Mapping[str, Json]) -> Sequence[Any]:
    from google.cloud import bigquery  # noqa: PLC0415 - an extra

    def type_of(value: Json) -> str:
        match value:
            case bool():
                return "BOOL"
            case int():
                return "INT64"
            case float():
                return "FLOAT64"
            case _:
                return "STRING"

    return [
        bigquery.ScalarQueryParameter(name, type_of(parameters[name]), parameters[name])
        for name in query.parameters
    ]


def _type(field: bigquery.SchemaField) -> tuple[ColumnKind | None, str]:
    """Return the kind of a column if its Arrow type doesn't tell, and BigQuery's name of its type."""
    kind = _KINDS.get(field.field_type)
    if field.mode == "REPEATED":
        return (ColumnKind.OTHER if kind is not None else None), f"ARRAY<{field.field_type}>"
    return kind, field.field_type
