"""
Rows of BigQuery through Google's client, from a server that speaks its protocol: what each type becomes.

The server takes neither parameters nor dry runs, and has no BIGNUMERIC. It has an environment of its own, so only the campaign runs this.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from queries import ask
from warehouses import Warehouse, bigquery_serving

from leanplum_sync.errors import SourceUnreachableError
from leanplum_sync.sources.connections.columns import ColumnKind
from leanplum_sync.sources.connections.opening import opened
from leanplum_sync.sources.connections.reader import QueryError
from leanplum_sync.sources.connections.statement import parse
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.number import Number

pytestmark = pytest.mark.campaign

# As documented in docs/how-to-databases.md.
VALUES: dict[str, Json] = {
    "'x'": "x",
    "''": "",
    "'NULL'": "NULL",
    "'007'": "007",
    "CONCAT('lead', CHR(10), 'line')": "lead\nline",
    "CAST(NULL AS STRING)": None,
    "CAST(NULL AS INT64)": None,
    "true": True,
    "false": False,
    "7": 7,
    "-3": -3,
    "9007199254740993": 9007199254740993,
    "NUMERIC '1.5'": Number("1.500000000"),
    "NUMERIC '1234567890123456789.123456789'": Number("1234567890123456789.123456789"),
    "CAST(0.1 AS FLOAT64)": Number("0.1"),
    "CAST(1e20 AS FLOAT64)": Number("1e+20"),
    "CAST(12 AS FLOAT64)": Number("12"),
    "DATE '2026-02-03'": "2026-02-03",
    "DATE '9999-12-31'": "9999-12-31",
    "DATETIME '2026-02-03 04:05:06.7'": "2026-02-03T04:05:06.7",
    "TIMESTAMP '2026-02-03 04:05:06+02:00'": "2026-02-03T02:05:06Z",
    "TIMESTAMP '9999-12-31 23:59:59+00:00'": "9999-12-31T23:59:59Z",
    "['a', 'b']": ["a", "b"],
    "[1, 2]": [1, 2],
    """JSON '{"a":2.5}'""": {"a": Number("2.5")},  # an attribute can't hold it, and says so
}
REFUSED_TYPES = {
    "b'ab'": "BYTES",
    "TIME '10:00:00'": "TIME",
    "STRUCT(1 AS x)": "RECORD",
}


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Warehouse]:
    with bigquery_serving() as serving, pytest.MonkeyPatch.context() as patch:
        for name, text in serving.environ.items():
            patch.setenv(name, text)
        anonymous: Any = AnonymousCredentials
        client = bigquery.Client("shop", credentials=anonymous())
        client.create_dataset("public")
        client.query_and_wait("CREATE TABLE public.customers (id STRING, tier STRING)")
        client.query_and_wait("INSERT INTO public.customers VALUES ('u1', 'gold'), ('u2', NULL)")
        yield serving


def test_values_are_read_as_documented(warehouse: Warehouse, tmp_path: Path) -> None:
    columns = ", ".join(f"{expression} AS c{number}" for number, expression in enumerate(VALUES))
    answer = ask(warehouse.url, f"SELECT {columns}", tmp_path)
    assert not answer.problems
    assert dict(zip(VALUES, answer.rows[0].values(), strict=True)) == VALUES


def test_types_without_a_value_are_told_by_the_names_that_bigquery_has_for_them(warehouse: Warehouse) -> None:
    for expression, name in REFUSED_TYPES.items():
        with opened("db", warehouse.url, Path(), {}, Path()) as reader:
            (column,) = reader.columns(parse(f"SELECT {expression} AS odd"), {})
        assert (column.kind, column.type) == (ColumnKind.OTHER, name)


@pytest.mark.parametrize(
    "query",
    ["DELETE FROM customers WHERE true", "INSERT INTO customers (id) VALUES ('u3')", "DROP TABLE customers"],
)
def test_a_query_that_writes_is_refused(warehouse: Warehouse, query: str, tmp_path: Path) -> None:
    with pytest.raises(QueryError):
        ask(warehouse.url, query, tmp_path)
    assert len(ask(warehouse.url, "SELECT id FROM customers", tmp_path).rows) == 2


def test_what_is_wrong_with_a_query_is_told_without_a_value(warehouse: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="Not found"):
        ask(warehouse.url, "SELECT id FROM nosuch", tmp_path)
    with pytest.raises(QueryError) as refused:
        ask(warehouse.url, "SELECT CAST(CONCAT('secret-', id) AS INT64) AS id FROM customers", tmp_path)
    assert "secret" not in f"{refused.value.message} {refused.value.hint}"


def test_a_server_that_is_killed_is_told(tmp_path: Path) -> None:
    with bigquery_serving() as serving, pytest.MonkeyPatch.context() as patch:
        for name, text in serving.environ.items():
            patch.setenv(name, text)
        with opened("db", serving.url, Path(), {}, tmp_path) as reader:
            serving.process.send_signal(signal.SIGKILL)
            with pytest.raises(SourceUnreachableError):
                reader.columns(parse("SELECT 1 AS id"), {})
