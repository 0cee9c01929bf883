"""What is wrong or odd in data is found alike where rows are taken in as a whole and where they are read one by one."""

from __future__ import annotations

from typing import Any

import pytest

from leanplum_sync.operations.check import Findings, check
from leanplum_sync.progress import SilentProgress
from leanplum_sync.staging import Staging

USERS = "users: {file: u.csv, id: id%s}\nattributes: {v: {column: v}}"
PATHS = pytest.mark.parametrize("sieve", [True, False])


def checked(folder: Any, data: str | bytes, *, sieve: bool, more: str = "", strict: bool = False) -> Findings:
    folder.write("specs/u.csv", data)
    folder.spec("UserAttributes", USERS % more)
    return found_in(folder, sieve=sieve, strict=strict)


def found_in(folder: Any, *, sieve: bool = True, strict: bool = False) -> Findings:
    with Staging(folder.root / "state", 128, sieve=sieve, only_rows=True) as staging:
        return check(folder.load(), staging, SilentProgress(), strict=strict)


@PATHS
def test_words_for_a_missing_value_are_a_remark_with_their_count(folder: Any, sieve: bool) -> None:
    found = checked(folder, "id,v,w\nu1,gold,\nu2,NULL,\nu3,\\N,NULL\nu4,[object Object],\n", sieve=sieve)
    assert (found.total, found.rows) == (0, 4)
    (remark,) = found.remarks
    assert (remark.count, str(remark.problem.place)) == (3, "specs/u.csv:3")
    assert "column v has a word for a missing value, such as NULL, in 3 rows" in str(remark)


@PATHS
def test_words_that_the_spec_calls_empty_ask_for_nothing(folder: Any, sieve: bool) -> None:
    data = 'id,v\nu1,gold\nu2,NULL\nu3,"\\N"\nu4,"a,b"\n'
    found = checked(folder, data, sieve=sieve, more=", empty: [NULL, '\\N']")
    assert (found.total, found.remarks, found.rows) == (0, (), 4)
    desires = [len(want.desires) for want in folder.wants()]
    assert desires == [1, 0, 0, 1]


@PATHS
def test_strict_makes_problems_of_remarks(folder: Any, sieve: bool) -> None:
    found = checked(folder, "id,v\nu2,NULL\n", sieve=sieve, strict=True)
    assert ([str(each.place) for each in found.problems], found.remarks) == (["specs/u.csv:2"], ())


@PATHS
@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("NULL", "stands for a missing value"),
        ("[object Object]", "stands for a missing value"),
        ("id", "is the name of the column"),
        ("1.23457E+15", "is a number that a spreadsheet rounded"),
        ('"=""00123"""', "is a spreadsheet formula"),
        ("u1\u200b", "has an invisible character"),
        ("\ufeffu1", "has an invisible character"),
        ("u\u00ad1", "has an invisible character"),
        ("u\x01", "has an invisible character"),
        (" u1", "has spaces before or after it"),
        ("u1\u00a0", "has spaces before or after it"),
    ],
)
def test_ids_that_no_one_has_are_problems(folder: Any, identifier: str, message: str, sieve: bool) -> None:
    found = checked(folder, f"id,v\nu0,x\n{identifier},y\n", sieve=sieve)
    assert [problem.message for problem in found.problems] == [f"the id in column id {message}"]
    assert found.rows == 1


@PATHS
@pytest.mark.parametrize(
    "identifier", ["12e5", "nullable", "12345", "1.5", "e+1", "u=1", "Zoë", "a" * 31 + ".0"]
)
def test_ids_that_only_look_a_little_like_those_are_fine(folder: Any, identifier: str, sieve: bool) -> None:
    found = checked(folder, f"id,v\n{identifier},y\n", sieve=sieve)
    assert (found.total, found.remarks) == (0, ())


