"""The same rows in many places: files in object stores, and tables. Each place is what a spec and a project file say of it."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pytest
from azure_store import AzureStore
from deltalake import write_deltalake
from flight_sql import serving_flight_sql
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google_store import GoogleStore
from object_store import SECRET, ObjectStore
from pyarrow import parquet
from pyiceberg.catalog.sql import SqlCatalog
from warehouses import bigquery_serving, run_in_snowflake, snowflake_serving

from leanplum_sync.wire.number import Number, dumps_exact

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("tier", pa.string()),
        ("visits", pa.int64()),
        ("spent", pa.decimal128(12, 2)),
        ("share", pa.float64()),
        ("active", pa.bool_()),
        ("joined", pa.date32()),
        ("seen", pa.timestamp("us")),
        ("left", pa.timestamp("us", "UTC")),
    ]
)
_START = dt.datetime(2026, 11, 1, 10, 30)  # noqa: DTZ001 - a time without a zone


def some_rows(count: int) -> pa.Table:
    """Return rows of all types, with each column empty now and then, in no order."""
    rows = [
        {
            "id": f"u{number * 7 % count:04}",
            "tier": ("gold", 'with "quotes", and é', "lead\nline", None)[number % 4],
            "visits": None if number % 5 == 4 else number * 1_000_003,
            "spent": None if number % 6 == 5 else Decimal(number * 1250) / 100,
            "share": None if number % 7 == 6 else number / 8,
            "active": (True, False, None)[number % 3],
            "joined": None if number % 8 == 7 else dt.date(2026, 1, 1) + dt.timedelta(number),
            "seen": None if number % 9 == 8 else _START + dt.timedelta(milliseconds=number * 500),
            "left": None if number % 10 == 9 else (_START + dt.timedelta(days=number)).replace(tzinfo=dt.UTC),
        }
        for number in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@dataclass(frozen=True, slots=True)
class Place:
    """*listing* is what the spec says of its rows. *has_types* is false where cells are texts, as in CSV."""

    url: str
    listing: str
    options: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    has_types: bool = True


def as_csv(rows: pa.Table) -> bytes:
    lines = [
        ",".join(rows.column_names),
        *(",".join(map(_csv_cell, row.values())) for row in rows.to_pylist()),
    ]
    return ("\n".join(lines) + "\n").encode()


def as_ndjson(rows: pa.Table) -> bytes:
    lines = [{name: _json_cell(value) for name, value in row.items()} for row in rows.to_pylist()]
    return b"".join(dumps_exact(line) + b"\n" for line in lines)


def as_parquet(rows: pa.Table) -> bytes:
    file = io.BytesIO()
    parquet.write_table(rows, file, row_group_size=5)
    return file.getvalue()


def _text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case dt.datetime():
            naive = value.replace(tzinfo=None).isoformat()
            return (naive.rstrip("0") if "." in naive else naive) + ("Z" if value.tzinfo else "")
        case _:
            return str(value)


def _csv_cell(value: Any) -> str:
    text = "" if value is None else _text(value)
    return '"' + text.replace('"', '""') + '"' if any(each in text for each in '",\n') else text


def _json_cell(value: Any) -> Any:
    if isinstance(value, Decimal):
        return Number(str(value))
    if isinstance(value, float):
        return Number(_text(value))
    return value if isinstance(value, bool | int | str | None) else _text(value)


def files_of(rows: pa.Table) -> Mapping[str, bytes]:
    """Return the rows as files of each format: CSV and Parquet in two pieces."""
    half = rows.num_rows // 2
    pieces = rows.slice(0, half), rows.slice(half)
    return {
        **{f"csv/{number}.csv": as_csv(piece) for number, piece in enumerate(pieces)},
        **{f"parquet/{number}.parquet": as_parquet(piece) for number, piece in enumerate(pieces)},
        "ndjson/all.ndjson": as_ndjson(rows),
    }


_LISTINGS = {
    "csv": "path: csv/*.csv",
    "parquet": "path: parquet/*.parquet",
    "ndjson": "path: ndjson/all.ndjson",
}


def in_folder(rows: pa.Table, folder: Path) -> Mapping[str, Place]:
    """Return the places of *rows* after writing them below *folder*."""
    for name, content in files_of(rows).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    _write_delta(rows, str(folder / "delta"))
    tables = _write_iceberg(rows, folder.as_uri(), folder, {})
    url = folder.as_uri()
    return _places("folder", {**_LISTINGS, "delta": "path: delta, format: delta", **tables}, url, {}, {})


def in_s3(rows: pa.Table, store: ObjectStore, prefix: str, scratch: Path) -> Mapping[str, Place]:
    store.put({f"{prefix}/{name}": content for name, content in files_of(rows).items()})
    url = f"s3://{store.bucket}/{prefix}"
    keys = {"access-key-id": "test", "secret-access-key": SECRET}
    _write_delta(
        rows,
        f"{url}/delta",
        {
            "allow_http": "true",
            **store.options,
            **{name.replace("-", "_"): key for name, key in keys.items()},
        },
    )
    options = {f"s3.{name}": text for name, text in {**store.options, **keys}.items()}
    tables = _write_iceberg(rows, url, scratch, options)
    listings = {**_LISTINGS, "delta": "path: delta, format: delta", **tables}
    return _places("s3", listings, url, store.options, store.environ)


def in_google(rows: pa.Table, store: GoogleStore, prefix: str) -> Mapping[str, Place]:
    store.put({f"{prefix}/{name}": content for name, content in files_of(rows).items()})
    return _places("gs", _LISTINGS, f"gs://{store.bucket}/{prefix}", store.options, {})


def in_azure(rows: pa.Table, store: AzureStore, prefix: str) -> Mapping[str, Place]:
    store.put({f"{prefix}/{name}": content for name, content in files_of(rows).items()})
    return _places("az", _LISTINGS, f"az://{store.container}/{prefix}", store.options, store.environ)


def in_postgresql(rows: pa.Table, address: str) -> Mapping[str, Place]:
    """The query is in the file ``rows.sql`` beside the project file."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE customers (id text, tier text, visits bigint, spent numeric(12, 2), share float8, active bool,"
            ' joined date, seen timestamp, "left" timestamptz)'
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO customers VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [list(row.values()) for row in rows.to_pylist()],
            )
    urls = {
        "PostgreSQL through ADBC": address,
        "PostgreSQL through SQLAlchemy": address.replace("postgresql:", "postgresql+psycopg:"),
    }
    return {name: Place(url, "query: ../rows.sql") for name, url in urls.items()}


