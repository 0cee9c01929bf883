"""Parquet, read by DuckDB one piece at a time. Dates and times become ISO 8601 text, decimals numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leanplum_sync.kinds.rows.row import Row
from leanplum_sync.kinds.rows.source import FileSource
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources.header import Header
from leanplum_sync.sources.opening import failure, opened

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PIECE: Final = 2048
_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "memory_limit": "256MB",
    "threads": 1,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_AS_IT_IS = re.compile(r"(VARCHAR|BOOLEAN|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE)(\[\])?")
_AS_TEXT = re.compile(r"DATE|UUID|ENUM.*")


def usable(duckdb_type: str) -> bool:
    """Tell whether a column of this type can become values."""
    return _expression("x", duckdb_type) is not None


def _expression(column: str, duckdb_type: str) -> str | None:
    quoted = '"' + column.replace('"', '""') + '"'
    if _AS_IT_IS.fullmatch(duckdb_type):
        return quoted
    if _AS_TEXT.fullmatch(duckdb_type):
        return f"{quoted}::VARCHAR"
    if duckdb_type.startswith("DECIMAL"):
        return f"{quoted}::DOUBLE"
    if duckdb_type == "TIMESTAMP WITH TIME ZONE":
        return f"replace(make_timestamp(epoch_us({quoted}))::VARCHAR, ' ', 'T') || 'Z'"
    if duckdb_type.startswith("TIMESTAMP"):
        return f"replace({quoted}::TIMESTAMP::VARCHAR, ' ', 'T')"
    return None


def header(source: FileSource, root: Path) -> Header:
    """
    Raises:
        SourceError: the file is not Parquet.
    """
    with _reading(source, root) as (connection, path):
        types = _types(connection, path)
    return Header(tuple(types), types)


def rows(source: FileSource, root: Path, report: Callable[[Problem], None]) -> Iterator[Row]:  # noqa: ARG001 - the signature of all formats
    """
    Yield the rows; columns of types that hold no values (structures, bytes) are left out.

    Raises:
        SourceError: the file is not Parquet, or damaged further on.
    """
    with _reading(source, root) as (connection, path):
        expressions = {
            column: expression
            for column, duckdb_type in _types(connection, path).items()
            if (expression := _expression(column, duckdb_type)) is not None
        }
        if not expressions:
            return
        result = connection.execute(f"SELECT {', '.join(expressions.values())} FROM read_parquet(?)", [path])  # noqa: S608 - column names, quoted above
        number = 0
        while piece := result.fetchmany(_PIECE):
            for values in piece:
                number += 1
                yield Row(number, Place(source.path, row=number), dict(zip(expressions, values, strict=True)))


@contextmanager
def _reading(source: FileSource, root: Path) -> Iterator[tuple[DuckDBPyConnection, str]]:
    import duckdb  # noqa: PLC0415 - heavy, and most files are CSV

    with opened(source, root):  # says clearly why a file can't be opened
        pass
    path = re.sub(r"([*?\[])", r"[\1]", str(root / source.path))  # or they would be taken for a pattern
    try:
        with duckdb.connect(config=_CONFIG) as connection:
            yield connection, path
    except duckdb.Error as error:
        raise failure(
            Place(source.path),
            "the file is not sound Parquet",
            "Write it again; name its format in the spec if it is another.",
            source.address,
        ) from error


def _types(connection: DuckDBPyConnection, path: str) -> dict[str, str]:
    return {
        str(name): str(duckdb_type)
        for name, duckdb_type, *_ in connection.execute(
            "DESCRIBE SELECT * FROM read_parquet(?)", [path]
        ).fetchall()
    }
