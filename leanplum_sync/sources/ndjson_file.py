"""NDJSON: one JSON object a line, UTF-8. Blank lines are skipped, and numbers keep every digit."""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import orjson

from leanplum_sync.kinds.rows.row import Row
from leanplum_sync.kinds.rows.source import FileSource, NeededColumn
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources.header import Header
from leanplum_sync.sources.opening import failure, opened
from leanplum_sync.wire.number import DuplicateKeyError, loads_exact

_BOM: Final = b"\xef\xbb\xbf"
_LONGEST_LINE: Final = 1 << 24  # bytes; a user's profile is some kilobytes


def header(source: FileSource, root: Path) -> Header:
    """
    Raises:
        SourceError: the file can't be opened, or holds nothing.
    """
    with opened(source, root) as file:
        start = file.peek(3)[:3]
        if not start:
            raise failure(
                Place(source.path), "the file is empty", "It holds one JSON object a line.", source.address
            )
    return Header(None)


def rows(source: FileSource, root: Path, report: Callable[[Problem], None]) -> Iterator[Row]:
    """
    Yield the rows; at the end, report columns that the spec needs and no row has.

    Raises:
        SourceError: the file can't be read, or not further.
    """
    unseen = {column.name for column in source.needed}
    seen: set[str] = set()
    with opened(source, root) as file:
        for number, (line_number, line) in enumerate(_lines(file, source), start=1):
            place = Place(source.path, line_number, row=number)
            try:
                values = loads_exact(line)
            except orjson.JSONDecodeError as error:
                report(Problem(place, *_fault(line, error), source.address))
                continue
            except DuplicateKeyError as error:
                message, hint = f"the key {error.key} is on this line twice", "Remove one of the two."
                report(Problem(place, message, hint, source.address))
                continue
            except RecursionError:
                report(Problem(place, "the line is nested too deeply", address=source.address))
                continue
            if not isinstance(values, dict):
                hint = 'Write {"column": value, ...}, one a line.'
                report(Problem(place, "the line is not a JSON object", hint, source.address))
                continue
            if unseen:
                seen.update(values)
                unseen -= seen
            yield Row(number, place, values)
    if seen:
        for column in source.needed:
            if column.name in unseen:
                report(_nowhere(column, source, seen))


def _lines(file: io.BufferedReader, source: FileSource) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, with their numbers."""
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            raise failure(
                Place(source.path, number),
                f"the line is longer than {_LONGEST_LINE:,} bytes",
                "Write one JSON object a line.",
                source.address,
            )
        text = line.removeprefix(_BOM) if number == 1 else line
        if text.strip():
            yield number, text


def _fault(line: bytes, error: orjson.JSONDecodeError) -> tuple[str, str]:
    try:
        line.decode()
    except UnicodeDecodeError:
        return "the line is not UTF-8", "Save the file as UTF-8."
    if line.strip() in (b"[", b"{", b"]", b"}"):
        return (
            "the line is only a part of a JSON value",
            "Write one whole object a line, without a list around them.",
        )
    return f"the line is not JSON, from its column {error.colno} on", "Write one whole object a line."


def _nowhere(column: NeededColumn, source: FileSource, seen: set[str]) -> Problem:
    close = difflib.get_close_matches(column.name, seen, 1)
    return Problem(
        column.place,
        f"no row of {source.path} has {column.name}",
        f"Did you mean {close[0]}?" if close else "Names are case-sensitive.",
        source.address,
    )
