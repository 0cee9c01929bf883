"""Rows of Snowflake through its real driver, from a server that speaks its protocol: what each type becomes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from queries import ask
from warehouses import PASSWORD, Warehouse, run_in_snowflake, snowflake_serving

from leanplum_sync.errors import CredentialError, SourceUnreachableError
from leanplum_sync.sources.connections.columns import ColumnKind
from leanplum_sync.sources.connections.opening import opened
from leanplum_sync.sources.connections.reader import QueryError
from leanplum_sync.sources.connections.statement import parse
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.number import Number

pytestmark = pytest.mark.slow

# As documented in docs/how-to-databases.md.
VALUES: dict[str, Json] = {
    "'x'::varchar": "x",
    "''": "",
    "'NULL'": "NULL",
    "'007'": "007",
    "'lead' || chr(10) || 'line'": "lead\nline",
    "null::varchar": None,
    "null::number": None,
    "null::timestamp_ntz": None,
    "null::timestamp_tz": None,
    "null::date": None,
    "true": True,
    "false": False,
    "7::number(38, 0)": 7,
    "-3::int": -3,
    "9007199254740993::number(38, 0)": 9007199254740993,
    "1.50::number(10, 2)": Number("1.50"),
    "12345678901234567890.123456::number(38, 6)": Number("12345678901234567890.123456"),
    "0.1::float": Number("0.1"),
    "1e20::float": Number("1e+20"),
    "12::float": Number("12"),
    "date '2026-02-03'": "2026-02-03",
    "'9999-12-31'::date": "9999-12-31",
    "'2026-02-03 04:05:06.7'::timestamp_ntz": "2026-02-03T04:05:06.7",
    "'9999-12-31 23:59:59'::timestamp_ntz": "9999-12-31T23:59:59",
    "'2026-02-03 04:05:06 +0200'::timestamp_tz": "2026-02-03T02:05:06Z",
    """parse_json('["a", "b"]')""": ["a", "b"],
    "parse_json('[1, 2.5]')": [1, Number("2.5")],
    "parse_json('null')": None,
    """parse_json('{"a": 2.5}')""": {"a": Number("2.5")},  # an attribute can't hold it, and says so
    """parse_json('"x"')""": "x",
}
REFUSED_TYPES = {"to_binary('ab', 'hex')": "BINARY", "'10:00:00'::time": "TIME"}


@pytest.fixture(scope="module")
def snowflake() -> Iterator[Warehouse]:
    with snowflake_serving() as warehouse:
        run_in_snowflake(
            warehouse.url,
            "CREATE TABLE shop.public.customers (id varchar, tier varchar)",
            "INSERT INTO shop.public.customers VALUES ('u1', 'gold'), ('u2', NULL)",
        )
        yield warehouse


def test_values_are_read_as_documented(snowflake: Warehouse, tmp_path: Path) -> None:
    columns = ", ".join(f"{expression} AS c{number}" for number, expression in enumerate(VALUES))
    answer = ask(snowflake.url, f"SELECT {columns}", tmp_path)
    assert not answer.problems
    assert dict(zip(VALUES, answer.rows[0].values(), strict=True)) == VALUES


def test_types_without_a_value_are_told_by_the_names_that_snowflake_has_for_them(
    snowflake: Warehouse,
) -> None:
    for expression, name in REFUSED_TYPES.items():
        with opened("db", snowflake.url, Path(), {}, Path()) as reader:
            (column,) = reader.columns(parse(f"SELECT {expression} AS odd"), {})
        assert (column.kind, column.type) == (ColumnKind.OTHER, name)


def test_parameters_are_data(snowflake: Warehouse, tmp_path: Path) -> None:
    attack = "'; DROP TABLE customers; --"
    query = 'SELECT :text AS "text", id FROM customers WHERE id = :id AND id <> :text AND :least < 2'
    answer = ask(snowflake.url, query, tmp_path, {"text": attack, "id": "u1", "least": 1})
    assert answer.rows == [{"text": attack, "ID": "u1"}]


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM customers",
        "INSERT INTO customers VALUES ('u3', 'x')",
        "CREATE TABLE other AS SELECT 1 AS a",
        "SELECT id FROM customers) AS x; DELETE FROM customers; SELECT * FROM (SELECT 1 AS a",
    ],
)
def test_a_query_that_writes_is_refused(snowflake: Warehouse, query: str, tmp_path: Path) -> None:
    with pytest.raises((QueryError, ValueError)):
        ask(snowflake.url, query, tmp_path)
    assert len(ask(snowflake.url, "SELECT id FROM customers", tmp_path).rows) == 2


def test_what_is_wrong_with_a_query_is_told_without_a_value(snowflake: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="NOPE"):
        ask(snowflake.url, "SELECT nope FROM customers", tmp_path)
    with pytest.raises(QueryError) as refused:
        ask(snowflake.url, "SELECT ('secret-' || id)::int AS id FROM customers", tmp_path)
    assert "secret" not in f"{refused.value.message} {refused.value.hint}"


def test_the_server_and_its_time_zone_are_told(snowflake: Warehouse) -> None:
    with opened("db", snowflake.url, Path(), {}, Path()) as reader:
        account = reader.account()
        assert reader.server.startswith("Snowflake ")
    assert (account.time_zone, account.is_checked) == ("Etc/UTC", False)


def test_a_connection_that_fails_is_told_without_its_url() -> None:
    urls: dict[str, type[Exception]] = {
        f"snowflake://a:{PASSWORD}@127.0.0.1:1/x?account=b&protocol=http&loginTimeout=1": SourceUnreachableError,
        f"snowflake://a:{PASSWORD}@127.0.0.1:not-a-port/x?account=b": CredentialError,
        f"snowflake://a:{PASSWORD}@/x": CredentialError,
        f"snowflake://a:{PASSWORD}%zz@b/x": CredentialError,
    }
    for url, kind in urls.items():
        with pytest.raises(kind) as failed, opened("db", url, Path(), {}, Path()):
            pass
        assert str(failed.value).startswith("Connection db")
        assert PASSWORD not in str(failed.value)
        assert failed.value.__cause__ is None


def test_a_server_that_is_killed_while_it_is_read_is_told(tmp_path: Path) -> None:
    with snowflake_serving() as warehouse, opened("db", warehouse.url, Path(), {}, tmp_path) as reader:
        warehouse.process.send_signal(signal.SIGKILL)
        with pytest.raises(SourceUnreachableError) as failed:
            reader.columns(parse("SELECT 1 AS id"), {})
    assert PASSWORD not in str(failed.value)
