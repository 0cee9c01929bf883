"""NDJSON: one JSON object a line, UTF-8. Blank lines are skipped, and numbers keep every digit."""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import orjson

from leanplum_sync.bounds import LINE
from leanplum_sync.kinds.rows.row import Row
from leanplum_sync.kinds.rows.source import FileSource, NeededColumn
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources.header import Header
from leanplum_sync.sources.opening import failure, opened
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.excess import TOO_DEEP, excess, is_suspect, is_too_deep
from leanplum_sync.wire.number import DuplicateKeyError, loads_exact

_BOM: Final = b"\xef\xbb\xbf"
_SPLIT: Final = "Split the row, or leave it out."
_NAMES_KEPT: Final = 1_000  # for "Did you mean"


def header(source: FileSource, root: Path) -> Header:
    """
    Raises:
        SourceError: the file can't be opened, or holds nothing.
    """
    with opened(source, root) as file:
        start = file.peek(3)[:3]
        if not start:
            raise failure(
                Place(source.path),
                "the file is empty",
                "It must have one JSON object per line.",
                source.address,
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
            values = _values(line)
            if isinstance(values, _Fault):
                report(Problem(place, values.message, values.hint, source.address))
                continue
            if unseen:
                unseen -= values.keys()
                seen.update(islice(values, _NAMES_KEPT - len(seen)))
            yield Row(number, place, values)
    if seen:
        for column in source.needed:
            if column.name in unseen:
                report(_nowhere(column, source, seen))


@dataclass(frozen=True, slots=True)
class _Fault:
    message: str
    hint: str


def _values(line: bytes) -> Mapping[str, Json] | _Fault:
    try:
        values = loads_exact(line)
    except orjson.JSONDecodeError as error:
        return _syntax_fault(line, error)
    except DuplicateKeyError as error:
        return _Fault(f"the key {error.key} appears twice on this line", "Remove one of the two.")
    except RecursionError:
        return _Fault(TOO_DEEP, _SPLIT)
    if not isinstance(values, dict):
        return _Fault("the line is not a JSON object", 'Write {"column": value, ...}, one per line.')
    if is_suspect(line) and (message := excess(values)):
        return _Fault(message, _SPLIT)
    return values


def _lines(file: io.BufferedReader, source: FileSource) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, with their numbers."""
    number = 0
    while line := file.readline(LINE.most + 1):
        number += 1
        if len(line) > LINE.most:
            raise failure(
                Place(source.path, number),
                f"the line is longer than {LINE.most:,} bytes",
                "Write one JSON object per line.",
                source.address,
            )
        text = line.removeprefix(_BOM) if number == 1 else line
        if text.strip():
            yield number, text


def _syntax_fault(line: bytes, error: orjson.JSONDecodeError) -> _Fault:
    try:
        line.decode()
    except UnicodeDecodeError:
        return _Fault("the line is not UTF-8", "Save the file as UTF-8.")
    if line.strip() in (b"[", b"{", b"]", b"}"):
        return _Fault(
            "the line is only a part of a JSON value",
            "Write one whole object per line, without a list around them.",
        )
    if is_too_deep(error):
        return _Fault(TOO_DEEP, _SPLIT)
    return _Fault(
        f"the line is not valid JSON from column {error.colno} on", "Write one whole object per line."
    )


def _nowhere(column: NeededColumn, source: FileSource, seen: set[str]) -> Problem:
    close = difflib.get_close_matches(column.name, seen, 1)
    return Problem(
        column.place,
        f"no row of {source.path} has {column.name}",
        f"Did you mean {close[0]}?" if close else "Names are case-sensitive.",
        source.address,
    )
