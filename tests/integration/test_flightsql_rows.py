"""Rows of a database that speaks Flight SQL, through its real driver: what each type becomes, and failures that show nothing."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from flight_sql import PASSWORD, FlightSql, serving_flight_sql
from postgresql import Server
from queries import ask

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
    "'x'": "x",
    "''": "",
    "'NULL'": "NULL",
    "'007'": "007",
    "'lead' || chr(10) || 'line'": "lead\nline",
    "NULL::varchar": None,
    "NULL::bigint": None,
    "true": True,
    "false": False,
    "7::tinyint": 7,
    "-3::integer": -3,
    "9007199254740993::bigint": 9007199254740993,
    "18446744073709551615::ubigint": Number("18446744073709551615"),
    "1.50::decimal(10, 2)": Number("1.50"),
    "12345678901234567890.123456::decimal(38, 6)": Number("12345678901234567890.123456"),
    "12::decimal(20, 0)": 12,
    "0.1::float": Number("0.1"),
    "0.1::double": Number("0.1"),
    "1e20::double": Number("1e+20"),
    "12::double": Number("12"),
    "'NaN'::double": math.inf,  # refused with row and column, where it is checked
    "DATE '2026-02-03'": "2026-02-03",
    "DATE '9999-12-31'": "9999-12-31",
    "TIMESTAMP '2026-02-03 04:05:06.7'": "2026-02-03T04:05:06.7",
    "TIMESTAMP '9999-12-31 23:59:59'": "9999-12-31T23:59:59",
    "to_timestamp(1770084306)": "2026-02-03T02:05:06Z",
    "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "'happy'::enum('happy', 'sad')": "happy",
    "['a', NULL, 'b']": ["a", None, "b"],
    "[1, 2]": [1, 2],
    "[1.50, 2]::decimal(5, 2)[]": [Number("1.50"), Number("2.00")],
    "[DATE '2026-02-03']": ["2026-02-03"],
    "[]::varchar[]": [],
}
REFUSED_CELLS = {
    "DATE 'infinity'": "a date in the years 1 to 9999",
    "DATE '0044-03-15 (BC)'": "a date in the years 1 to 9999",
    "['NaN'::double]": "a list",
}
REFUSED_TYPES = {
    "'ab'::blob": "BLOB",
    "TIME '10:00:00'": "TIME",
    "{'a': 1}": "STRUCT(a INTEGER)",
    "MAP {'a': 1}": "MAP(VARCHAR, INTEGER)",
    "INTERVAL 1 DAY": "INTERVAL",
}
SHOP = ("CREATE TABLE shop AS SELECT 'u1' AS id, 'gold' AS tier",)


@pytest.fixture(scope="module")
def database() -> Iterator[FlightSql]:
    with serving_flight_sql(*SHOP) as serving:
        yield serving


def test_values_are_read_as_documented(database: FlightSql, tmp_path: Path) -> None:
    columns = ", ".join(f"{expression} AS c{number}" for number, expression in enumerate(VALUES))
    answer = ask(database.url, f"SELECT {columns}", tmp_path)
    assert not answer.problems
    found = dict(zip(VALUES, answer.rows[0].values(), strict=True))
    odd = found.pop("'NaN'::double")
    assert isinstance(odd, float)
    assert math.isnan(odd)
    assert found == {name: value for name, value in VALUES.items() if name in found}


def test_values_that_can_not_be_sent_are_refused_with_row_and_column(
    database: FlightSql, tmp_path: Path
) -> None:
    for number, (expression, expected) in enumerate(REFUSED_CELLS.items()):
        answer = ask(database.url, f"SELECT 'u1' AS id, {expression} AS odd", tmp_path / str(number))
        assert [(str(each.place), each.message) for each in answer.problems] == [
            ("db:q.sql:row 1", f"the value in column odd is not {expected}")
        ]


def test_types_without_a_value_are_told_by_their_names(database: FlightSql) -> None:
    for expression, name in REFUSED_TYPES.items():
        with opened("db", database.url, Path(), {}, Path()) as reader:
            (column,) = reader.columns(parse(f"SELECT {expression} AS odd"), {})
        assert (column.kind, column.type) == (ColumnKind.OTHER, name)


def test_parameters_are_data(database: FlightSql, tmp_path: Path) -> None:
    attack = "'; DROP TABLE shop; --"
    query = (
        "SELECT :text::varchar AS text, :whole + 1 AS whole, :flag::boolean AS flag, :none::varchar AS none"
        " FROM shop WHERE id = :id AND id <> :text"
    )
    parameters: dict[str, Json] = {"text": attack, "whole": 41, "flag": True, "none": None, "id": "u1"}
    assert ask(database.url, query, tmp_path, parameters).rows == [
        {"text": attack, "whole": 42, "flag": True, "none": None}
    ]


@pytest.mark.parametrize(
    "query",
    ["DELETE FROM shop", "INSERT INTO shop VALUES ('u2', 'x')", "DROP TABLE shop", "SELECT nope FROM shop"],
)  # fmt: skip
def test_what_is_not_one_select_that_reads_is_refused(
    database: FlightSql, query: str, tmp_path: Path
) -> None:
    with pytest.raises(QueryError):
        ask(database.url, query, tmp_path)
    assert ask(database.url, "SELECT id FROM shop", tmp_path).rows == [{"id": "u1"}]


def test_what_is_wrong_with_a_query_is_told_without_a_value(database: FlightSql, tmp_path: Path) -> None:
    with pytest.raises(QueryError) as refused:
        ask(database.url, "SELECT ('secret-' || id)::int AS id FROM shop", tmp_path)
    assert "secret" not in f"{refused.value.message} {refused.value.hint}"


def test_a_connection_that_fails_is_told_without_its_url(database: FlightSql, tmp_path: Path) -> None:
    urls: dict[str, type[Exception]] = {
        database.url.replace(PASSWORD, f"{PASSWORD}-wrong"): CredentialError,
        f"flightsql://a:{PASSWORD}@127.0.0.1:1?useEncryption=false": SourceUnreachableError,
        database.url.replace("?useEncryption=false", ""): CredentialError,  # no TLS
        f"flightsql://a:{PASSWORD}@127.0.0.1:not-a-port": CredentialError,
        f"flightsql://a:{PASSWORD}@127.0.0.1": CredentialError,
        f"flightsql://a:{PASSWORD}@127.0.0.1:1/shop": CredentialError,
        f"flightsql://a:{PASSWORD}@[::1": CredentialError,
        f"flightsql://a:{PASSWORD}@127.0.0.1:1?useEncryption=no": CredentialError,
        f"flightsql://a:{PASSWORD}@127.0.0.1:1?tlsRootCerts={tmp_path}/gone": CredentialError,
    }
    for url, kind in urls.items():
        with pytest.raises(kind) as failed, opened("db", url, Path(), {}, Path()) as reader:
            reader.account()
        assert str(failed.value).startswith("Connection db")
        assert PASSWORD not in str(failed.value)
        assert failed.value.__cause__ is None


@pytest.mark.parametrize("secret", ["a:secret@db.example.com:1?", "db.example.com:1?token=secret&"])
def test_a_password_or_token_crosses_no_network_unencrypted(secret: str) -> None:
    url = f"flightsql://{secret}useEncryption=false"
    with (
        pytest.raises(CredentialError, match="must not cross a network unencrypted"),
        opened("db", url, Path(), {}, Path()),
    ):
        pass


def test_a_server_that_is_killed_is_told(tmp_path: Path) -> None:
    with serving_flight_sql() as serving, opened("db", serving.url, Path(), {}, tmp_path) as reader:
        serving.process.send_signal(signal.SIGKILL)
        serving.process.wait()
        with pytest.raises(SourceUnreachableError) as failed:
            reader.columns(parse("SELECT 1 AS id"), {})
    assert PASSWORD not in str(failed.value)


def test_the_same_rows_have_the_digest_that_they_have_in_postgresql(
    postgresql: Server, database: FlightSql, tmp_path: Path
) -> None:
    query = (
        "SELECT 'u' || n AS id, n * 1000::bigint AS visits, (n / 7.0)::numeric(38, 9) AS share, n / 8::float8 AS ratio,"
        " n % 3 = 0 AS late, DATE '2026-02-03' + n::int AS day, nullif(n, 3) AS some FROM {} AS r(n) WHERE n <> 5"
    )
    found = ask(database.url, query.format("range(1, 30000)"), tmp_path / "flight").kept
    expected = ask(
        postgresql.new_database(), query.format("generate_series(1, 29999)"), tmp_path / "postgresql"
    ).kept
    assert (found.digest, found.count) == (expected.digest, 29998)
