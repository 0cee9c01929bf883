"""Resources whose rows are read as a table: CSV files that DuckDB certainly reads as Python does, and kept rows."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, assert_never

from leanplum_sync.kinds.rows.row import Row
from leanplum_sync.kinds.rows.source import (
    AudienceSource,
    Compression,
    FileSource,
    ObjectsSource,
    QuerySource,
    ReadSource,
)
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources import header
from leanplum_sync.sources.connections import kept
from leanplum_sync.sources.connections.columns import ColumnKind
from leanplum_sync.sources.opening import opened
from leanplum_sync.sources.reading import emptied
from leanplum_sync.staging.assumed import NO_SIEVE, PrintSieve, print_sieve_of
from leanplum_sync.staging.csv_table import (
    Shape,
    cell,
    delimiters_in_cells,
    first_line_end,
    relation,
    shape_of,
)
from leanplum_sync.staging.sieve import Sieve, sieve_of
from leanplum_sync.staging.sql import literal, name
from leanplum_sync.wire.action import Json

if TYPE_CHECKING:
    from leanplum_sync.kinds import Resource
    from leanplum_sync.staging.database import Database

_POSITION: Final = "file_row_number"  # DuckDB's own name for a column with it


@dataclass(frozen=True, slots=True)
class Table:
    """
    A resource whose rows were loaded. *rows* is SQL for them.

    They have the row's ``number``, and a column for each column of *sieve*. The number is the row's position in the table or the kept
    file, so rows are never deleted: DuckDB may close the gap whenever it compacts a table. *kinds* are the kinds of kept columns. *assumed* is the
    sieve for prints.
    """

    number: int
    source: FileSource | ReadSource
    sieve: Sieve
    rows: str
    kinds: Mapping[str, ColumnKind] = field(default_factory=dict)
    assumed: PrintSieve = NO_SIEVE

    @property
    def name(self) -> str:
        return f"cells{self.number}"

    @property
    def columns(self) -> str:
        return _aliases(self.sieve)

    @property
    def cells_as_read(self) -> str:
        """SQL for the cells as ``row`` takes them: an empty cell of a CSV file is an empty text."""
        match self.source:
            case FileSource():
                return ", ".join(f"coalesce(c{place}, '')" for place in range(len(self.sieve.columns)))
            case QuerySource() | ObjectsSource() | AudienceSource():
                return self.columns
            case _:
                assert_never(self.source)

    def holds_text(self, place: int) -> bool:
        """Tell whether the values in the column at *place* are texts."""
        return self.kinds.get(self.sieve.columns[place], ColumnKind.TEXT) is ColumnKind.TEXT

    def row(
        self, number: int, cells: Iterable[str | None], report: Callable[[Problem], None] = lambda _: None
    ) -> Row:
        """Return a row, as reading row by row would; a cell that is none of its kind is reported."""
        match self.source:
            case FileSource():
                # No cell of such a file contains a line break, so each line after the header is a row.
                values: dict[str, Json] = dict(zip(self.sieve.columns, cells, strict=True))
                return Row(number, Place(self.source.path, number + 1, row=number), values)
            case QuerySource() | ObjectsSource() | AudienceSource():
                columns = [(column, self.kinds[column]) for column in self.sieve.columns]
                return emptied(kept.row(number, columns, cells, self.source, report), self.source)
            case _:
                assert_never(self.source)


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads into *database*. *root* is the project folder, *folder* is for files that are needed as long as the tables."""

    database: Database
    root: Path
    folder: Path

    def load(self, number: int, resource: Resource, source: FileSource | ReadSource) -> Table | None:
        """
        Load the rows of *source* into the table ``loaded`` *number*. Kept rows stay in their file.

        Return None if that can't be done, or might give other rows than reading them one by one.

        Raises:
            ExpansionError: the file expands too much.
            LeanplumSyncError, OSError: the rows can't be read this way.
        """
        match source:
            case FileSource():
                return self._csv(number, resource, source)
            case QuerySource() | ObjectsSource() | AudienceSource():
                return self._kept(number, resource, source)
            case _:
                assert_never(source)

    def _kept(self, number: int, resource: Resource, source: ReadSource) -> Table | None:
        path, columns = kept.file_and_columns(source, self.root, self.folder / f"rows{number}.parquet")
        kinds = dict(columns)
        taken = [column.name for column in resource.columns_needed()]
        if not set(taken) <= kinds.keys() or kinds[taken[0]] is not ColumnKind.TEXT:
            return None
        if _POSITION in map(str.lower, kinds) or not _are_distinct(kinds):
            return None
        aliases = ", ".join(
            f"{_emptied(name(column), source.empty if kinds[column] is ColumnKind.TEXT else ())} AS c{place}"
            for place, column in enumerate(taken)
        )
        # The file is sorted, compressed and small: a table made of it would only take time.
        rows = f"SELECT {_POSITION} + 1 AS number, {aliases} FROM read_parquet({literal(str(path))}, {_POSITION} = true)"
        sieve = sieve_of(resource, kinds=kinds)
        assumed = print_sieve_of(resource, kinds=kinds)
        return Table(number, source, sieve, rows, kinds, assumed)

    def _csv(self, number: int, resource: Resource, source: FileSource) -> Table | None:
        path = self.root / source.path
        if source.compression is not Compression.NONE:
            path = self.folder / f"cells{number}.csv"
            with opened(source, self.root) as packed, path.open("wb") as plain:
                shutil.copyfileobj(packed, plain)
        head = header(source, self.root)
        columns = head.columns
        taken = [column.name for column in resource.columns_needed()]
        if columns is None or head.lines_before or not set(taken) <= set(columns):
            return None
        if "" in columns or len(set(columns)) < len(columns):
            return None  # reading row by row tells what is wrong with the names
        ends_lines_with = first_line_end(path)
        rows = relation(path, len(columns), ends_lines_with, head.delimiter)
        aliases = ", ".join(
            f"{_emptied(cell(columns.index(column)), source.empty)} AS c{place}"
            for place, column in enumerate(taken)
        )
        with ThreadPoolExecutor(1) as other:
            scanned = other.submit(shape_of, path, head.delimiter)
            # In parallel: DuckDB works outside of Python's lock.
            self.database.run(f"CREATE TABLE loaded{number} ({_typed(len(taken))})")
            self.database.run(f"INSERT INTO loaded{number} SELECT {aliases} FROM {rows}")
            shape = scanned.result()
        if shape is None or shape.ends_lines_with != ends_lines_with:
            return None
        sieve = sieve_of(resource, has_backslashes=shape.has_backslashes)
        assumed = print_sieve_of(resource)
        table = Table(number, source, sieve, _numbered(number, sieve), assumed=assumed)
        if not self._is_as_it_looks(table, columns, rows, shape, head.delimiter):
            return None
        return self._without_blank(table, columns, rows)

    def _is_as_it_looks(
        self, table: Table, columns: Sequence[str], rows: str, shape: Shape, delimiter: str
    ) -> bool:
        """Tell whether each line is one row, and no row has too many cells."""
        count = self.database.count(f"loaded{table.number}")
        inside = sum(column.count(delimiter) for column in columns)
        if shape.has_quotes:
            # If all columns were loaded unchanged, there is no need to read the file again.
            is_whole = len(table.sieve.columns) == len(columns) and not table.source.empty
            cells = [f"c{place}" if is_whole else cell(place) for place in range(len(columns))]
            counted = f"SELECT {delimiters_in_cells(cells, delimiter)} FROM {f'loaded{table.number}' if is_whole else rows}"
            inside += int(self.database.one(counted)[0])
        return count + 1 == shape.lines and shape.delimiters - inside == shape.lines * (len(columns) - 1)

    def _without_blank(self, table: Table, columns: Sequence[str], rows: str) -> Table:
        """
        Return *table* without the rows that have no text at all.

        The file is read again only if some rows have no text in the loaded columns.
        """
        taken = f"coalesce({table.columns}, NULL) IS NULL"
        if not self.database.count(f"loaded{table.number} WHERE c0 IS NULL AND {taken}"):
            return table
        everything = f"coalesce({', '.join(map(cell, range(len(columns))))}, NULL) IS NULL"
        self.database.run(
            f"CREATE TABLE blank{table.number} AS SELECT number"
            f" FROM (SELECT row_number() OVER () AS number, * FROM {rows}) WHERE {everything}"
        )
        return replace(
            table, rows=f"SELECT * FROM ({table.rows}) ANTI JOIN blank{table.number} USING (number)"
        )


def _are_distinct(columns: Collection[str]) -> bool:
    """Whether DuckDB can tell the columns apart: it ignores upper and lower case."""
    return len({column.lower() for column in columns}) == len(columns)


def _numbered(number: int, sieve: Sieve) -> str:
    return f"SELECT rowid + 1 AS number, {_aliases(sieve)} FROM loaded{number}"


def _typed(columns: int) -> str:
    """Return the columns of a table for rows. Hardly an id is repeated, so compressing ids takes long and saves little."""
    others = "".join(f", c{place} VARCHAR" for place in range(1, columns))
    return f"c0 VARCHAR USING COMPRESSION uncompressed{others}"


def _aliases(sieve: Sieve) -> str:
    return ", ".join(f"c{place}" for place in range(len(sieve.columns)))


def _emptied(cell: str, words: Sequence[str]) -> str:
    """Return SQL for *cell*, or NULL if it is one of *words*."""
    return f"CASE WHEN {cell} NOT IN ({', '.join(map(literal, words))}) THEN {cell} END" if words else cell
