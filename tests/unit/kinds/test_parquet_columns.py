from __future__ import annotations

from typing import Any

import duckdb
import pytest


def write(folder: Any, select: str) -> None:
    (folder.root / "specs").mkdir(exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({select}) TO '{folder.root}/specs/x.parquet' (FORMAT parquet)")


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("SELECT 123 AS id, 'x' AS c", "column id is of type INTEGER, but ids must be text"),
        (
            "SELECT 'u' AS id, {'a': 1} AS c",
            "column c is of type STRUCT(a INTEGER), which can't become a value",
        ),
        ("SELECT DATE '2026-11-30' AS id, 'x' AS c", "column id is of type DATE, but ids must be text"),
        ("SELECT 'u' AS id, [[1]] AS c", "column c is of type INTEGER[][], which can't become a value"),
        ("SELECT 'u' AS id", "specs/x.parquet has no column c"),
    ],
)
def test_a_column_of_the_wrong_type_is_one_problem(folder: Any, select: str, message: str) -> None:
    write(folder, select)
    folder.spec("UserAttributes", "users: {file: x.parquet, id: id}\nattributes: {a: {column: c}}")
    (problem,) = folder.load().problems
    assert problem.message == message


@pytest.mark.parametrize("kind", ["UUID", "ENUM('6f1d1c4e-3a7a-4e9b-8d5b-0a6f1d6b0001')"])
def test_text_of_any_type_can_be_an_id(folder: Any, kind: str) -> None:
    write(folder, f"SELECT '6f1d1c4e-3a7a-4e9b-8d5b-0a6f1d6b0001'::{kind} AS id, [1.5] AS c")
    folder.spec("UserAttributes", "users: {file: x.parquet, id: id}\nattributes: {a: {column: c}}")
    (want,) = folder.wants()
    assert (want.subject.id, want.desires[0].value) == ("6f1d1c4e-3a7a-4e9b-8d5b-0a6f1d6b0001", [1.5])


def test_typed_columns_keep_their_types(folder: Any) -> None:
    write(folder, "SELECT '007' AS id, 5 AS c")
    folder.spec("UserAttributes", "users: {file: x.parquet, id: id}\nattributes: {a: {column: c}}")
    (want,) = folder.wants()
    assert (want.subject.id, want.desires[0].value) == ("007", 5)
    assert str(want.found_at) == "specs/x.parquet:row 1"
