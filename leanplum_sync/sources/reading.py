"""The entry point for all formats."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import assert_never

from leanplum_sync.kinds.rows.row import Row
from leanplum_sync.kinds.rows.source import (
    AudienceSource,
    DataFormat,
    DataSource,
    FileSource,
    InlineSource,
    ObjectsSource,
    QuerySource,
    ReadSource,
)
from leanplum_sync.problem import Problem
from leanplum_sync.sources import csv_file, ndjson_file, parquet_file
from leanplum_sync.sources.connections import kept
from leanplum_sync.sources.header import Header
from leanplum_sync.sources.opening import SourceError
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.number import as_cell


def header(source: FileSource, root: Path) -> Header:
    """
    Return what is known about a data file before its rows are read.

    Raises:
        SourceError: the file can't be read as what it should be.
    """
    match source.format:
        case DataFormat.CSV:
            return csv_file.header(source, root)
        case DataFormat.PARQUET:
            return parquet_file.header(source, root)
        case DataFormat.NDJSON:
            return ndjson_file.header(source, root)


def rows(
    source: DataSource, root: Path, report: Callable[[Problem], None], *, as_written: bool = False
) -> Iterator[Row]:
    """
    Yield the rows of *source* in its order, holding one at a time; *root* is the project folder.

    Cells with a text that the spec calls empty are None, except *as_written*. Each row that can't be read is reported,
    and reading continues with the next. A fault that ends the reading is reported too. Faults of a header are not
    reported here: loading the specs did.
    """
    found = _rows(source, root, report)
    return found if as_written else (emptied(row, source) for row in found)


def emptied(row: Row, source: DataSource) -> Row:
    """Return *row* without the texts that *source* calls empty."""
    words = source.empty
    if not words:
        return row
    values = {column: None if _says(value) in words else value for column, value in row.values.items()}
    return Row(row.number, row.place, values)


def _says(value: Json) -> str | None:
    """Return the text that may mean an empty cell; numbers that are none are called nan in every language."""
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return value if isinstance(value, str) else None


def _rows(source: DataSource, root: Path, report: Callable[[Problem], None]) -> Iterator[Row]:
    match source:
        case InlineSource():
            for number, item in enumerate(source.items, start=1):
                values = {column: as_cell(value) for column, value in item.values.items()}
                yield Row(number, item.place, values)
        case FileSource() | QuerySource() | ObjectsSource() | AudienceSource():
            try:
                yield from _rows_of_file(source, root, report)
            except SourceError as error:
                for problem in error.problems:
                    report(problem)
        case _:
            assert_never(source)


def _rows_of_file(
    source: FileSource | ReadSource, root: Path, report: Callable[[Problem], None]
) -> Iterator[Row]:
    if not isinstance(source, FileSource):
        return kept.rows(source, root, report)
    match source.format:
        case DataFormat.CSV:
            return csv_file.rows(source, root, report)
        case DataFormat.NDJSON:
            return ndjson_file.rows(source, root, report)
        case DataFormat.PARQUET:
            return parquet_file.rows(source, root, report)
