from __future__ import annotations

from typing import Any

import pytest

from leanplum_sync.bounds import CELL, COLUMNS, ITEMS, NESTING
from leanplum_sync.problem import Place
from leanplum_sync.sources import SourceError


def test_values_keep_their_types(data: Any) -> None:
    rows, problems = data.read(
        "x.ndjson", b'{"id": "00123", "n": 4, "l": ["a", true]}\n\n{"id": "b", "n": null}'
    )
    assert problems == []
    assert [(row.number, row.place, row.values) for row in rows] == [
        (1, Place("x.ndjson", 1, row=1), {"id": "00123", "n": 4, "l": ["a", True]}),
        (2, Place("x.ndjson", 3, row=2), {"id": "b", "n": None}),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"id": secret}', "the line is not valid JSON from column 8 on"),
        (b'["secret"]', "the line is not a JSON object"),
        (b'{"id": "u1", "v": "secret", "v": "b"}', "the key v appears twice on this line"),
        (b'"secret"', "the line is not a JSON object"),
        (b'{"id": "secr\xe9t"}', "the line is not UTF-8"),
        (b"[", "the line is only a part of a JSON value"),
        (b'{"id": NaN}', "the line is not valid JSON from column 8 on"),
    ],
)
def test_a_bad_line_is_reported_and_the_others_are_read(data: Any, line: bytes, message: str) -> None:
    rows, problems = data.read("x.ndjson", b'{"id": "a"}\n' + line + b'\n{"id": "c"}\n')
    assert [row.values["id"] for row in rows] == ["a", "c"]
    assert [(str(problem.place), problem.place.row, problem.message) for problem in problems] == [
        ("x.ndjson:2", 2, message)
    ]


def test_a_column_that_no_row_has_is_reported_at_the_spec(data: Any) -> None:
    content = b'{"id": "a", "apns_token": "x"}\n{"id": "b", "other": 1}\n'
    _, problems = data.read("x.ndjson", content, "id", "other", "apns_tokn")
    assert [(str(problem.place), problem.message, problem.hint) for problem in problems] == [
        ("spec.yaml:1:1", "no row of x.ndjson has apns_tokn", "Did you mean apns_token?")
    ]


def test_a_byte_order_mark_is_fine(data: Any) -> None:
    content = b'\xef\xbb\xbf{"id": "u1"}\n'
    assert data.header("x.ndjson", content).problems == ()
    rows, problems = data.read("x.ndjson")
    assert ([row.values for row in rows], problems) == ([{"id": "u1"}], [])


def test_an_empty_file_is_a_problem(data: Any) -> None:
    with pytest.raises(SourceError):
        data.header("x.ndjson", b"")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[" * NESTING.most + "]" * NESTING.most, "values are nested more than 50 levels deep"),
        ("[" * 2000 + "]" * 2000, "values are nested more than 50 levels deep"),
        (f"[{'1,' * ITEMS.most}1]", "a list has more than 10,000 items"),
        (f'["{"x" * (CELL.most + 1)}"]', "a text value has more than 250,000 characters"),
        (
            '{"a":1},' + ",".join(f'"k{each}":1' for each in range(COLUMNS.most)),
            "there are more than 10,000 columns",
        ),
    ],
    ids=["nested", "nested too deeply to parse", "a long list", "a long text", "many keys"],
)
def test_a_row_over_a_limit_is_reported_and_the_others_are_read(data: Any, value: str, message: str) -> None:
    rows, problems = data.read("x.ndjson", f'{{"id":"u1","n":{value}}}\n{{"id":"u2"}}\n'.encode())
    assert [row.values for row in rows] == [{"id": "u2"}]
    assert [str(problem) for problem in problems] == [
        f"x.ndjson:1: row 1: {message}. Split the row, or leave it out."
    ]


def test_nesting_within_the_limit_is_read(data: Any) -> None:
    depth = NESTING.most - 1
    (row,), problems = data.read("x.ndjson", f'{{"n":{"[" * depth}{"]" * depth}}}\n'.encode())
    assert problems == []
    assert "n" in row.values
