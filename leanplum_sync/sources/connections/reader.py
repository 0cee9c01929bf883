"""What every database can do for us: tell the columns of a query, and its rows as texts."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from leanplum_sync.problem import Problem
from leanplum_sync.sources.connections.columns import QueryColumn
from leanplum_sync.sources.connections.statement import Statement
from leanplum_sync.wire.action import Json

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST_TEXT: Final = 1 << 17  # bytes of a cell, as in Parquet files
_BATCH_BYTES: Final = 8 << 20
_FEWEST, _MOST = 100, 20_000  # rows at once


@dataclass(frozen=True, slots=True)
class Files:
    """
    The files whose paths match *pattern*. *format* and *delimiter* None are told by each file.

    If *format* is one of ``tables.FORMATS``, *pattern* is the folder of a table, and *version* that of the table: None is the latest.
    """

    pattern: str
    format: str | None = None
    delimiter: str | None = None
    version: int | None = None


Wanted: TypeAlias = Statement | Files


class FilesError(Exception):
    """Rows of files can't be read. *problems* names the file and the line or row of each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{len(self.problems)} problems")


class QueryError(Exception):
    """The query can't be run, or its rows can't be kept. Neither *message* nor *hint* holds a value of a row."""

    def __init__(self, message: str, hint: str = "") -> None:
        self.message, self.hint = message, hint
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Account:
    """
    What an account may do. *time_zone* is its own.

    *writable* counts the tables that the account may write to, None if the database has no accounts. *accepts_writes* tells whether
    the database accepted a write, which was rolled back; None if none was tried. *is_checked* is false if only the database's
    administrators can see what the account may do.
    """

    writable: int | None = None
    time_zone: str = ""
    is_checked: bool = True
    accepts_writes: bool | None = None


class Reader(Protocol):
    """
    An open connection, in one transaction that can't write, and sees one state of the database.

    Every method raises ``QueryError`` where the query is at fault, and ``SourceUnreachableError`` where the database is.
    """

    @property
    def server(self) -> str:
        """What answers, such as ``PostgreSQL 16.2``."""

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of the files or tables that were read, by path; empty for a database, whose state has no name."""

    def account(self) -> Account:
        """Return what the account may do in this database. Where a transaction can take it back, a write is tried."""

    def columns(self, query: Wanted, parameters: Mapping[str, Json]) -> tuple[QueryColumn, ...]:
        """Return the columns of *query*, without reading a row."""

    def batches(
        self, query: Wanted, parameters: Mapping[str, Json], columns: Sequence[QueryColumn]
    ) -> Generator[pa.RecordBatch, None, None]:
        """Yield the rows: for each of *columns*, a column of texts. Memory doesn't grow with the number of rows."""


def statement_of(query: Wanted) -> Statement:
    """
    Raises:
        QueryError: it is none.
    """
    if not isinstance(query, Statement):
        raise QueryError("this connection is a database, which has no files", "Use `query: FILE`.")
    return query


def next_size(batch: pa.RecordBatch) -> int:
    """Return how many rows to ask for next, so that wide rows don't take more memory than narrow ones."""
    rows: int = _BATCH_BYTES * batch.num_rows // max(batch.nbytes, 1)
    return max(_FEWEST, min(_MOST, rows))


FIRST_SIZE: Final = _FEWEST


def batch_of(rows: Sequence[Sequence[str | None]], columns: Sequence[QueryColumn]) -> pa.RecordBatch:
    import pyarrow as pa  # noqa: PLC0415 - an extra

    names = [column.name for column in columns]
    cells = [[row[place] for row in rows] for place, _ in enumerate(columns)]
    return pa.record_batch([pa.array(each, pa.string()) for each in cells], names=names)


def check_columns(columns: Sequence[QueryColumn]) -> tuple[QueryColumn, ...]:
    """
    Return *columns*.

    Raises:
        QueryError: there are none, or two have one name.
    """
    if not columns:
        raise QueryError(
            "the query has no columns", "Select the column with the ids, and the columns that the spec uses."
        )
    seen: set[str] = set()
    for column in columns:
        if column.name in seen:
            raise QueryError(
                f"the query has two columns named {column.name}",
                "Give each its own name: SELECT a.id AS a_id, b.id AS b_id.",
            )
        seen.add(column.name)
    return tuple(columns)
