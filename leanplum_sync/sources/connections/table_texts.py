"""Columns of Parquet files and Arrow batches, by the types that DuckDB gives them: their kinds, and SQL for their texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from leanplum_sync.bounds import CELL
from leanplum_sync.duck import connect
from leanplum_sync.sources.connections.columns import ColumnKind, QueryColumn
from leanplum_sync.sources.parquet_bounds import literal, quoted

if TYPE_CHECKING:
    import pyarrow as pa

_MEMORY_MB: Final = 128
_ROWS_AT_ONCE: Final = 10_000
_LIST: Final = "[]"
# The texts are the ones of columns.py, and so the ones that databases return.
_TYPES: Final = (
    (re.compile(r"VARCHAR|UUID|ENUM\(.*\)", re.DOTALL), ColumnKind.TEXT, "{}::VARCHAR"),
    (re.compile(r"BOOLEAN"), ColumnKind.BOOLEAN, "{}::VARCHAR"),
    (re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?"), ColumnKind.INTEGER, "{}::VARCHAR"),
    (re.compile(r"DECIMAL\([0-9]+,[0-9]+\)"), ColumnKind.DECIMAL, "{}::VARCHAR"),
    (re.compile(r"FLOAT|DOUBLE"), ColumnKind.DOUBLE, r"regexp_replace({}::VARCHAR, '\.0$', '')"),
    (re.compile(r"DATE"), ColumnKind.DATE, "{}::VARCHAR"),
    (
        re.compile(r"TIMESTAMP WITH TIME ZONE"),
        ColumnKind.TIMESTAMP,
        "replace(make_timestamp(epoch_us({}))::VARCHAR, ' ', 'T') || 'Z'",
    ),
    (
        re.compile(r"TIMESTAMPTZ_NS"),
        ColumnKind.TIMESTAMP,
        "replace(make_timestamp_ns(epoch_ns({}))::VARCHAR, ' ', 'T') || 'Z'",
    ),
    (re.compile(r"TIMESTAMP(_S|_MS|_NS)?"), ColumnKind.TIMESTAMP, "replace({}::VARCHAR, ' ', 'T')"),
)
_NUMBERS: Final = (ColumnKind.INTEGER, ColumnKind.DECIMAL, ColumnKind.DOUBLE)
_IS_JSON: Final = (*_NUMBERS, ColumnKind.BOOLEAN, ColumnKind.TEXTS, ColumnKind.NUMBERS, ColumnKind.JSON)


def column(name: str, duckdb_type: str) -> QueryColumn:
    kind, _ = _kind(duckdb_type.removesuffix(_LIST))
    if duckdb_type.endswith(_LIST) and kind is not ColumnKind.OTHER:
        kind = ColumnKind.NUMBERS if kind in _NUMBERS else ColumnKind.TEXTS
    return QueryColumn(name, kind, duckdb_type)


def cell(found: QueryColumn, kind: ColumnKind) -> str:
    """Return SQL for the texts of a column as ``column`` returned it; *kind* may be JSON instead of its own."""
    text = _text(found)
    return text if kind is found.kind or found.kind in _IS_JSON else f"to_json({text})::VARCHAR"


def selected(found: QueryColumn) -> str:
    """Return SQL for the texts of a column as ``column`` returned it, under its name."""
    return f"{_text(found)} AS {quoted(found.name)}"


def constant(text: str | None) -> str:
    """Return SQL for a column with the same text in each row."""
    return "NULL::VARCHAR" if text is None else f"{literal(text)}::VARCHAR"


def texts(batches: Iterable[pa.RecordBatch], columns: Sequence[QueryColumn]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of *batches*, each cell as its text."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    cells = ", ".join(map(selected, columns))
    with connect(memory_limit_mb=_MEMORY_MB) as connection:
        for batch in batches:
            connection.register("batch", pa.Table.from_batches([batch]))
            yield from connection.sql(f"SELECT {cells} FROM batch").to_arrow_reader(_ROWS_AT_ONCE)  # noqa: S608 - names, quoted
            connection.unregister("batch")


def types_of(schema: pa.Schema) -> Mapping[str, str]:
    """Return the types that DuckDB gives to the columns of *schema*."""
    with connect() as connection:
        connection.register("batch", schema.empty_table())
        found = connection.sql("SELECT * FROM batch")
        return {name: str(kind) for name, kind in zip(found.columns, found.types, strict=True)}


def _kind(duckdb_type: str) -> tuple[ColumnKind, str]:
    found = ((kind, expression) for pattern, kind, expression in _TYPES if pattern.fullmatch(duckdb_type))
    return next(found, (ColumnKind.OTHER, f"left({{}}::VARCHAR, {CELL.most})"))


def _text(found: QueryColumn) -> str:
    name = quoted(found.name)
    kind, expression = _kind(found.type.removesuffix(_LIST))
    if found.kind is ColumnKind.OTHER or not found.type.endswith(_LIST):
        return expression.format(name)
    item = expression.format("item")
    if kind not in (*_NUMBERS, ColumnKind.BOOLEAN):
        item = f"to_json({item})::VARCHAR"
    items = f"list_transform({name}, lambda item: coalesce({item}, 'null'))"
    return f"'[' || array_to_string({items}, ',') || ']'"
