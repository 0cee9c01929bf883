from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from leanplum_sync.problem import Place
from leanplum_sync.sources import SourceError
from leanplum_sync.sources.parquet_file import usable
from leanplum_sync.wire.number import Number


def write(path: Path, select: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")


def test_values_become_what_json_can_say(data: Any) -> None:
    write(
        data.root / "x.parquet",
        """SELECT '00123' AS id, 4::BIGINT AS whole, 1.5::DECIMAL(9, 2) AS decimal, true AS yes, NULL::VARCHAR AS none,
           DATE '2026-11-30' AS day, TIMESTAMP '2026-11-30 08:15:00' AS moment, [1, 2] AS list, ['a'] AS texts,
           epoch_ms(0)::TIMESTAMP_MS AS start, 'b'::ENUM('a', 'b') AS letter""",
    )
    (row,), problems = data.read("x.parquet")
    assert problems == []
    assert (row.number, row.place) == (1, Place("x.parquet", row=1))
    assert row.values == {
        "id": "00123",
        "whole": 4,
        "decimal": Number("1.50"),
        "yes": True,
        "none": None,
        "day": "2026-11-30",
        "moment": "2026-11-30T08:15:00",
        "list": [1, 2],
        "texts": ["a"],
        "start": "1970-01-01T00:00:00",
        "letter": "b",
    }


@pytest.mark.parametrize(
    ("select", "cell"),
    [
        ("1234567890123456789::DECIMAL(38, 0)", Number("1234567890123456789")),
        ("12.5::DECIMAL(10, 2)", Number("12.50")),
        ("[12.5, NULL]::DECIMAL(10, 2)[]", [Number("12.50"), None]),
        ("0.1::FLOAT", Number("0.1")),
        ("[0.1]::FLOAT[]", [Number("0.1")]),
        ("0.1::DOUBLE", Number("0.1")),
        ("3::DOUBLE", Number("3")),
        ("170141183460469231731687303715884105727::HUGEINT", Number("1.7014118346046923e+38")),
        ("18446744073709551615::UBIGINT", Number("18446744073709551615")),
        ("[TIMESTAMP '2026-11-30 08:15:00']", ["2026-11-30T08:15:00"]),
        ("['6f1d1c4e-3a7a-4e9b-8d5b-0a6f1d6b0001'::UUID]", ["6f1d1c4e-3a7a-4e9b-8d5b-0a6f1d6b0001"]),
        ("TIMESTAMP_NS '2026-11-30 08:15:00.123456789'", "2026-11-30T08:15:00.123456789"),
        ("TIMESTAMP_S '2026-11-30 08:15:00'", "2026-11-30T08:15:00"),
        ("[[1]]", "[[1]]"),
    ],
)
def test_no_type_loses_a_digit(data: Any, select: str, cell: object) -> None:
    write(data.root / "x.parquet", f"SELECT {select} AS cell")
    (row,), problems = data.read("x.parquet")
    assert (row.values["cell"], problems) == (cell, [])


def test_moments_with_a_zone_are_told_in_utc(data: Any) -> None:
    write(data.root / "x.parquet", "SELECT to_timestamp(1764490500.5) AS moment")
    (row,), _ = data.read("x.parquet")
    assert row.values == {"moment": "2025-11-30T08:15:00.5Z"}


def test_the_header_tells_names_and_types(data: Any) -> None:
    write(data.root / "x.parquet", 'SELECT \'a\' AS id, 1::INTEGER AS "odd ""name"')
    found = data.header("x.parquet")
    assert found.columns == ("id", 'odd "name')
    assert found.types == {"id": "VARCHAR", 'odd "name': "INTEGER"}
    (row,), _ = data.read("x.parquet")
    assert row.values == {"id": "a", 'odd "name': 1}


def test_columns_that_hold_no_values_are_text(data: Any) -> None:
    write(data.root / "x.parquet", "SELECT 'a' AS id, {'b': 1} AS struct, 'x'::BLOB AS bytes")
    (row,), _ = data.read("x.parquet")
    assert row.values == {"id": "a", "struct": "{'b': 1}", "bytes": "x"}
    assert not usable("STRUCT(b INTEGER)")


def test_rows_keep_the_order_of_the_file(data: Any) -> None:
    write(data.root / "x.parquet", "SELECT (i * 7919 % 10007)::VARCHAR AS id FROM range(10007) t(i)")
    rows, _ = data.read("x.parquet")
    assert [row.values["id"] for row in rows] == [str(i * 7919 % 10007) for i in range(10007)]
    assert rows[-1].place.row == 10007


def test_a_name_with_a_star_means_one_file(data: Any) -> None:
    write(data.root / "ab.parquet", "SELECT 'wrong' AS id")
    (data.root / "ab.parquet").rename(data.root / "keep")
    write(data.root / "x.parquet", "SELECT 'right' AS id")
    (data.root / "x.parquet").rename(data.root / "a*.parquet")
    (data.root / "keep").rename(data.root / "ab.parquet")
    rows, _ = data.read("a*.parquet")
    assert [row.values["id"] for row in rows] == ["right"]


@pytest.mark.parametrize("content", [b"", b"id,n\n1,2\n", b"PAR1" + b"\0" * 20 + b"PAR1"])
def test_a_file_that_is_no_parquet_is_one_problem(data: Any, content: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        data.header("x.parquet", content)
    assert [problem.message for problem in caught.value.problems] == [
        "the file is not valid Parquet, or is damaged"
    ]
    assert [problem.message for problem in data.read("x.parquet")[1]] == [
        "the file is not valid Parquet, or is damaged"
    ]


def test_json_that_is_no_utf_8_is_one_problem(data: Any) -> None:
    path = data.root / "x.parquet"
    select = """SELECT 'u1' AS id, '{"city": "needle"}'::JSON AS profile"""
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet, COMPRESSION uncompressed)")
    path.write_bytes(path.read_bytes().replace(b"needle", b"nee\xf7le"))
    assert [problem.message for problem in data.read("x.parquet")[1]] == [
        "the file is not valid Parquet, or is damaged"
    ]


@pytest.mark.parametrize(
    ("select", "what"),
    [
        ("repeat('x', 250001)", "a text value of more than 250,000 characters"),
        ("['a', repeat('x', 250001)]", "a text value of more than 250,000 characters"),
        ("{'b': [repeat('x', 250001)]}", "a text value of more than 250,000 characters"),
        ("MAP {'b': repeat('x', 250001)}", "a text value of more than 250,000 characters"),
        ("repeat('x', 62501)::BLOB", "a text value of more than 250,000 characters"),
        ("CASE i WHEN 5 THEN range(10001) ELSE [] END", "a list of more than 10,000 items"),
        ("range(10001)", "lists of more than 10,000 items"),
    ],
)
def test_a_value_over_a_limit_is_refused_with_its_column(data: Any, select: str, what: str) -> None:
    write(data.root / "x.parquet", f"SELECT 'u' || i AS id, {select} AS n FROM range(9) numbers(i)")
    rows, problems = data.read("x.parquet")
    assert rows == []
    assert [str(problem) for problem in problems] == [f"x.parquet: column n has {what}. Shorten it."]


def test_the_longest_values_are_read(data: Any) -> None:
    write(data.root / "x.parquet", "SELECT repeat('é', 250000) AS text, range(10000) AS list")
    (row,), problems = data.read("x.parquet")
    assert problems == []
    assert (len(row.values["text"]), len(row.values["list"])) == (250_000, 10_000)