@PATHS
@pytest.mark.parametrize(
    ("identifier", "words"), [("12345.0", "end with .0"), ("Zoe\u0308", "not in Unicode's composed form")]
)
def test_ids_that_are_odd_are_a_remark(folder: Any, identifier: str, words: str, sieve: bool) -> None:
    found = checked(folder, f"id,v\nu1,x\n{identifier},y\n", sieve=sieve)
    (remark,) = found.remarks
    assert (found.total, remark.count, str(remark.problem.place)) == (0, 1, "specs/u.csv:3")
    assert words in str(remark)


@PATHS
def test_rows_without_any_text_are_skipped_and_others_without_an_id_are_problems(
    folder: Any, sieve: bool
) -> None:
    found = checked(folder, "id,v,w\nu1,a,b\n,,\n,,note\n,,\nu2,b,\n", sieve=sieve)
    assert [str(problem.place) for problem in found.problems] == ["specs/u.csv:4"]
    assert found.rows == 2


@PATHS
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_delimiter_that_the_header_shows_is_a_remark(
    folder: Any, delimiter: str, end: str, sieve: bool
) -> None:
    data = end.join(['id;v;"first, last"', 'u1;a;"x;y"', "u2;1,5;"]).replace(";", delimiter)
    found = checked(folder, "\ufeff" + data, sieve=sieve)
    assert (found.total, found.rows, len(found.remarks)) == (0, 2, 1)
    assert str(found.remarks[0].problem.place) == "specs/u.csv:1"
    assert [want.desires[0].value for want in folder.wants()] == ["a", "1,5"]
    shown = delimiter.replace("\t", "\\t")
    named = checked(folder, data, sieve=sieve, more=f', delimiter: "{shown}"')
    assert (named.total, named.rows, named.remarks) == (0, 2, ())


@pytest.mark.parametrize("last", ["", "\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "lines", [["id,v", "u1,gold", "u2,é"], ['id,v,"x,y"', 'u1,"a ""b"", c",""', ",,", "u2,,z"], ["id,v"]]
)
def test_a_file_is_loaded_whichever_way_its_lines_end(
    folder: Any, lines: list[str], end: str, last: str
) -> None:
    """Otherwise the baseline would save nothing."""
    folder.write("specs/u.csv", ("\n".join(lines) + last).replace("\n", end).encode())
    folder.spec("UserAttributes", USERS % "")
    (resource,) = folder.load().resources
    with Staging(folder.root / "state", 128) as staging:
        assert staging.load(0, resource, folder.root) == sum(line.startswith("u") for line in lines[1:])


@PATHS
def test_the_line_with_which_excel_names_a_delimiter_is_understood(folder: Any, sieve: bool) -> None:
    found = checked(folder, "sep=;\r\nid;v\r\nu1;a\r\n;b\r\n", sieve=sieve)
    assert [str(problem.place) for problem in found.problems] == ["specs/u.csv:4"]
    assert (found.rows, found.remarks) == (1, ())


def test_one_token_at_two_devices_is_a_remark(folder: Any) -> None:
    token = "f" * 140 + ":"
    folder.write("specs/t.csv", f"d,u,t\nd1,u1,{token}\nd2,u2,{token}\nd3,u3,x{token}\n")
    folder.spec("PushTokens", "devices: {file: t.csv, id: d, user: u}\ntoken: {android: {column: t}}")
    found = found_in(folder)
    (remark,) = found.remarks
    assert (found.total, remark.count, remark.problem.also.line) == (0, 1, 3)
    assert token not in str(remark)


def test_a_code_with_a_blank_is_not_what_otherwise_says(folder: Any) -> None:
    folder.write("specs/u.csv", "id,v\nu1,A\nu2,A \nu3,C\n")
    folder.spec(
        "UserAttributes",
        "users: {file: u.csv, id: id}\nattributes: {v: {column: v, map: {A: x}, otherwise: y}}",
    )
    for sieve in (True, False):
        (problem,) = found_in(folder, sieve=sieve).problems
        assert problem.message == "the value in column v is in `map` only without the spaces around it"
