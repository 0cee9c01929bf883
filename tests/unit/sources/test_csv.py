from __future__ import annotations

from typing import Any

import pytest

from leanplum_sync.bounds import CELL, COLUMNS
from leanplum_sync.problem import Place
from leanplum_sync.sources import SourceError


def read(data: Any, content: bytes) -> tuple[list[dict[str, str]], list[str]]:
    rows, problems = data.read("x.csv", content)
    return [row.values for row in rows], [str(problem) for problem in problems]


def test_rows_are_text_with_their_number_and_line(data: Any) -> None:
    rows, problems = data.read("x.csv", b'id,n\n00123,4\n\n"a ""b"", c","two\nlines"\nlast,\n')
    assert problems == []
    assert [(row.number, row.place, row.values) for row in rows] == [
        (1, Place("x.csv", 2, row=1), {"id": "00123", "n": "4"}),
        (2, Place("x.csv", 4, row=2), {"id": 'a "b", c', "n": "two\nlines"}),
        (3, Place("x.csv", 6, row=3), {"id": "last", "n": ""}),
    ]


def test_line_ends_of_other_systems_are_fine(data: Any) -> None:
    assert read(data, b"id,n\r\na,1\r\nb,2") == ([{"id": "a", "n": "1"}, {"id": "b", "n": "2"}], [])


def test_letters_of_every_language_are_fine(data: Any) -> None:
    assert read(data, "id,имя\nü,日本\n".encode()) == ([{"id": "ü", "имя": "日本"}], [])


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (b"a", "the row has 1 cell, but the header has 2. Keep the delimiters of empty cells."),
        (b"a,b,c", "the row has 3 cells, but the header has 2. Put a cell that contains the delimiter in quotes."),
        (b"a,\xfcber", "column n is not UTF-8; it looks like Latin-1 (ISO 8859-1). Save the file as UTF-8."),
        (b"a,\x80uro", "column n is not UTF-8; it looks like Windows-1252. Save the file as UTF-8."),
        (b"a,b\x00c", "column n contains a NUL byte. Remove it. Is this a text file?"),
        (b'a,"b" c', 'text follows a closing quote. Put a cell with a delimiter, quote, or line break in quotes, and double a quote inside: "".'),
    ],
)  # fmt: skip
def test_a_bad_row_is_reported_and_the_others_are_read(data: Any, row: bytes, problem: str) -> None:
    rows, problems = read(data, b"id,n\nu1,1\n" + row + b"\nu3,3\n")
    assert rows == [{"id": "u1", "n": "1"}, {"id": "u3", "n": "3"}]
    assert problems == [f"x.csv:3: row 2: {problem}"]


def test_a_quote_that_is_never_closed_is_reported_where_it_opens(data: Any) -> None:
    rows, problems = read(data, b'id,n\nu1,1\nu2,"2\nu3,3\n')
    assert rows == [{"id": "u1", "n": "1"}]
    assert len(problems) == 1
    assert problems[0].startswith("x.csv:3: row 2: a quote is opened here and never closed")


def test_a_lost_quote_in_a_large_file_does_not_swallow_the_rest(data: Any) -> None:
    rows, problems = read(data, b'id,n\nu1,"2\n' + b"u,3\n" * 100_000)
    assert len(problems) == 1
    assert "a quote is opened and never closed" in problems[0]
    assert len(rows) > 50_000
    rows, _ = data.read("x.csv")
    assert rows[-1].place.line == 100_002


def test_no_value_is_ever_shown(data: Any) -> None:
    _, problems = read(
        data, b'id,n\nsecret1\nsecret2,a,b\nsecret3,\xff\nsecret4,"x"secret5\nsecret6,"secret7\n'
    )
    assert len(problems) == 5
    assert not any("secret" in problem for problem in problems)


@pytest.mark.parametrize(
    ("start", "problem"),
    [
        (b"id,id\n", "2 columns are named id"),
        (b"id,,n\n", "column 2 has no name"),
    ],
)
def test_what_is_wrong_with_a_header_is_said(data: Any, start: bytes, problem: str) -> None:
    found = data.header("x.csv", start + b"a,b\n")
    assert [(str(each.place), each.message) for each in found.problems] == [("x.csv:1", problem)]


