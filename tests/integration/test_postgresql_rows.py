"""Rows of a real PostgreSQL, through ADBC and SQLAlchemy: what each type becomes, and that a query can only read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from postgresql import PASSWORD, Server
from queries import ask

from leanplum_sync.errors import CredentialError, SourceUnreachableError
from leanplum_sync.problem import Problem
from leanplum_sync.sources.connections.columns import ColumnKind
from leanplum_sync.sources.connections.opening import opened
from leanplum_sync.sources.connections.reader import QueryError
from leanplum_sync.sources.connections.statement import parse
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.number import Number

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["postgresql", "postgresql+psycopg"])
def scheme(request: Any) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def database(postgresql: Server, scheme: str) -> str:
    address = postgresql.new_database()
    with postgresql.connect(address.split("/")[3].partition("?")[0]) as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('happy')")
        connection.execute(
            "CREATE TABLE shop (id text, spent numeric(12, 2)); INSERT INTO shop VALUES ('u1', 1.5)"
        )
    return address.replace("postgresql:", f"{scheme}:")


# As documented in docs/how-to-databases.md.
VALUES: dict[str, Json] = {
    "'x'::text": "x",
    "'x'::char(3)": "x",
    "''::text": "",
    "null::text": None,
    "true": True,
    "7::smallint": 7,
    "9007199254740993::bigint": 9007199254740993,
    "1.50::numeric(10, 2)": Number("1.50"),
    "123456789012345678901234567890.123::numeric": Number("123456789012345678901234567890.123"),
    "0.1::real": Number("0.1"),
    "0.1::double precision": Number("0.1"),
    "date '2026-02-03'": "2026-02-03",
    "timestamp '2026-02-03 04:05:06.7'": "2026-02-03T04:05:06.7",
    "timestamptz '2026-02-03 04:05:06+02'": "2026-02-03T02:05:06Z",
    "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    """'{"b": 1,  "a": 2.50}'::json""": '{"b": 1,  "a": 2.50}',
    """'{"b": 1, "a": 2.50}'::jsonb""": '{"a": 2.50, "b": 1}',
    "'happy'::mood": "happy",
    "array['a', null, 'b']": ["a", None, "b"],
    "array[1, 2]": [1, 2],
    "array[true]": [True],
    "array[1.50, 2]::numeric[]": [Number("1.50"), 2],
    "array[date '2026-02-03']": ["2026-02-03"],
    "array[]::text[]": [],
    "array[[1, 2], [3, 4]]": [[1, 2], [3, 4]],  # an attribute can't hold it, and says so
}
REFUSED_CELLS = {
    "'NaN'::numeric": "a finite number",
    "date 'infinity'": "a date in the years 1 to 9999",
    "date '0044-03-15 BC'": "a date in the years 1 to 9999",
    "timestamp '-infinity'": "a time in the years 1 to 9999",
    "timestamptz 'infinity'": "a time in the years 1 to 9999",
    "array['NaN'::float8]": "a list of finite numbers",
}
REFUSED_TYPES = {
    r"'\xdead'::bytea": "bytea",
    "interval '1 day'": "interval",
    "12.34::money": "money",
    "time '10:00'": "time",
    "array[timestamptz '2026-02-03 04:05:06+02']": "timestamptz[]",
    "row(1, 2)": "record",
    "point(1, 2)": "point",
    "'127.0.0.1'::inet": "inet",
}


def read(
    url: str, query: str, parameters: Mapping[str, Json], root: Path
) -> tuple[Sequence[Mapping[str, Json]], Sequence[Problem]]:
    answer = ask(url, query, root, parameters)
    return answer.rows, answer.problems


def test_values_are_read_as_documented(database: str, tmp_path: Path) -> None:
    columns = ", ".join(f"{expression} AS c{number}" for number, expression in enumerate(VALUES))
    ((found,), problems) = read(database, f"SELECT {columns}", {}, tmp_path)
    assert not problems
    assert dict(zip(VALUES, found.values(), strict=True)) == VALUES


def test_values_that_can_not_be_sent_are_refused_with_row_and_column(database: str, tmp_path: Path) -> None:
    for number, (expression, expected) in enumerate(REFUSED_CELLS.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        _, problems = read(database, f"SELECT 'u1' AS id, {expression} AS odd", {}, folder)
        assert [(str(each.place), each.message) for each in problems] == [
            ("db:q.sql:row 1", f"the value in column odd is not {expected}")
        ]


def test_types_without_a_value_are_told_by_the_names_that_postgresql_has_for_them(database: str) -> None:
    for expression, name in REFUSED_TYPES.items():
        with opened("db", database, Path(), {}, Path()) as reader:
            (column,) = reader.columns(parse(f"SELECT {expression} AS odd"), {})
        assert (column.kind, column.type) == (ColumnKind.OTHER, name)


def test_settings_of_the_account_change_no_text(postgresql: Server, scheme: str, tmp_path: Path) -> None:
    address = postgresql.new_database()
    name = address.split("/")[3].partition("?")[0]
    with postgresql.connect() as connection:
        for setting in ("DateStyle = 'SQL, DMY'", "TimeZone = 'Asia/Tokyo'", "extra_float_digits = -5"):
            connection.execute(f"ALTER DATABASE {name} SET {setting}")
    query = "SELECT date '2026-02-03' AS a, timestamptz '2026-02-03 04:05:06+02' AS b, 0.1234567890123::float8 AS c"
    ((found,), _) = read(address.replace("postgresql:", f"{scheme}:"), query, {}, tmp_path)
    assert list(found.values()) == ["2026-02-03", "2026-02-03T02:05:06Z", Number("0.1234567890123")]


def test_parameters_are_data(database: str, tmp_path: Path) -> None:
    attack = "'; DROP TABLE shop; --"
    query = "SELECT :text AS text, CAST(:day AS date) AS day, :whole + 1 AS whole, :flag AS flag, :none::text AS none FROM shop LIMIT :few"
    parameters: dict[str, Json] = {
        "text": attack,
        "day": "2026-02-03",
        "whole": 41,
        "flag": True,
        "none": None,
        "few": 1,
    }
    found, _ = read(database, query, parameters, tmp_path)
    assert found == [{"text": attack, "day": "2026-02-03", "whole": 42, "flag": True, "none": None}]
    assert read(database, "SELECT id FROM shop", {}, tmp_path)[0] == [{"id": "u1"}]


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM shop RETURNING id",
        "WITH gone AS (DELETE FROM shop RETURNING id) SELECT id FROM gone",
        "SELECT id FROM shop FOR UPDATE",
        "SELECT set_config('transaction_read_only', 'off', true) AS id",
        "SELECT lo_creat(-1)::text AS id",
        "SELECT id INTO copy FROM shop",
    ],
)
def test_a_query_that_writes_is_refused_by_the_database(database: str, query: str, tmp_path: Path) -> None:
    with pytest.raises(QueryError):
        read(database, query, {}, tmp_path)
    assert read(database, "SELECT id FROM shop", {}, tmp_path)[0] == [{"id": "u1"}]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT nope FROM shop", 'column "nope" does not exist'),
        ("SELECT id, id FROM shop", "two columns named id"),
        ("SELECT ('secret-' || id)::int AS id FROM shop", "code 22P02"),
        ("SELECT 1 / (length(id) - 2) AS id FROM shop", "code 22012"),
        ("SELECT repeat('x', 200000) AS id", "a text of 200,000 bytes"),
        ("SELECT", "no columns"),
    ],
)
def test_what_is_wrong_with_a_query_is_told_without_a_value(
    database: str, query: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(QueryError) as refused:
        read(database, query, {}, tmp_path)
    assert said in refused.value.message
    assert "secret" not in f"{refused.value.message} {refused.value.hint}"


def test_a_connection_that_fails_is_told_without_its_url(postgresql: Server, scheme: str) -> None:
    wrong = f"postgresql://guarded:{PASSWORD}-wrong@/postgres?host={postgresql.folder}"
    urls: dict[str, Any] = {
        postgresql.address("no_such_database"): CredentialError,
        wrong: CredentialError,
        f"postgresql://a:{PASSWORD}@127.0.0.1:1/x": SourceUnreachableError,
        f"postgresql://a:{PASSWORD}@127.0.0.1:not-a-port/x": CredentialError,
        f"postgresql://a:{PASSWORD}@127.0.0.1:99999/x": CredentialError,
        f"postgresql://a:{PASSWORD}@[::1/x": CredentialError,
        f"postgresql://a:{PASSWORD}@127.0.0.1/x?nosuch=1": CredentialError,
        f"postgresql://a:{PASSWORD}@127.0.0.1/x?sslmode=nosuch": CredentialError,
        f"nosuch://a:{PASSWORD}@b/c": CredentialError,
    }
    if scheme == "postgresql":  # SQLAlchemy reads these URLs otherwise
        urls[f"postgresql://a:{PASSWORD}%zz@127.0.0.1:1/x"] = CredentialError
        urls[f"postgresql://a:{PASSWORD}@127.0.0.1:1/x?options"] = CredentialError
    for url, kind in urls.items():
        address = url.replace("postgresql:", f"{scheme}:")
        with pytest.raises(kind) as failed, opened("db", address, Path(), {}, Path()):
            pass
        assert str(failed.value).startswith("Connection db")
        assert PASSWORD not in str(failed.value)
        assert failed.value.__cause__ is None


def test_both_drivers_give_the_same_digest(postgresql: Server, tmp_path: Path) -> None:
    address = postgresql.new_database()
    query = "SELECT 'u' || n AS id, n::numeric / 7 AS share, n / 7::float8 AS ratio, now() - n * interval '1 hour' > now() AS late, array[n, n + 1] AS both, nullif(n, 3) AS some FROM generate_series(1, 30000) AS n WHERE n <> :not"
    digests = set()
    for number, url in enumerate((address, address.replace("postgresql:", "postgresql+psycopg:"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        read(url, query, {"not": 5}, folder)
        (kept,) = (folder / ".leanplum-sync" / "rows").iterdir()
        digests.add(kept.name)
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("grants", "writable", "accepted"),
    [
        ("GRANT SELECT ON shop TO guarded", 0, False),
        ("GRANT INSERT ON shop TO guarded", 1, False),  # the trial deletes
        ("GRANT DELETE ON shop TO guarded", 1, True),
        ("GRANT CREATE ON SCHEMA public TO guarded", 0, True),
    ],
)
def test_a_write_is_tried_and_nothing_is_left_of_it(
    postgresql: Server, scheme: str, grants: str, writable: int, accepted: bool
) -> None:
    address = postgresql.new_database()
    name = address.split("/")[3].partition("?")[0]
    guarded = postgresql.address(name, f"guarded:{PASSWORD}").replace("postgresql:", f"{scheme}:")
    with postgresql.connect(name) as connection:
        connection.execute("CREATE TABLE shop (id text); INSERT INTO shop VALUES ('u1')")
        connection.execute(grants.encode())
        with opened("db", guarded, Path(), {}, Path()) as reader:
            account = reader.account()
            assert (account.writable, account.accepts_writes) == (writable, accepted)
            # The transaction after it can't write either.
            query = parse("SELECT lo_creat(-1)::text AS id")
            with pytest.raises(QueryError, match="read-only transaction"):
                list(reader.batches(query, {}, reader.columns(query, {})))
        tables = connection.execute("SELECT relname FROM pg_class WHERE relname LIKE 'leanplum%'").fetchall()
        assert tables == []
        assert connection.execute("SELECT id FROM shop").fetchall() == [("u1",)]
