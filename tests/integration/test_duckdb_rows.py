"""Rows of DuckDB files: what each type becomes, and that a query can only read, and only this file."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from postgresql import Server
from queries import ask

from leanplum_sync.errors import CredentialError, SourceUnreachableError
from leanplum_sync.sources.connections.columns import ColumnKind
from leanplum_sync.sources.connections.opening import opened
from leanplum_sync.sources.connections.reader import QueryError
from leanplum_sync.sources.connections.statement import parse
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.number import Number

URL = "duckdb:///shop.duckdb"

# As documented in docs/how-to-databases.md.
VALUES: dict[str, Json] = {
    "'x'": "x",
    "''": "",
    "'NULL'": "NULL",
    "'007'": "007",
    "'lead' || chr(10) || 'line'": "lead\nline",
    "NULL": None,
    "NULL::bigint": None,
    "true": True,
    "false": False,
    "7::tinyint": 7,
    "-3::integer": -3,
    "9007199254740993": 9007199254740993,
    "18446744073709551615::ubigint": Number("18446744073709551615"),
    "170141183460469231731687303715884105727::hugeint": Number("170141183460469231731687303715884105727"),
    "1.50::decimal(10, 2)": Number("1.50"),
    "12345678901234567890.123456::decimal(38, 6)": Number("12345678901234567890.123456"),
    "0.1::float": Number("0.1"),
    "0.1::double": Number("0.1"),
    "1e20::double": Number("1e+20"),
    "12::double": Number("12"),
    "'inf'::double": math.inf,  # refused with row and column, where it is checked
    "DATE '2026-02-03'": "2026-02-03",
    "DATE '9999-12-31'": "9999-12-31",
    "TIMESTAMP '2026-02-03 04:05:06.7'": "2026-02-03T04:05:06.7",
    "'2026-02-03 04:05:06.7'::timestamp_ns": "2026-02-03T04:05:06.7",
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
    "TIMESTAMP '-infinity'": "a time in the years 1 to 9999",
    "['NaN'::double]": "a list",
}
REFUSED_TYPES = {
    "'ab'::blob": "BLOB",
    "TIME '10:00:00'": "TIME",
    "{'a': 1}": "STRUCT(a INTEGER)",
    "MAP {'a': 1}": "MAP(VARCHAR, INTEGER)",
    "INTERVAL 1 DAY": "INTERVAL",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    with duckdb.connect(folder / "shop.duckdb") as connection:
        connection.execute("CREATE TABLE shop AS SELECT 'u1' AS id, 'gold' AS tier")
    return folder


def test_values_are_read_as_documented(root: Path) -> None:
    columns = ", ".join(f"{expression} AS c{number}" for number, expression in enumerate(VALUES))
    answer = ask(URL, f"SELECT {columns}", root)
    assert not answer.problems
    assert dict(zip(VALUES, answer.rows[0].values(), strict=True)) == VALUES


def test_values_that_can_not_be_sent_are_refused_with_row_and_column(root: Path) -> None:
    for expression, expected in REFUSED_CELLS.items():
        answer = ask(URL, f"SELECT 'u1' AS id, {expression} AS odd", root)
        assert [(str(each.place), each.message) for each in answer.problems] == [
            ("db:q.sql:row 1", f"the value in column odd is not {expected}")
        ]


def test_types_without_a_value_are_told_by_their_names(root: Path) -> None:
    for expression, name in REFUSED_TYPES.items():
        with opened("db", URL, root, {}, root) as reader:
            (column,) = reader.columns(parse(f"SELECT {expression} AS odd"), {})
        assert (column.kind, column.type) == (ColumnKind.OTHER, name)


def test_parameters_are_data(root: Path) -> None:
    attack = "'; DROP TABLE shop; --"
    query = (
        "SELECT :text AS text, :whole + 1 AS whole, :flag::boolean AS flag, :none::varchar AS none"
        " FROM shop WHERE id = :id AND id <> :text"
    )
    parameters: dict[str, Json] = {"text": attack, "whole": 41, "flag": True, "none": None, "id": "u1"}
    assert ask(URL, query, root, parameters).rows == [
        {"text": attack, "whole": 42, "flag": True, "none": None}
    ]


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM shop RETURNING id",
        "DROP TABLE shop",
        "SELECT nope FROM shop",
        "SELECT content AS id FROM read_text('other.txt')",
        "SELECT * FROM 'other.csv'",
        "COPY shop TO 'copy.csv'",
        "ATTACH 'other.duckdb'",
        "SET enable_external_access = true",
    ],
)
def test_what_is_not_one_select_of_this_file_is_refused(root: Path, query: str) -> None:
    for name in ("other.txt", "other.csv"):
        (root.parent / name).write_text("id\nsecret\n")
    before = (root / "shop.duckdb").read_bytes()
    with pytest.raises(QueryError) as refused:
        ask(
            URL,
            query.replace("other.", f"{root.parent}/other.").replace("copy.", f"{root.parent}/copy."),
            root,
        )
    assert "secret" not in f"{refused.value.message} {refused.value.hint}"
    assert (root / "shop.duckdb").read_bytes() == before
    assert not (root.parent / "copy.csv").exists()


def test_what_is_wrong_with_a_query_is_told_without_a_value(root: Path) -> None:
    with pytest.raises(QueryError) as refused:
        ask(URL, "SELECT ('secret-' || id)::int AS id FROM shop", root)
    assert refused.value.message == "DuckDB can't run the query (ConversionException)"
    assert "secret" not in refused.value.hint


def test_a_file_that_is_missing_or_not_of_duckdb_is_told(root: Path) -> None:
    (root / "other.duckdb").write_text("not a database, " * 1000)
    (root / "cut.duckdb").write_bytes((root / "shop.duckdb").read_bytes()[:5000])
    for url in ("duckdb:///gone.duckdb", "duckdb:///other.duckdb", "duckdb:///cut.duckdb"):
        with (
            pytest.raises(CredentialError, match=r"Connection db: .* Check the path"),
            opened("db", url, root, {}, root),
        ):
            pass
    assert not (root / "gone.duckdb").exists()


WRITER = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"


def test_a_file_that_another_process_writes_to_is_told(root: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(root / "shop.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline()
        with (
            pytest.raises(SourceUnreachableError, match="another process is writing"),
            opened("db", URL, root, {}, root),
        ):
            pass
        writer.communicate()
    assert ask(URL, "SELECT id FROM shop", root).rows == [{"id": "u1"}]


@pytest.mark.slow
def test_the_same_rows_have_the_digest_that_they_have_in_postgresql(postgresql: Server, root: Path) -> None:
    query = (
        "SELECT 'u' || n AS id, n * 1000::bigint AS visits, (n / 7.0)::numeric(38, 9) AS share, n / 8::float8 AS ratio,"
        " n % 3 = 0 AS late, DATE '2026-02-03' + n::int AS day, nullif(n, 3) AS some FROM {} AS r(n) WHERE n <> 5"
    )
    found = ask(URL, query.format("range(1, 30000)"), root).kept
    expected = ask(postgresql.new_database(), query.format("generate_series(1, 29999)"), root / "other").kept
    assert (found.digest, found.count) == (expected.digest, 29998)
