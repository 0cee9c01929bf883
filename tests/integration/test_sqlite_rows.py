"""Rows of SQLite files: a column has the type of its values, and a query can only read."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from leanplum_sync.errors import CredentialError
from leanplum_sync.kinds.rows.source import NeededColumn, QuerySource
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources import rows
from leanplum_sync.sources.connections.columns import ColumnKind
from leanplum_sync.sources.connections.keeping import keep
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


def read(root: Path, query: str, parameters: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    statement = parse(query)
    with opened("db", URL, root, {}, Path()) as reader:
        columns = reader.columns(statement, parameters)
        kept = keep(
            columns,
            reader.batches(statement, parameters, columns),
            root,
            root,
            sorted_by=columns[0].name,
            parameters=parameters,
            read_at=0.0,
            server=reader.server,
            advance=lambda _: None,
        )
    needed = tuple(NeededColumn(column.name, Place("a.yaml", 1, 1)) for column in columns)
    source = QuerySource("db", "q.sql", parameters, Place("a.yaml"), needed=needed, kept=kept)
    problems: list[Problem] = []
    found = [row.values for row in rows(source, root, problems.append)]
    assert not problems
    return found


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