def in_duckdb(rows: pa.Table, folder: Path) -> Mapping[str, Place]:
    folder.mkdir()
    with duckdb.connect(folder / "customers.duckdb") as connection:
        connection.register("rows", rows)
        connection.execute("CREATE TABLE customers AS SELECT * FROM rows")
    return {"DuckDB": Place(f"duckdb:///{folder}/customers.duckdb", "query: ../rows.sql")}


@contextmanager
def behind_flight_sql(rows: pa.Table, folder: Path) -> Iterator[Mapping[str, Place]]:
    folder.mkdir()
    file = folder / "customers.parquet"
    file.write_bytes(as_parquet(rows))
    with serving_flight_sql(f"CREATE TABLE customers AS SELECT * FROM '{file}'") as served:
        yield {"Flight SQL": Place(served.url, "query: ../rows.sql")}


@contextmanager
def in_snowflake(rows: pa.Table) -> Iterator[Mapping[str, Place]]:
    types = (
        "varchar, varchar, number(38, 0), number(12, 2), float, boolean, date, timestamp_ntz, timestamp_tz"
    )
    columns = ", ".join(f'"{name}" {kind}' for name, kind in zip(SCHEMA.names, _split(types), strict=True))
    values = ", ".join(_values(rows, types, "'"))
    with snowflake_serving() as served:
        run_in_snowflake(
            served.url,
            f"CREATE TABLE shop.public.customers ({columns})",
            f"INSERT INTO shop.public.customers VALUES {values}",
        )
        yield {"Snowflake": Place(served.url, "query: ../rows.sql", {}, served.environ)}


@contextmanager
def in_bigquery(rows: pa.Table) -> Iterator[Mapping[str, Place]]:
    """Its decimals always have nine places, so its digest differs."""
    types = "STRING, STRING, INT64, NUMERIC, FLOAT64, BOOL, DATE, DATETIME, TIMESTAMP"
    columns = ", ".join(f"`{name}` {kind}" for name, kind in zip(SCHEMA.names, _split(types), strict=True))
    values = ", ".join(_values(rows, types, "'''"))
    with bigquery_serving() as served, pytest.MonkeyPatch.context() as patch:
        for name, text in served.environ.items():
            patch.setenv(name, text)
        anonymous: Any = AnonymousCredentials
        client = bigquery.Client("shop", credentials=anonymous())
        client.create_dataset("public")
        client.query_and_wait(f"CREATE TABLE public.customers ({columns})")
        client.query_and_wait(f"INSERT INTO public.customers VALUES {values}")
        yield {"BigQuery": Place(served.url, "query: ../rows.sql", {}, served.environ, has_types=False)}


def _split(types: str) -> list[str]:
    """Return the types of a list, whose parentheses may hold commas, too."""
    return re.split(r", (?![0-9])", types)


def _values(rows: pa.Table, types: str, quote: str) -> Iterator[str]:
    for row in rows.to_pylist():
        cells = zip(row.values(), _split(types), strict=True)
        yield f"({', '.join(_literal(value, kind, quote) for value, kind in cells)})"


def _literal(value: Any, kind: str, quote: str) -> str:
    return "NULL" if value is None else f"CAST({quote}{_text(value)}{quote} AS {kind})"


def _places(
    store: str,
    listings: Mapping[str, str],
    url: str,
    options: Mapping[str, str],
    environ: Mapping[str, str],
) -> Mapping[str, Place]:
    return {
        f"{name} in {store}": Place(url, listing, options, environ, name not in ("csv", "ndjson"))
        for name, listing in listings.items()
    }


def _write_delta(rows: pa.Table, address: str, options: dict[str, str] | None = None) -> None:
    for piece in _pieces(rows):
        write_deltalake(address, piece, mode="append", storage_options=options)


def _write_iceberg(rows: pa.Table, url: str, scratch: Path, options: Mapping[str, str]) -> Mapping[str, str]:
    catalog = SqlCatalog("test", uri=f"sqlite:///{scratch}/catalog.db", warehouse=f"{url}/iceberg", **options)
    catalog.create_namespace("shop")
    table = catalog.create_table("shop.customers", schema=rows.schema)
    for piece in _pieces(rows):
        table.append(piece)
    catalog.close()
    path = table.location().removeprefix(url).lstrip("/")
    return {"iceberg": f"path: {path}, format: iceberg"}


def _pieces(rows: pa.Table) -> Sequence[pa.Table]:
    half = rows.num_rows // 2
    return rows.slice(half), rows.slice(0, half)
