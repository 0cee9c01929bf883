"""The database that holds rows and observed users: one file, under a memory limit. Its errors become one of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import orjson

from leanplum_sync.duck import connect, failures, mistakes
from leanplum_sync.errors import StorageError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY_LIMIT_MB: Final = 256
LEAST_MEMORY_MB: Final = 128
_MB_OF_A_THREAD: Final = (
    128  # measured: reading JSON takes buffers of 32 MB, and sorting and joining takes as much again
)
_MB_OF_A_ROWS_THREAD: Final = 64
_FETCH: Final = 2_000  # rows


class Database:
    """
    Tables are compressed in a file in *folder*: in memory they would take several times as much of the
    limit. Queries that need more than the limit spill to the same folder.

    Raises, here and from each method: LeanplumSyncError: there is not enough memory or disk space, or a
    file that a query reads is invalid.
    """

    def __init__(self, folder: Path, memory_limit_mb: int, threads: int) -> None:
        with _storage_errors():
            self._connection = connect(
                folder / "tables", memory_limit_mb=memory_limit_mb, threads=threads, spill=folder / "spill"
            )

    def close(self) -> None:
        self._connection.close()

    def run(self, statement: str, parameters: object = None) -> None:
        with _storage_errors():
            self._connection.execute(statement, parameters)

    def one(self, query: str) -> tuple[Any, ...]:
        (row,) = self.all(query)
        return row

    def count(self, rows: str) -> int:
        """Return the number of *rows*: a table, a view or a query in parentheses."""
        return int(self.one(f"SELECT count(*) FROM {rows}")[0])

    def all(self, query: str) -> list[tuple[Any, ...]]:
        """Unlike ``stream``, this sees changes that are not committed yet."""
        with _storage_errors():
            return self._connection.execute(query).fetchall()

    def stream(self, query: str) -> Iterator[tuple[Any, ...]]:
        # A separate cursor: a second query on the same cursor would end the first.
        cursor = self._connection.cursor()
        with _storage_errors():
            cursor.execute(query)
        while rows := self._fetched(cursor):
            yield from rows

    @staticmethod
    def _fetched(cursor: DuckDBPyConnection) -> list[tuple[Any, ...]]:
        with _storage_errors():
            return cursor.fetchmany(_FETCH)


class Lines:
    """A file of JSON, written line by line and then loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] = path.open("wb")

    def append(self, **values: Any) -> int:
        """Return how many bytes the line has."""
        try:
            return self._file.write(orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE))
        except OSError as error:
            raise no_room(error) from error

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise no_room(error) from error

    def discard(self) -> None:
        with suppress(OSError):  # a full disk was already reported by the write
            self._file.close()


def threads_for(memory_limit_mb: int, cores: int, *, only_rows: bool = False) -> int:
    """Return the number of threads that fit into the memory."""
    each = _MB_OF_A_ROWS_THREAD if only_rows else _MB_OF_A_THREAD
    return max(1, min(cores, memory_limit_mb // each))


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except mistakes():  # not the user's disk: reported as a bug
        raise
    except failures() as error:
        raise no_room(error) from error


def no_room(error: Exception) -> StorageError:
    if isinstance(error, OSError) and error.filename:
        reason = f"{error.filename}: {error.strerror}"
    else:  # After its reason, DuckDB adds lines of advice about its own settings.
        reason, *_ = str(error).splitlines() or [type(error).__name__]
    return StorageError(
        f"Rows and users can't be stored while they are compared: {reason.strip().rstrip('.')}. Nothing was changed. Check that the"
        " disk has space and the folder is writable, or allow more memory with --memory."
    )
