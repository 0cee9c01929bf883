"""Rows that were kept, read back. No connection and no driver is needed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final

from leanplum_sync.duck import connect, failures
from leanplum_sync.kinds.rows.row import Row
from leanplum_sync.kinds.rows.source import ROWS_FOLDER, ReadSource
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources.connections.columns import ColumnKind, UnreadableCellError, value_of
from leanplum_sync.sources.connections.keeping import COLUMNS_KEY
from leanplum_sync.sources.opening import SourceError, failure, file_digest
from leanplum_sync.wire.action import Json

_PIECE: Final = 1_000  # rows
_PLAN_AGAIN: Final = "Plan again: this reads the rows again."


def rows(source: ReadSource, root: Path, report: Callable[[Problem], None]) -> Iterator[Row]:
    """
    Yield the rows, in the order of the file. Cells that are none of their kind are reported if the spec needs them.

    Raises:
        SourceError: the file is missing, or is not the one that was kept.
    """
    path, columns = file_and_columns(source, root)
    try:
        with connect() as connection:
            found = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
            pieces = iter(partial(found.fetchmany, _PIECE), [])
            for number, cells in enumerate(chain.from_iterable(pieces), start=1):
                yield row(number, columns, cells, source, report)
    except failures() as error:
        raise _damaged(source, path) from error


def file_and_columns(
    source: ReadSource, root: Path, own: Path | None = None
) -> tuple[Path, Sequence[tuple[str, ColumnKind]]]:
    """
    Return the Parquet file of the rows, with a text for each cell, and its columns.

    With *own*, that is the file: linked there, so that it stays if another process removes old rows.

    Raises:
        SourceError: the file is missing, or is not the one that was kept.
    """
    import duckdb  # noqa: PLC0415 - heavy

    place = Place(source.name)
    if source.kept is None:
        raise failure(place, "the rows were not read", _PLAN_AGAIN, source.address)
    path = file = root / source.kept.path
    try:
        if own is not None:
            file = _linked(path, own)
        if file_digest(file) != source.kept.sha256:
            raise failure(place, f"{source.kept.path} was changed", _PLAN_AGAIN, source.address)
        with connect() as connection:
            result = connection.execute(
                "SELECT value FROM parquet_kv_metadata(?) WHERE key = ?", [str(file), COLUMNS_KEY.encode()]
            ).fetchall()
        return file, [(name, ColumnKind(kind)) for name, kind, _ in json.loads(result[0][0])]
    except (OSError, duckdb.Error, ValueError, LookupError) as error:
        raise _damaged(source, path) from error


def _linked(path: Path, own: Path) -> Path:
    try:
        own.hardlink_to(path)
    except OSError:  # a file system without links
        shutil.copyfile(path, own)
    return own


def _damaged(source: ReadSource, path: Path) -> SourceError:
    return failure(
        Place(source.name),
        f"{ROWS_FOLDER}/{path.name} is missing or damaged",
        _PLAN_AGAIN,
        source.address,
    )


def row(
    number: int,
    columns: Sequence[tuple[str, ColumnKind]],
    cells: Iterable[str | None],
    source: ReadSource,
    report: Callable[[Problem], None],
) -> Row:
    """Return a row made of the texts of its cells. Cells that are not of the kind of their column are reported if the spec needs them."""
    at = Place(source.name, row=number)
    return Row(number, at, dict(_cells(columns, cells, source, at, report)))


def _cells(
    columns: Sequence[tuple[str, ColumnKind]],
    cells: Iterable[str | None],
    source: ReadSource,
    at: Place,
    report: Callable[[Problem], None],
) -> Iterator[tuple[str, Json]]:
    for (name, kind), text in zip(columns, cells, strict=True):
        try:
            yield name, None if text is None else value_of(text, kind)
        except UnreadableCellError as error:
            if any(column.name == name for column in source.needed):
                report(
                    Problem(
                        at,
                        f"the value in column {name} is not {error.expected}",
                        "Change this value, or set it to null.",
                        source.address,
                    )
                )
            yield name, text
