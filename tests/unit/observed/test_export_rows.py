"""Rows of exportUsers files: which values are certain."""

from __future__ import annotations

from pathlib import Path

import pytest

from leanplum_sync.bounds import CONTINUED_ROW, LINE
from leanplum_sync.errors import ExportFailedError
from leanplum_sync.observed.export_rows import read_rows
from leanplum_sync.wire.exported_text import is_telling


def rows(folder: Path, content: bytes) -> list[tuple[str, str, bool]]:
    path = folder / "users.csv"
    path.write_bytes(content)
    return [(row.user_id, row.text, row.is_certain) for row in read_rows(path)]


@pytest.mark.parametrize(
    "text", ["gold", "True", "false", "2026-11-30", "2026-11-30T10:00:00Z", "a b", "é", "0x1F"]
)
def test_a_text_that_only_one_value_is_written_as_is_telling(text: str) -> None:
    assert is_telling(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "25",
        "-1",
        "1.5E9",
        "1e5",
        " 7",
        "NaN",
        "Infinity",
        "-inf",
        "null",
        "None",
        "[]",
        '["a"]',
        "{}",
        " [x",
    ],
)
def test_a_text_that_may_be_a_number_a_list_or_nothing_tells_nothing(text: str) -> None:
    assert not is_telling(text)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"a,gold\nb,25\n", [("a", "gold", True), ("b", "25", False)]),
        (b"a,gold\r\nb,True\r\n", [("a", "gold", True), ("b", "True", True)]),
        (b"\xef\xbb\xbfa,gold\n", [("a", "gold", True)]),
        (b"a,gold\n\nb,x\n", [("a", "gold", True), ("b", "x", True)]),
        (b'"a","x, y"\n"b","z"\n', [("a", "x, y", True), ("b", "z", True)]),
        (b'"a","x"\nb,y\n', [("a", "x", True), ("b", "y", False)]),
        (b'a,x\nb,"y"\n', [("a", "x", True), ("b", '"y"', False)]),
        (b'"a","5"" disk"\n', [("a", '5"" disk', False)]),
        (b'a,5" disk\nb,z\n', [("a", '5" disk', False), ("b", "z", True)]),
        (b"a,x\\,y\nb,z\n", [("a", "x\\,y", False), ("b", "z", True)]),
        (b"a,x,y\n", [("a", "x,y", False)]),
        (b'a,"x\ny"\nb,z\n', [("a", '"x\ny"', False), ("b", "z", True)]),
        (b"a,x\\\ny\nb,z\n", [("a", "x\\\ny", False), ("b", "z", True)]),
        (b'"a","x\nb,gold"\n"c","z"\n', [("a", "x\nb,gold", False), ("c", "z", True)]),
        (b"a,x\nb,y\r\n", [("a", "x", True), ("b", "y\r", False)]),
        (b"a,x\ty\n", [("a", "x\ty", False)]),
    ],
)
def test_a_row_is_certain_if_it_can_be_read_in_one_way(
    tmp_path: Path, content: bytes, expected: list[tuple[str, str, bool]]
) -> None:
    assert rows(tmp_path, content) == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,gold\nb,go", "cut off"),
        (b'a,"gold\n', "cut off"),
        (b"a,gold\\\n", "cut off"),
        (b"a,gold\r\nb,go\n", "cut off"),
        (b"a\n", "Row 1 doesn't consist of a userId and a value"),
        (b"a,x\n<html>\n", "Row 2 doesn't consist of a userId and a value"),
        (b",x\n", "Row 1 has no userId"),
        (b'"",x\n', "Row 1 has no userId"),
        (b"a,\xff\n", "Line 1 is not UTF-8"),
        (b"a,\0\n", "Line 1 is not text"),
        (b"a," + b"x" * LINE.most + b"\n", f"Line 1 has more than {LINE}"),
        (b'a,"' + b"x\n" * CONTINUED_ROW.most, f"has more than {CONTINUED_ROW}"),
    ],
)
def test_a_file_that_is_no_such_csv_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(ExportFailedError, match=words):
        rows(tmp_path, content)
