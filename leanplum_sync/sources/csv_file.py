"""CSV: UTF-8, comma-separated, one header row, quotes doubled inside quotes; nothing is guessed."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from leanplum_sync.kinds.rows.row import Row
from leanplum_sync.kinds.rows.source import FileSource
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources.header import Header
from leanplum_sync.sources.opening import failure, opened

_LONGEST_LINE: Final = 1 << 24  # characters; what is longer is no CSV, and would be held in memory
_OTHER_DELIMITERS: Final = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
# csv's own sentences, by their beginning.
_FAULTS: Final = {
    "unexpected end of data": "a quote is opened here and never closed",
    "field larger than": "a cell is longer than any that makes sense; most likely a quote is opened and never closed",
    "',' expected after": "text follows a closing quote",
    "new-line character seen": "a line break stands in a cell without quotes",
}


def _is_clean(text: str) -> bool:
    """Tell text from bytes that were no UTF-8, which are kept as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def _text(source: FileSource, root: Path) -> Iterator[tuple[io.TextIOWrapper, bool]]:
    """Yield the file as text, behind its byte order mark, and whether it has one."""
    with opened(source, root) as file:
        start = file.peek(len(codecs.BOM_UTF8))
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise failure(
                Place(source.path),
                "the file is UTF-16",
                "Save it as UTF-8 without a byte order mark.",
                source.address,
            )
        has_bom = start.startswith(codecs.BOM_UTF8)
        if has_bom:
            file.read(len(codecs.BOM_UTF8))
        yield io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline=""), has_bom


def header(source: FileSource, root: Path) -> Header:
    """
    Raises:
        SourceError: there is none.
    """
    with _text(source, root) as (text, has_bom):
        reader = csv.reader(_short_lines(text, source), strict=True)
        columns = _columns(reader, source)
        place = Place(source.path, reader.line_num)
        faults = [
            *_bom_fault(has_bom=has_bom),
            *_name_faults(columns),
            *_delimiter_fault(columns),
            *_unclean(columns, [f"number {number}" for number in range(1, len(columns) + 1)]),
        ]
    problems = tuple(Problem(place, message, hint, source.address) for message, hint in faults)
    return Header(columns, problems=problems)


def _short_lines(text: io.TextIOWrapper, source: FileSource) -> Iterator[str]:
    """Yield lines. What is no text at all shows by the first one, before it fills the memory."""
    while line := text.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise failure(
                Place(source.path, 1),
                "the line is longer than any header",
                "Is this a CSV file?",
                source.address,
            )
        yield line


def _columns(reader: Iterator[list[str]], source: FileSource) -> tuple[str, ...]:
    try:
        for cells in reader:
            if cells:
                return tuple(cells)
    except csv.Error as error:
        raise failure(Place(source.path, 1), *_csv_fault(error), source.address) from error
    raise failure(
        Place(source.path), "the file is empty", "Its first line names the columns.", source.address
    )


def _bom_fault(*, has_bom: bool) -> Iterator[tuple[str, str]]:
    if has_bom:
        yield (
            "the file starts with a byte order mark",
            "Save it as UTF-8 without one: Leanplum's format has none.",
        )


def _name_faults(columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    if not all(columns):
        yield f"column {columns.index('') + 1} has no name", "The first line names every column."
    for name, count in Counter(columns).items():
        if count > 1 and name:
            yield f"{count} columns are named {name}", "Rename all but one."


def _delimiter_fault(columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    if len(columns) == 1:
        for delimiter, name in _OTHER_DELIMITERS.items():
            if delimiter in columns[0]:
                yield f"the columns are set apart by {name}", "Save the file with commas between columns."


def rows(source: FileSource, root: Path, report: Callable[[Problem], None]) -> Iterator[Row]:
    """
    Raises:
        SourceError: the file can't be read, or not further.
    """
    with _text(source, root) as (text, _):
        reader = csv.reader(text, strict=True)
        columns = _columns(reader, source)
        number = 0
        while True:
            line = reader.line_num + 1
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
            place = Place(source.path, line, row=number)
            if not faults:
                yield Row(number, place, dict(zip(columns, cells, strict=True)))
            for message, hint in faults:
                report(Problem(place, message, hint, source.address))


def _row_faults(cells: Sequence[str], columns: Sequence[str]) -> list[tuple[str, str]]:
    everything = "".join(cells)  # one look at it costs less than one at every cell
    if (
        len(cells) == len(columns)
        and "\0" not in everything
        and (everything.isascii() or _is_clean(everything))
    ):
        return []
    return [*_length_fault(cells, columns), *_unclean(cells, columns)]


def _csv_fault(error: csv.Error) -> tuple[str, str]:
    text = str(error)
    message = next((fault for start, fault in _FAULTS.items() if text.startswith(start)), "this is not CSV")
    return (
        message,
        'A cell with a comma, quote or line break stands in quotes, and a quote inside is doubled: "".',
    )


def _length_fault(cells: Sequence[str], columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    if len(cells) != len(columns):
        hint = (
            "A cell with a comma stands in quotes."
            if len(cells) > len(columns)
            else "Empty cells need their commas."
        )
        yield f"the row has {len(cells)} cells, and the header {len(columns)}", hint


def _unclean(cells: Sequence[str], columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    for cell, column in zip(cells, columns, strict=False):
        if "\0" in cell:
            yield f"column {column} holds a NUL byte", "Remove it: is this file text?"
        elif not _is_clean(cell):
            guess = _likely_encoding(cell.encode(errors="surrogateescape"))
            yield f"column {column} is not UTF-8; it looks like {guess}", "Save the file as UTF-8."


def _likely_encoding(data: bytes) -> str:
    """Bytes 0x80 to 0x9F are letters and signs in Windows-1252, and control characters in Latin-1."""
    return "Windows-1252" if any(0x80 <= byte <= 0x9F for byte in data) else "Latin-1 (ISO 8859-1)"  # noqa: PLR2004 - the range just named
