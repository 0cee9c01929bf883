"""CSV: UTF-8, one header row, quotes doubled inside quotes. The spec names the delimiter, or the header shows it."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, Self

from leanplum_sync.bounds import CELL, CONTINUED_ROW, LINE
from leanplum_sync.kinds.rows.row import Row
from leanplum_sync.kinds.rows.source import FileSource
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources.header import Header, check_count
from leanplum_sync.sources.opening import failure, opened

_COMMA: Final = ","
_DELIMITERS: Final = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_QUOTED = re.compile(r'"[^"]*"')
# Source: Excel, which names the delimiter on a line of its own before the header.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)
_ENDLESS: Final = "endless row"
# csv's own sentences, by their beginning.
_FAULTS: Final = {
    "unexpected end of data": "a quote is opened here and never closed",
    _ENDLESS: f"a row continues for more than {CONTINUED_ROW}; most likely a quote is opened and never closed",
    "new-line character seen": "a cell has a line break and no quotes",
}
csv.field_size_limit(LINE.most)  # the module's own limit is shorter than texts that people have


class _Lines:
    """
    Lines for csv, which asks for more of them while a quote is open.

    A row can't continue for ever: else one lost quote would swallow the rest of a file.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.number = 0  # of lines read
        self._left = 0
        self.begin_row()

    def begin_row(self) -> None:
        self._left = CONTINUED_ROW.most
        self._is_first = True

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        if not self._is_first:
            self._left -= len(line)
            if self._left < 0:
                raise csv.Error(_ENDLESS)
        self._is_first = False
        return line


@dataclass(frozen=True, slots=True)
class _Csv:
    """*lines* start with the header. *before* counts the lines before it. *recognized*: the header shows the delimiter."""

    lines: _Lines
    delimiter: str
    before: int = 0
    recognized: bool = False


def _is_clean(text: str) -> bool:
    """Tell text from bytes that were not UTF-8, which are kept as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def _opened(source: FileSource, root: Path) -> Iterator[_Csv]:
    """
    Raises:
        SourceError: the file can't be opened, or isn't UTF-8 text, or nothing tells its delimiter.
    """
    with opened(source, root) as file:
        start = file.peek(len(codecs.BOM_UTF8))
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in start[:4]:
            raise failure(
                Place(source.path),
                "the file is UTF-16",
                "Save it as UTF-8: in Excel, as `CSV UTF-8`.",
                source.address,
            )
        if start.startswith(codecs.BOM_UTF8):
            file.read(len(codecs.BOM_UTF8))
        text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
        lines = _short_lines(text, source)
        first = next(lines, "")
        named = _SEPARATOR_LINE.fullmatch(first)
        if named:
            yield _Csv(_Lines(lines), source.delimiter or named[1], before=1)
            return
        upper = [first]  # blank lines, and the header
        while upper[-1] and not upper[-1].strip():
            upper.append(next(lines, ""))
        delimiter = source.delimiter or _recognized(upper[-1], source)
        yield _Csv(
            _Lines(chain(upper, lines)), delimiter, recognized=delimiter not in (source.delimiter, _COMMA)
        )


def _recognized(line: str, source: FileSource) -> str:
    """Return the delimiter that the header's first line shows; names in quotes may have any character."""
    outside = _QUOTED.sub("", line)
    counts = {delimiter: count for delimiter in _DELIMITERS if (count := outside.count(delimiter))}
    likely = max(counts, key=counts.__getitem__, default=_COMMA)
    commas = outside.count(_COMMA)
    if commas >= counts.get(likely, 0):
        return _COMMA
    if commas or len(counts) > 1:
        shown = likely.replace("\t", "\\t")
        raise failure(
            Place(source.path, 1),
            f"the columns may be separated by {_DELIMITERS[likely]}, but the header also contains other delimiters",
            f'Write `delimiter: "{shown}"` beside `file`, or use another delimiter.',
            source.address,
        )
    return likely


def header(source: FileSource, root: Path) -> Header:
    """
    Raises:
        SourceError: there is none that can be read.
    """
    with _opened(source, root) as file:
        reader = csv.reader(file.lines, delimiter=file.delimiter, strict=True)
        columns = _columns(reader, source)
        place = Place(source.path, file.before + file.lines.number)
    problems = tuple(Problem(place, message, hint, source.address) for message, hint in _name_faults(columns))
    remarks: tuple[Problem, ...] = ()
    if file.recognized:
        shown = file.delimiter.replace("\t", "\\t")
        remarks = (
            Problem(
                place,
                f"the columns are assumed to be separated by {_DELIMITERS[file.delimiter]}",
                f'To confirm this, write `delimiter: "{shown}"` beside `file`.',
                source.address,
            ),
        )
    return Header(
        columns, problems=problems, remarks=remarks, delimiter=file.delimiter, lines_before=file.before
    )


