"""Rows of SQLite files: a column has the type of its values, and a query can only read."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from queries import ask

from leanplum_sync.errors import CredentialError
from leanplum_sync.sources.connections.columns import ColumnKind
from leanplum_sync.sources.connections.opening import opened
from leanplum_sync.sources.connections.reader import QueryError
from leanplum_sync.sources.connections.statement import parse
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.number import Number

URL = "sqlite:///shop.db"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.execute("CREATE TABLE shop (id TEXT, spent REAL, visits INTEGER, odd, photo BLOB)")
        connection.execute(
            "INSERT INTO shop VALUES ('00001', 0.1, 3, 'text', x'dead'), ('00002', 2, null, 5, null)"
        )
        connection.commit()
    return tmp_path


# As documented in docs/how-to-databases.md.
VALUES: dict[str, Json] = {
    "'x'": "x",
    "''": "",
    "'NULL'": "NULL",
    "'007'": "007",
    "'true'": "true",
    "'NaN'": "NaN",
    "'2026-02-03'": "2026-02-03",
    "'[1, 2]'": "[1, 2]",
    "'a' || char(10) || 'b'": "a\nb",
    "char(233)": "\u00e9",
    "x'' || 'text'": "text",
    "NULL": None,
    "7": 7,
    "-3": -3,
    "0": 0,
    "TRUE": 1,
    "9007199254740993": 9007199254740993,
    "9223372036854775807": 9223372036854775807,
    "-9223372036854775808": Number("-9223372036854775808"),
    "1.5": Number("1.5"),
    "0.1": Number("0.1"),
    "12.0": Number("12"),
    "1e20": Number("1e+20"),
    "0.1 + 0.2": Number("0.30000000000000004"),
    "1e400": math.inf,  # refused with row and column, where it is checked
    "typeof(x'00')": "blob",
    "json('{\"a\": 1}')": '{"a":1}',
}


def read(root: Path, query: str, parameters: Mapping[str, Json]) -> Sequence[Mapping[str, Json]]:
    answer = ask(URL, query, root, parameters)
    assert not answer.problems
    return answer.rows


def test_values_are_read_as_documented(root: Path) -> None:
    columns = ", ".join(f"{expression} AS c{number}" for number, expression in enumerate(VALUES))
    (found,) = read(root, f"SELECT {columns}", {})
    assert dict(zip(VALUES, found.values(), strict=True)) == VALUES


def test_values_have_the_type_that_all_values_of_their_column_have(root: Path) -> None:
    assert read(root, "SELECT id, spent, visits, NULL AS none FROM shop ORDER BY id DESC", {}) == [
        {"id": "00001", "spent": Number("0.1"), "visits": 3, "none": None},
        {"id": "00002", "spent": Number("2"), "visits": None, "none": None},
    ]


def test_a_column_of_bytes_or_of_texts_and_numbers_has_no_value(root: Path) -> None:
    with opened("db", URL, root, {}, Path()) as reader:
        columns = reader.columns(parse("SELECT odd, photo FROM shop"), {})
    assert [(column.kind, column.type) for column in columns] == [
        (ColumnKind.OTHER, "integer and text"),
        (ColumnKind.OTHER, "blob"),
    ]


def test_parameters_are_data(root: Path) -> None:
    attack = "'; DROP TABLE shop; --"
    query = "SELECT :text AS text, :whole + 1 AS whole, :none AS none FROM shop WHERE id = :id"
    assert read(root, query, {"text": attack, "whole": 41, "none": None, "id": "00001"}) == [
        {"text": attack, "whole": 42, "none": None}
    ]


@pytest.mark.parametrize(
    "query",
    ["DELETE FROM shop RETURNING id", "INSERT INTO shop (id) VALUES ('3')", "ATTACH 'other.db' AS other", "SELECT nope FROM shop", "PRAGMA query_only = OFF"],
)  # fmt: skip
def test_what_is_not_one_select_that_reads_is_refused(root: Path, query: str) -> None:
    before = (root / "shop.db").read_bytes()
    with pytest.raises(QueryError):
        read(root, query, {})
    assert (root / "shop.db").read_bytes() == before


def test_a_file_that_is_missing_or_no_sqlite_is_told(root: Path) -> None:
    (root / "other.db").write_text("not a database, " * 100)
    for url in ("sqlite:///gone.db", "sqlite:///other.db"):
        with (
            pytest.raises(CredentialError, match=r"Connection db: .* Check the path"),
            opened("db", url, root, {}, Path()),
        ):
            pass
    assert not (root / "gone.db").exists()


def test_a_trial_write_is_refused_and_rows_can_be_read_after_it(root: Path) -> None:
    before = (root / "shop.db").read_bytes()
    with opened("db", URL, root, {}, Path()) as reader:
        assert reader.account().accepts_writes is False
        assert [column.name for column in reader.columns(parse("SELECT id FROM shop"), {})] == ["id"]
    assert (root / "shop.db").read_bytes() == before
