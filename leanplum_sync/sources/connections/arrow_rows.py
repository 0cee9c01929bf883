"""Rows of databases whose drivers return Arrow batches with types of their own: Snowflake, BigQuery and Flight SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from leanplum_sync.sources.connections import table_texts
from leanplum_sync.sources.connections.columns import ColumnKind, QueryColumn
from leanplum_sync.sources.connections.interrupting import interruptible

if TYPE_CHECKING:
    import pyarrow as pa


def columns_of(schema: pa.Schema) -> Sequence[QueryColumn]:
    """Return the columns of *schema*, with the types that DuckDB gives to them."""
    types = table_texts.types_of(schema)
    return [_with_whole_numbers(table_texts.column(name, types[name])) for name in schema.names]


def readable(schema: pa.Schema) -> pa.Schema:
    """Return *schema* with texts for decimals of more than 38 digits, which DuckDB doesn't know."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    is_long = pa.types.is_decimal256
    return pa.schema([field.with_type(pa.string()) if is_long(field.type) else field for field in schema])


def as_texts(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, cancel: Callable[[], None]
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of *batches*, each cell as its text. *cancel* makes a driver that waits for the server return."""
    ready = iter(partial(interruptible, partial(_next, batches), cancel), None)
    return table_texts.texts(ready, columns_of(schema))


def _next(batches: Iterator[pa.RecordBatch]) -> Any:
    return next(batches, None)


def _with_whole_numbers(column: QueryColumn) -> QueryColumn:
    """A database whose only exact type is decimal has whole numbers without decimal places."""
    is_whole = column.kind is ColumnKind.DECIMAL and column.type.endswith(",0)")
    return replace(column, kind=ColumnKind.INTEGER) if is_whole else column


def renamed(
    columns: Sequence[QueryColumn], types: Mapping[str, tuple[ColumnKind | None, str]]
) -> Sequence[QueryColumn]:
    """Return *columns* with the database's own names of their types, and another kind where *types* has one."""
    told = [(column, *types.get(column.name, (None, column.type))) for column in columns]
    return [QueryColumn(column.name, kind or column.kind, shown) for column, kind, shown in told]
