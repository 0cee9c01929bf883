"""One way in for every format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from leanplum_sync.kinds.rows.row import Row
from leanplum_sync.kinds.rows.source import DataFormat, DataSource, FileSource, InlineSource
from leanplum_sync.problem import Problem
from leanplum_sync.sources import csv_file, ndjson_file, parquet_file
from leanplum_sync.sources.header import Header
from leanplum_sync.sources.opening import SourceError
from leanplum_sync.wire.number import as_cell


def header(source: FileSource, root: Path) -> Header:
    """
    Return what is known of a data file before its rows.

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


def rows(source: DataSource, root: Path, report: Callable[[Problem], None]) -> Iterator[Row]:
    """
    Yield the rows of *source* in its order, holding one at a time; *root* is the project folder.

    Each row that can't be read is reported, and reading goes on with the next. Where it can't go on, that is reported
    too, and the rows end. What is wrong with a header is not said again here: loading the specs did.
    """
    if isinstance(source, InlineSource):
        for number, item in enumerate(source.items, start=1):
            yield Row(number, item.place, {column: as_cell(value) for column, value in item.values.items()})
        return
    try:
        match source.format:
            case DataFormat.CSV:
                yield from csv_file.rows(source, root, report)
            case DataFormat.NDJSON:
                yield from ndjson_file.rows(source, root, report)
            case DataFormat.PARQUET:
                yield from parquet_file.rows(source, root, report)
    except SourceError as error:
        for problem in error.problems:
            report(problem)
