"""Parquet, read by DuckDB one piece at a time. Dates and times become ISO 8601 text; decimals keep every digit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leanplum_sync.bounds import CELL
from leanplum_sync.duck import connect, failures
from leanplum_sync.kinds.rows.row import Row
from leanplum_sync.kinds.rows.source import FileSource
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources.header import Header
from leanplum_sync.sources.opening import failure, opened
from leanplum_sync.sources.parquet_bounds import check_footer, longest_row, quoted, rows_at_once, types_of
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.number import Number, as_cell

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

_MEMORY_MB: Final = 128
_PIECE: Final = 256  # rows
_BATCH: Final = 10_000  # rows
_ROWS: Final = "SELECT * FROM read_parquet(?)"
_TYPES: Final = (
    (re.compile(r"VARCHAR|BOOLEAN|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE"), "{}", as_cell),
    (re.compile(r"FLOAT"), "{}::VARCHAR", lambda text: as_cell(float(text))),  # 0.1 of 32 bits is 0.1
    (re.compile(r"DECIMAL\([0-9]+,[0-9]+\)"), "{}::VARCHAR", Number),
    (re.compile(r"DATE|UUID|ENUM\(.*\)", re.DOTALL), "{}::VARCHAR", str),
    (
        re.compile(r"TIMESTAMP WITH TIME ZONE"),
        "replace(make_timestamp(epoch_us({}))::VARCHAR, ' ', 'T') || 'Z'",
        str,
    ),
    (
        re.compile(r"TIMESTAMPTZ_NS"),
        "replace(make_timestamp_ns(epoch_ns({}))::VARCHAR, ' ', 'T') || 'Z'",
        str,
    ),
    (re.compile(r"TIMESTAMP(_S|_MS|_NS)?"), "replace({}::VARCHAR, ' ', 'T')", str),
)  # which types, how DuckDB selects them, and what Python makes of that
_LIST: Final = "[]"
_NUMBERS: Final = re.compile(r".*INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*")
_TEXTS: Final = re.compile(r"VARCHAR|UUID|ENUM\(.*\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Column:
    expression: str
    read: Callable[[Any], Json]


def usable(duckdb_type: str) -> bool:
    """Tell whether a column of this type can become values."""
    return _column("x", duckdb_type) is not None


def holds_text(duckdb_type: str) -> bool:
    """Tell whether a column of this type has the text that ids are."""
    return _TEXTS.fullmatch(duckdb_type) is not None


def holds_numbers(duckdb_type: str) -> bool:
    return _NUMBERS.fullmatch(duckdb_type) is not None


def _column(column: str, duckdb_type: str) -> _Column | None:
    of_list = duckdb_type.endswith(_LIST)
    for pattern, expression, read in _TYPES:
        if pattern.fullmatch(duckdb_type.removesuffix(_LIST)):
            name = quoted(column)
            if of_list:
                return _Column(
                    f"list_transform({name}, lambda item: {expression.format('item')})",
                    partial(_read_list, read=read),
                )
            return _Column(expression.format(name), read)
    return None


def _read_list(items: list[Any], read: Callable[[Any], Json]) -> Json:
    return [None if item is None else read(item) for item in items]


def header(source: FileSource, root: Path) -> Header:
    """
    Raises:
        SourceError: the file is not Parquet.
    """
    with _reading(source, root) as (connection, path):
        types = {column: str(kind) for column, kind in types_of(connection, _ROWS, path).items()}
    return Header(tuple(types), types)


def rows(source: FileSource, root: Path, report: Callable[[Problem], None]) -> Iterator[Row]:  # noqa: ARG001 - the signature of all formats
    """
    Yield the rows. Columns of types that can't become values (structures, bytes) are text, for people who
    look at the row.

    Raises:
        SourceError: the file is not Parquet, or damaged further on.
    """
    with _reading(source, root) as (connection, path):
        types = types_of(connection, _ROWS, path)
        longest = longest_row(connection, path, types, source)
        columns = {
            column: _column(column, str(kind))
            or _Column(f"left({quoted(column)}::VARCHAR, {CELL.most})", str)
            for column, kind in types.items()
        }
        piece_rows = rows_at_once(longest, _PIECE)
        selected = ", ".join(column.expression for column in columns.values())
        result = connection.execute(f"SELECT {selected} FROM read_parquet(?)", [path])  # noqa: S608 - column names, quoted above
        number = 0
        while piece := result.fetchmany(piece_rows):
            for values in piece:
                number += 1
                cells = {
                    name: None if value is None else column.read(value)
                    for (name, column), value in zip(columns.items(), values, strict=True)
                }
                yield Row(number, Place(source.path, row=number), cells)


def batches(source: FileSource, root: Path, cells: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """
    Yield the rows, many at once. *cells* are SQL for their columns.

    Raises:
        SourceError: as for ``rows``.
    """
    with _reading(source, root) as (connection, path):
        longest = longest_row(connection, path, types_of(connection, _ROWS, path), source)
        found = connection.sql(f"SELECT {', '.join(cells)} FROM read_parquet(?)", params=[path])  # noqa: S608 - names, quoted
        yield from found.to_arrow_reader(rows_at_once(longest, _BATCH))


@contextmanager
def _reading(source: FileSource, root: Path) -> Iterator[tuple[DuckDBPyConnection, str]]:
    import duckdb  # noqa: PLC0415 - heavy, and most files are CSV

    with opened(source, root):  # says clearly why a file can't be opened
        pass
    path = re.sub(r"([*?\[])", r"[\1]", str(root / source.path))  # or they would be taken for a pattern
    try:
        with connect(memory_limit_mb=_MEMORY_MB) as connection:
            check_footer(connection, path, source)
            yield connection, path
    except duckdb.OutOfMemoryException as error:
        raise failure(
            Place(source.path),
            f"reading the file takes more than {_MEMORY_MB} MB of memory",
            "Shorten its text values and lists, or write it with smaller row groups.",
            source.address,
        ) from error
    except failures() as error:
        raise failure(
            Place(source.path),
            "the file is not valid Parquet, or is damaged",
            "Export it again. If it has another format, set `format` in the spec.",
            source.address,
        ) from error