def _short_lines(text: io.TextIOWrapper, source: FileSource) -> Iterator[str]:
    """Yield lines. A file that is not text shows by its first line, before that fills the memory."""
    number = 0
    while line := text.readline(LINE.most + 1):
        number += 1
        if len(line) > LINE.most:
            raise failure(
                Place(source.path, number),
                f"the line is longer than {LINE}",
                "Is this a CSV file?",
                source.address,
            )
        yield line


def _columns(reader: Iterator[list[str]], source: FileSource) -> tuple[str, ...]:
    try:
        for cells in reader:
            if cells:
                check_count(len(cells), Place(source.path, 1), source)
                _check_text(cells, source)
                return tuple(cells)
    except csv.Error as error:
        raise failure(Place(source.path, 1), *_csv_fault(error), source.address) from error
    raise failure(
        Place(source.path), "the file is empty", "The first line must name the columns.", source.address
    )


def _check_text(columns: Sequence[str], source: FileSource) -> None:
    for message, hint in _unclean(columns, [f"number {number}" for number in range(1, len(columns) + 1)]):
        raise failure(Place(source.path, 1), f"in the header, {message}", hint, source.address)


def _name_faults(columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    if not all(columns):
        yield f"column {columns.index('') + 1} has no name", "The first line must name every column."
    for name, count in Counter(columns).items():
        if count > 1 and name:
            yield f"{count} columns are named {name}", "Rename all but one."


def rows(source: FileSource, root: Path, report: Callable[[Problem], None]) -> Iterator[Row]:
    """
    Yield the rows. Rows without any text, as spreadsheets leave them behind, are skipped like blank lines.

    Raises:
        SourceError: the file can't be read, or not further.
    """
    with _opened(source, root) as file:
        reader = csv.reader(file.lines, delimiter=file.delimiter, strict=True)
        columns = _columns(reader, source)
        number = 0
        while True:
            line = file.before + file.lines.number + 1
            file.lines.begin_row()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                cells, faults = [], [_csv_fault(error)]
            else:
                if not cells:
                    continue
                faults = _row_faults(cells, columns)
            number += 1
            if cells and not any(cells):
                continue
            place = Place(source.path, line, row=number)
            if not faults:
                yield Row(number, place, dict(zip(columns, cells, strict=True)))
            for message, hint in faults:
                report(Problem(place, message, hint, source.address))


def _row_faults(cells: Sequence[str], columns: Sequence[str]) -> list[tuple[str, str]]:
    everything = "".join(cells)  # one look at it costs less than one at every cell
    if (
        len(cells) == len(columns)
        and len(everything) <= CELL.most
        and "\0" not in everything
        and (everything.isascii() or _is_clean(everything))
    ):
        return []
    return [*_length_fault(cells, columns), *_unclean(cells, columns)]


def _csv_fault(error: csv.Error) -> tuple[str, str]:
    text = str(error)
    message = next((fault for start, fault in _FAULTS.items() if text.startswith(start)), "this is not CSV")
    if text.endswith("expected after '\"'"):
        message = "text follows a closing quote"
    return (
        message,
        'Put a cell with a delimiter, quote, or line break in quotes, and double a quote inside: "".',
    )


def _length_fault(cells: Sequence[str], columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    if len(cells) != len(columns):
        hint = (
            "Put a cell that contains the delimiter in quotes."
            if len(cells) > len(columns)
            else "Keep the delimiters of empty cells."
        )
        found = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
        yield f"the row has {found}, but the header has {len(columns)}", hint


def _unclean(cells: Sequence[str], columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    for cell, column in zip(cells, columns, strict=False):
        if len(cell) > CELL.most:
            yield f"column {column} has a text value of more than {CELL}", "Shorten it."
        elif "\0" in cell:
            yield f"column {column} contains a NUL byte", "Remove it. Is this a text file?"
        elif not _is_clean(cell):
            guess = _likely_encoding(cell.encode(errors="surrogateescape"))
            yield f"column {column} is not UTF-8; it looks like {guess}", "Save the file as UTF-8."


def _likely_encoding(data: bytes) -> str:
    """Bytes 0x80 to 0x9F are letters and signs in Windows-1252, and control characters in Latin-1."""
    return "Windows-1252" if any(0x80 <= byte <= 0x9F for byte in data) else "Latin-1 (ISO 8859-1)"  # noqa: PLR2004 - the range just named
