"""Files that people really have: read as meant, remarked on with a count, or refused with what to do."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from shell import Shell

PROJECT = """apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  specs: [specs]
  environments: {sandbox: {emulator: embedded}}
  budget: {createdUsers: 100}
"""
SPEC = """apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: it}
spec:
  users: {users}
  createUsers: true
  attributes: {v: {column: v}}
"""
BOM = b"\xef\xbb\xbf"


def project(folder: Path, name: str, data: bytes, *, more: str = "", spec: str = SPEC) -> Shell:
    (folder / "specs").mkdir(exist_ok=True)
    (folder / "leanplum-sync.yaml").write_text(PROJECT)
    (folder / name).write_bytes(data)
    (folder / "specs/it.yaml").write_text(spec.replace("{users}", f"{{file: ../{name}, id: id{more}}}"))
    return Shell(folder)


def value_of(shell: Shell, user: str) -> object:
    answer = json.loads(shell.run("call", "exportUser", f"userId={user}").stdout)
    return answer["userAttributes"].get("v")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("u.csv", BOM + b"id,v\r\nu1,a\r\n"),
        ("u.csv", BOM + 'id;v;"Größe, cm"\r\nu1;a;1,5\r\n;;\r\n'.encode()),
        ("u.csv", b"sep=;\r\nid;v\r\nu1;a\r\n"),
        ("u.tsv", b"id\tv\nu1\ta\n"),
        ("u.csv", b"id|v\nu1|a\n"),
        ("u.csv", b"V,ID,id,v\nB,U1,u1,a\n"),  # DuckDB ignores upper and lower case in names
        ("u.csv", b"id,v,note\nu1,a," + b"x" * 200_000 + b'\nu2,b,"two\nlines"\n'),
        ("u.ndjson", BOM + b'{"id": "u1", "v": "a"}\n'),
    ],
)
def test_a_file_that_is_fine_arrives(tmp_path: Path, name: str, data: bytes) -> None:
    shell = project(tmp_path, name, data)
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")
    assert value_of(shell, "u1") == "a"
    assert shell.json("plan", "--out", "b.lpplan")["actions"] == 0


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("u.csv", "id,v\nu1,a\n".encode("utf-16"), "the file is UTF-16. Save it as UTF-8"),
        ("u.csv", "id,v,Größe\nu1,a,b\n".encode("cp1252"), "column number 3 is not UTF-8"),
        ("u.csv", b"id;v;name, first\nu1;a;b\n", 'Write `delimiter: ";"`'),
        ("u.csv", b"id, v\nu1,a\n", 'Did you mean " v"? Remove the space before or after the name.'),
        ("u.csv", b"id,v\nu1,a\nid,v\nu2,b\n", "is the name of the column. If this is a second header, remove the line."),
        ("u.csv", b",id,v\nB,u1,a\n", "column 1 has no name. The first line must name every column."),
        ("u.csv", b"id,v,v\nu1,a,a\n", "2 columns are named v. Rename all but one."),
        ("u.csv", b"id,v\nNULL,a\n", "stands for a missing value"),
        ("u.csv", b"id,v\n1.23457E+15,a\n", "is a number that a spreadsheet rounded"),
        ("u.csv", "id,v\nu1\u200b,a\n".encode(), "has an invisible character"),
        ("u.csv.gz", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 1\n", "git lfs pull"),
        ("u.xlsx", b"PK", "this is a spreadsheet workbook. Save it as CSV"),
        ("u.ndjson", b'{"id": "u1", "v": "a", "v": "b"}\n', "the key v appears twice on this line"),
        ("u.ndjson", b'{"id": "u1", "v": 9007199254740993}\n', "`type: text` keeps every digit"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_is_one_problem_with_what_to_do(
    tmp_path: Path, name: str, data: bytes, words: str
) -> None:
    found = project(tmp_path, name, data).run("validate", code=3)
    assert words in found.stdout
    assert "1 problem in 1 file." in found.stdout


def test_remarks_are_counted_and_shown_once_in_every_document(tmp_path: Path) -> None:
    shell = project(tmp_path, "u.csv", b"id;v\nu1;NULL\nu2;gold\nu3;\\N\n")
    found = shell.run("validate")
    assert found.stderr.count("Note: u.csv:") == 2
    document = shell.json("validate")
    assert [(each["place"]["line"], each["count"]) for each in document["remarks"]] == [(1, 1), (2, 2)]
    sarif = json.loads(shell.run("validate", "--output", "sarif").stdout)
    assert [each["level"] for each in sarif["runs"][0]["results"]] == ["warning", "warning"]
    assert shell.run("validate", "--output", "github").stdout.startswith("::warning file=u.csv,line=1")
    strict = shell.json("validate", "--strict", code=3)
    assert (strict["total"], strict["remarks"]) == (2, [])
    planned = shell.json("plan", "--out", "a.lpplan")
    assert [(each["code"], each["count"]) for each in planned["notes"]] == [("remark", 1), ("remark", 2)]
    text = shell.run("plan", "--out", "a.lpplan").stdout
    assert "Remarks" in text
    assert "u.csv:2: column v has a word for a missing value, such as NULL, in 2 rows." in text
    warnings = json.loads(shell.run("show", "a.lpplan", "--output", "json").stdout)["notes"]
    assert warnings == planned["notes"]


def test_words_that_the_spec_calls_empty_leave_what_is_there(tmp_path: Path) -> None:
    shell = project(tmp_path, "u.csv", b"id,v\nu1,gold\n")
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")
    project(tmp_path, "u.csv", b"id,v\nu1,NULL\nu2,\\N\n", more=", empty: [NULL, '\\N']")
    planned = shell.json("plan", "--out", "b.lpplan")
    assert (planned["users"]["changed"], planned["notes"]) == (0, [])
    assert value_of(shell, "u1") == "gold"


def test_a_live_value_keeps_its_digits_when_it_is_converted(tmp_path: Path) -> None:
    shell = project(tmp_path, "u.csv", b"id,v\nu1,9007199254740993\nu2,12\n")
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")
    project(tmp_path, "u.csv", b"id\nu1\nu2\n", spec=SPEC.replace("{column: v}", "{from: v, type: number}"))
    planned = shell.json("plan", "--out", "b.lpplan")
    assert [(each["code"], each["count"]) for each in planned["notes"]] == [("not_convertible", 1)]
    shell.run("apply", "b.lpplan", "--yes")
    assert [value_of(shell, user) for user in ("u1", "u2")] == ["9007199254740993", 12]


def test_rows_to_try_again_are_the_rows_of_the_file_or_none(tmp_path: Path) -> None:
    line = '{"id":"u1","v":"new","price":12.50,"iccid":89012345678901234567}\n'
    shell = project(tmp_path, "u.ndjson", line.encode())
    shell.run("call", "setUserAttributes", "userId=u1", 'userAttributes={"v": "old"}', "createDisposition=CreateIfNeeded", "--yes")  # fmt: skip
    shell.run("plan", "--out", "a.lpplan")
    shell.run("call", "setUserAttributes", "userId=u1", 'userAttributes={"v": "other"}', "--yes")
    shell.run("apply", "a.lpplan", "--yes", "--recheck", "on", code=4)
    assert (tmp_path / ".leanplum-sync/run-1.conflicting.UserAttributes-it.ndjson").read_text() == line


def test_a_semicolon_file_keeps_its_form_in_the_rows_to_try_again(tmp_path: Path) -> None:
    shell = project(tmp_path, "u.csv", b'id;v;note\nu1;a;"x;y"\nu2;b;1,5\n')
    shell.run("call", "setUserAttributes", "userId=u1", 'userAttributes={"v": "old"}', "createDisposition=CreateIfNeeded", "--yes")  # fmt: skip
    shell.run("plan", "--out", "a.lpplan")
    shell.run("call", "setUserAttributes", "userId=u1", 'userAttributes={"v": "other"}', "--yes")
    shell.run("apply", "a.lpplan", "--yes", "--recheck", "on", code=4)
    written = tmp_path / ".leanplum-sync/run-1.conflicting.UserAttributes-it.csv"
    with written.open(newline="") as file:
        assert list(csv.reader(file, delimiter=";")) == [["id", "v", "note"], ["u1", "a", "x;y"]]
