"""Refuses Parquet files that ask for much: first by what their footer says, then by the lengths of their texts and lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from leanplum_sync.bounds import CELL, EXPANDED_FREELY, EXPANSION, ITEMS, LINE, Bound
from leanplum_sync.kinds.rows.source import FileSource
from leanplum_sync.problem import Place
from leanplum_sync.sources.header import check_count
from leanplum_sync.sources.opening import SourceError, expansion, failure

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from duckdb.sqltypes import DuckDBPyType

_HELD_BYTES: Final = 4 * LINE.most
_SIZE_OF_A_NUMBER: Final = 32  # bytes, at most


def check_footer(connection: DuckDBPyConnection, path: str, source: FileSource) -> None:
    """
    Raises:
        SourceError: the file has too many columns, too many cells for its size, or lists that are too long.
    """
    (size,) = connection.execute("SELECT file_size_bytes FROM parquet_file_metadata(?)", [path]).fetchall()[0]
    (columns,) = connection.execute(
        "SELECT count(*) FROM parquet_schema(?) WHERE coalesce(num_children, 0) = 0", [path]
    ).fetchall()[0]
    check_count(columns, Place(source.path), source)
    chunks = "SELECT path_in_schema, row_group_num_rows AS rows, num_values FROM parquet_metadata(?)"
    (cells,) = connection.execute(f"SELECT coalesce(sum(rows), 0) FROM ({chunks})", [path]).fetchall()[0]  # noqa: S608 - a constant
    if cells > max(EXPANDED_FREELY.most, EXPANSION.most * size):
        raise expansion(source, "If that is intended, write it as CSV.")
    long_lists = connection.execute(
        f"SELECT path_in_schema FROM ({chunks}) WHERE num_values > rows * {ITEMS.most} LIMIT 1",  # noqa: S608 - as above
        [path],
    ).fetchall()
    for (column,) in long_lists:
        raise _too_long(column.split(", ")[0], f"lists of more than {ITEMS}", source)


def longest_row(
    connection: DuckDBPyConnection,
    path: str,
    types: Mapping[str, DuckDBPyType],
    source: FileSource,
    text: Bound = CELL,
) -> int:
    """
    Return the size of the longest row, in bytes. *text* bounds each text.

    A dictionary in the file can hold one long text for millions of rows, each of which would take its length in memory.

    Raises:
        SourceError: a value, a list or a row is too long.
    """
    lists = [column for column, kind in types.items() if kind.id == "list"]
    measured = [
        " + ".join(_size(quoted(column), kind) for column, kind in types.items()),
        *(_length(quoted(column), kind) for column, kind in types.items()),
        *(f"len({quoted(column)})" for column in lists),
    ]
    row, *longest = connection.execute(
        f"SELECT {', '.join(f'coalesce(max({each}), 0)' for each in measured)} FROM read_parquet(?)",  # noqa: S608 - column names, quoted
        [path],
    ).fetchall()[0]
    for column, length in zip(types, longest, strict=False):
        if length > text.most:
            raise _too_long(column, f"a text value of more than {text}", source)
    for column, count in zip(lists, longest[len(types) :], strict=True):
        if count > ITEMS.most:
            raise _too_long(column, f"a list of more than {ITEMS}", source)
    if row > LINE.most:
        raise failure(Place(source.path), f"a row has more than {LINE}", "Shorten it.", source.address)
    return int(row)


def rows_at_once(longest: int, most: int) -> int:
    """Return how many rows to hold at once, at most *most*, if the longest has *longest* bytes."""
    return max(1, min(most, _HELD_BYTES // max(1, longest)))


def types_of(connection: DuckDBPyConnection, query: str, path: str) -> dict[str, DuckDBPyType]:
    """Return the types of the columns of *query*, whose one parameter is *path*."""
    found = connection.execute(f"{query} LIMIT 0", [path]).description
    return {str(name): kind for name, kind, *_ in found or ()}


def _length(value: str, kind: DuckDBPyType) -> str:
    """Return SQL for the characters of a text, or of the longest text in a list; of other values, for their size."""
    if kind.id == "varchar":
        return f"length({value})"
    if kind.id == "list" and kind.child.id == "varchar":
        return f"list_max(list_transform({value}, lambda item: length(item)))"
    if kind.id == "list" and _size("", kind.child) == str(_SIZE_OF_A_NUMBER):
        return "0"  # a list of numbers, or of what is as short
    return _size(value, kind)


def _size(value: str, kind: DuckDBPyType, depth: int = 0) -> str:
    """Return SQL for the bytes of a value with all that is in it, without making a text of it."""
    item = f"item{depth}"
    match kind.id:
        case "varchar":
            return f"coalesce(strlen({value}), 0)"
        case "blob":
            return f"coalesce(4 * octet_length({value}), 0)"  # as text: \\x00
        case "list" | "array":
            size = _size(item, kind.child, depth + 1)
            return f"coalesce(list_sum(list_transform({value}, lambda {item}: {size})), 0)"
        case "struct":
            sizes = (
                _size(f"struct_extract({value}, {literal(name)})", child, depth)
                for name, child in _children(kind)
            )
            return f"({' + '.join(sizes)})"
        case "map":
            sides = zip(("map_keys", "map_values"), _children(kind), strict=True)
            lists = (
                f"coalesce(list_sum(list_transform({side}({value}), lambda {item}: {_size(item, child, depth + 1)})), 0)"
                for side, (_, child) in sides
            )
            return f"({' + '.join(lists)})"
        case _:
            return str(_SIZE_OF_A_NUMBER)


def _children(kind: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    return cast("list[tuple[str, DuckDBPyType]]", kind.children)


def _too_long(column: str, what: str, source: FileSource) -> SourceError:
    return failure(Place(source.path), f"column {column} has {what}", "Shorten it.", source.address)


def quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