def test_reading_goes_on_behind_a_byte_order_mark(data: Any) -> None:
    content = b'\xef\xbb\xbf"id",n\nu1,1\n'
    assert data.header("x.csv", content).columns == ("id", "n")
    assert read(data, content) == ([{"id": "u1", "n": "1"}], [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        ("id,n\n".encode("utf-16"), "the file is UTF-16"),
        ("id,n\n".encode("utf-16-le"), "the file is UTF-16"),
        ("id,n\n".encode("utf-16-be"), "the file is UTF-16"),
        (b"id,n\xe4me\n", "in the header, column number 2 is not UTF-8; it looks like Latin-1 (ISO 8859-1)"),
        (
            b"id;a;b, c\n",
            "the columns may be separated by semicolons, but the header also contains other delimiters",
        ),
        (
            b"id;a|b\n",
            "the columns may be separated by semicolons, but the header also contains other delimiters",
        ),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 1\n",
            "the file is a Git LFS pointer, and its data was not fetched",
        ),
        (b'"id,n\n', "a quote is opened here and never closed"),
    ],
)
def test_a_file_without_a_header_cannot_be_read(data: Any, content: bytes, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        data.header("x.csv", content)
    assert [problem.message for problem in caught.value.problems] == [message]
    rows, problems = data.read("x.csv")
    assert rows == []
    assert [problem.message for problem in problems] == [message]


@pytest.mark.parametrize(
    ("content", "delimiter", "columns"),
    [
        (b"id;n\n", ";", ("id", "n")),
        (b"\n\nid;n\n", ";", ("id", "n")),
        (b'id;n;"last, first"\n', ";", ("id", "n", "last, first")),
        (b"id\tn\n", "\t", ("id", "n")),
        (b"id|n\n", "|", ("id", "n")),
        (b"sep=;\r\nid;n\r\n", ";", ("id", "n")),
        (b"id,n;m\n", ",", ("id", "n;m")),
        (b"id\n", ",", ("id",)),
    ],
)
def test_the_header_shows_the_delimiter(
    data: Any, content: bytes, delimiter: str, columns: tuple[str, ...]
) -> None:
    found = data.header("x.csv", content + b"u1\n")
    assert (found.delimiter, found.columns, found.problems) == (delimiter, columns, ())


@pytest.mark.parametrize("note", ["", "a\nb"])
def test_a_long_cell_is_fine_whatever_other_rows_hold(data: Any, note: str) -> None:
    text = "x" * 200_000
    rows, problems = read(data, f'id,n\nu1,{text}\nu2,"{note}"\n'.encode())
    assert ([row["n"] for row in rows], problems) == ([text, note], [])


def test_rows_without_any_text_are_skipped(data: Any) -> None:
    rows, problems = data.read("x.csv", b"id,n\nu1,1\n,\n\n,,,\nu2,2\n")
    assert problems == []
    assert [(row.number, row.place.line) for row in rows] == [(1, 2), (4, 6)]


def test_a_file_that_has_gone_is_a_problem(data: Any) -> None:
    _, problems = data.read("gone.csv")
    assert [str(problem) for problem in problems] == [
        "gone.csv: the file can't be read: no such file or directory."
    ]


def test_a_header_alone_gives_no_rows(data: Any) -> None:
    assert read(data, b"id,n\n") == ([], [])


def test_a_text_over_the_limit_is_reported_with_its_column_and_the_others_are_read(data: Any) -> None:
    rows, problems = read(data, f"id,n\nu1,{'x' * (CELL.most + 1)}\nu2,2\n".encode())
    assert rows == [{"id": "u2", "n": "2"}]
    assert problems == [
        "x.csv:2: row 1: column n has a text value of more than 250,000 characters. Shorten it."
    ]


def test_a_header_with_too_many_columns_is_refused(data: Any) -> None:
    columns = ",".join(f"c{number}" for number in range(COLUMNS.most))
    assert read(data, f"id,{columns}\n".encode()) == (
        [],
        [
            "x.csv:1: the file has 10,001 columns, but at most 10,000 are allowed. Export only the columns that the spec needs."
        ],
    )
