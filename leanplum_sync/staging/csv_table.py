"""
Finds the CSV files that may be loaded into a table directly, because DuckDB certainly reads them as Python's csv does.

DuckDB is lenient where Python is strict (an extra empty cell, spaces around quotes), so a file is scanned
for everything that the two might read differently. A file that fails a test here is read row by row, which
also finds each problem and its place.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from leanplum_sync.bounds import CELL, LINE
from leanplum_sync.staging.sql import literal

_CHUNK: Final = 1 << 20
_PART: Final = min(1 << 16, CELL.most // 2)
_BUFFER: Final = 16_000_000  # bytes, half of DuckDB's default: it keeps several
_LINE_ENDS: Final = ("\\n", "\\r\\n")  # as DuckDB names them: without a carriage return, and with one
# By delimiter: a quote with blanks between it and its delimiter or another quote.
_LOOSE_QUOTES: Final = {
    delimiter: re.compile(rb'[%b\n"] +"|" +[%b\r\n]' % ((re.escape(delimiter.encode()),) * 2))
    for delimiter in (",", ";", "\t", "|")
}
_OVERLAP: Final = (
    64  # of two chunks: longer runs of blanks are refused, so that no pattern can hide between them
)
_MANY_BLANKS: Final = b" " * (_OVERLAP - 4)


@dataclass(frozen=True, slots=True)
class Shape:
    """Facts about a file, found in one scan of all its bytes."""

    lines: int
    delimiters: int
    has_quotes: bool
    has_backslashes: bool
    ends_lines_with: str


def shape_of(path: Path, delimiter: str) -> Shape | None:
    """
    Return the file's shape; None if it must be read row by row.

    Raises:
        OSError: it can't be read.
    """
    if delimiter not in _LOOSE_QUOTES:
        return None
    with path.open("rb") as file:
        return _shape(file, delimiter)


def _shape(file: io.BufferedReader, delimiter: str) -> Shape | None:
    lines = delimiters = returns = pairs = 0
    has_quotes = has_backslashes = False
    tail = b"\n"  # a blank first line is one after a line break
    decoder = codecs.getincrementaldecoder("utf-8")()
    for chunk in _chunks(file):
        window = tail + chunk
        lines += chunk.count(b"\n")
        delimiters += chunk.count(delimiter.encode())
        has_quotes = has_quotes or b'"' in chunk
        has_backslashes = has_backslashes or b"\\" in chunk
        if b"\r" in chunk:
            returns += chunk.count(b"\r")
            pairs += window.count(b"\r\n") - tail.count(b"\r\n")
        if _has_long_row(chunk) or b"\0" in chunk or _has(window, b"\n\n"):
            return None
        if returns and b"\n\r\n" in window:
            return None
        if has_quotes and _has_loose_quotes(window, _LOOSE_QUOTES[delimiter]):
            return None
        if not _is_text(chunk, decoder):
            return None
        tail = window[-_OVERLAP:]
    if not _is_text(b"", decoder, final=True) or returns not in (0, lines) or pairs != returns:
        return None
    return Shape(
        lines + (not tail.endswith(b"\n")),
        delimiters,
        has_quotes,
        has_backslashes,
        _LINE_ENDS[bool(returns)],
    )


def _chunks(file: io.BufferedReader) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _has_loose_quotes(window: bytes, pattern: re.Pattern[bytes]) -> bool:
    # Far faster than searching for the text in between.
    if not _has(window, b' "') and not _has(window, b'" '):
        return False
    return _MANY_BLANKS in window or pattern.search(window) is not None


def _has(window: bytes, pair: bytes) -> bool:
    """Search from the end: for two bytes, Python takes half as long as with ``in``."""
    return window.rfind(pair) >= 0


def _has_long_row(chunk: bytes) -> bool:
    """Tell whether a row fills a whole part of *chunk*, as each row with a text over the limit does."""
    return any(chunk.find(b"\n", at, at + _PART) < 0 for at in range(0, len(chunk) - _PART + 1, _PART))


def _is_text(chunk: bytes, decoder: codecs.IncrementalDecoder, *, final: bool = False) -> bool:
    if chunk.isascii() and not final and not decoder.getstate()[0]:
        return True
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def first_line_end(path: Path) -> str:
    """Return how the first line ends, in the form of ``Shape.ends_lines_with``."""
    with path.open("rb") as file:
        return _LINE_ENDS[file.readline(_CHUNK).endswith(b"\r\n")]


def relation(path: Path, columns: int, ends_lines_with: str, delimiter: str) -> str:
    """
    Return SQL for the rows of the file, with so many *columns*, all cells text; an empty cell is NULL.

    Columns are named by their place, see ``cell``: DuckDB knows no empty names, and ignores upper and lower case.

    DuckDB 2.0 finds no rows at all in strict mode if it is told that lines end with CR LF. It recognizes these ends by itself.
    """
    ends = f" new_line = {literal(ends_lines_with)}," if ends_lines_with == _LINE_ENDS[0] else ""
    types = ", ".join(f"{cell(place)}: 'VARCHAR'" for place in range(columns))
    return (
        f"read_csv({literal(str(path))}, header = true, auto_detect = false, columns = {{{types}}}, delim = {literal(delimiter)},"
        f" quote = '\"', escape = '\"', strict_mode = true, null_padding = false,{ends}"
        f" buffer_size = {_BUFFER}, max_line_size = {LINE.most})"
    )


def cell(place: int) -> str:
    """Return the name of the column at *place* in a file, from 0."""
    return f"cell{place}"


def delimiters_in_cells(cells: Sequence[str], delimiter: str) -> str:
    """Return SQL for the number of delimiters inside *cells*, the names of columns, in all rows."""
    one = literal(delimiter)
    return " + ".join(
        f"coalesce(sum(CASE WHEN contains({each}, {one}) THEN length({each}) - length(replace({each}, {one}, '')) END), 0)"
        for each in cells
    )
