"""
Where rows of all resources and the observed users come together, subject by subject, in memory that doesn't grow.

Rows are appended as they are read, each under its subject; DuckDB sorts and joins them on disk with a memory limit. What comes
out again is one subject at a time, in the order of subjects, with all that is asked for it and all that was observed of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Final, Self

import orjson

from leanplum_sync.address import Subject, SubjectKind
from leanplum_sync.errors import LeanplumSyncError
from leanplum_sync.problem import Place
from leanplum_sync.resources.row import Row
from leanplum_sync.wire.action import Json

if TYPE_CHECKING:
    import duckdb

MEMORY_LIMIT_MB: Final = 256
_FETCH: Final = 2_000

_ROWS: Final = (
    "{kind: 'VARCHAR', id: 'VARCHAR', resource: 'INTEGER', number: 'BIGINT', row: 'VARCHAR', shared: 'VARCHAR',"
    " says: 'VARCHAR'}"
)
_OBSERVED: Final = (
    "{kind: 'VARCHAR', id: 'VARCHAR', number: 'BIGINT', observed_at: 'DOUBLE', element: 'VARCHAR'}"
)


@dataclass(frozen=True, slots=True)
class StagedRow:
    """*resource* is the number under which the row was added."""

    resource: int
    row: Row


@dataclass(frozen=True, slots=True)
class Met:
    """One subject: the rows that speak of it, and its exportUser element; None if it was not observed."""

    subject: Subject
    rows: tuple[StagedRow, ...]
    element: Mapping[str, Json] | None


class Staging:
    """
    A context with files of its own, gone at its end.

    First ``add`` every row, then ``close_rows``; after that ``observe`` every observed subject, then ``close_observed``.
    """

    def __init__(self, folder: Path | None = None, memory_limit_mb: int = MEMORY_LIMIT_MB) -> None:
        import duckdb  # noqa: PLC0415 - takes longer to import than a small plan takes to make

        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._folder = tempfile.TemporaryDirectory(prefix="staging-", dir=folder)
            self._path = Path(self._folder.name)
            self._database: duckdb.DuckDBPyConnection = duckdb.connect(
                str(self._path / "staging.duckdb"),
                config={"memory_limit": f"{memory_limit_mb}MB", "temp_directory": str(self._path / "spill")},
            )
            self._rows: IO[bytes] = (self._path / "rows.ndjson").open("wb")
            self._observed: IO[bytes] = (self._path / "observed.ndjson").open("wb")
        except (OSError, duckdb.Error) as error:
            raise _no_room(error) from error
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._rows, self._observed):
            with suppress(OSError):  # a full disk was told where it was written to
                file.close()
        self._database.close()
        self._folder.cleanup()

    def add(self, resource: int, subject: Subject, row: Row, shared: tuple[str, str] | None = None) -> None:
        """Add a row. *shared* names what it has in common with other subjects, and a fingerprint of what it says of that."""
        place = row.place
        packed = orjson.dumps(
            [place.file, place.line, place.column, place.row, dict(row.values)], default=str
        )
        self._append(
            self._rows,
            kind=subject.kind,
            id=subject.id,
            resource=resource,
            number=row.number,
            row=packed.decode(),
            shared=shared and shared[0],
            says=shared and shared[1],
        )

    def close_rows(self) -> None:
        self._load("wanted", self._rows, _ROWS)

    def observe(self, subject: Subject, element: Mapping[str, Json], observed_at: float) -> None:
        """Add what was observed of *subject*; of several, the last one counts."""
        self._count += 1
        packed = orjson.dumps(element).decode()
        self._append(
            self._observed,
            kind=subject.kind,
            id=subject.id,
            number=self._count,
            observed_at=observed_at,
            element=packed,
        )

    def close_observed(self) -> None:
        self._load("seen", self._observed, _OBSERVED)
        self._database.execute(
            "CREATE TABLE observed AS SELECT * FROM seen QUALIFY row_number() OVER (PARTITION BY kind, id ORDER BY number DESC) = 1"
        )

    def count_rows(self) -> int:
        return int(self._one("SELECT count(*) FROM wanted")[0])

    def count_subjects(self) -> int:
        return int(self._one("SELECT count(*) FROM (SELECT DISTINCT kind, id FROM wanted)")[0])

    def subjects(self) -> Iterator[Subject]:
        for kind, identifier in self._stream("SELECT DISTINCT kind, id FROM wanted ORDER BY kind, id"):
            yield Subject(SubjectKind(kind), identifier)

    def observed_between(self) -> tuple[float | None, float | None]:
        """Return the first and the last moment, in epoch seconds, at which a wanted subject was observed."""
        first, last = self._one(
            "SELECT min(observed_at), max(observed_at) FROM observed SEMI JOIN wanted USING (kind, id)"
        )
        return first, last

    def count_unobserved(self) -> int:
        query = (
            "SELECT count(*) FROM (SELECT DISTINCT kind, id FROM wanted ANTI JOIN observed USING (kind, id))"
        )
        return int(self._one(query)[0])

    def repeated(self) -> Iterator[Met]:
        """Yield the subjects of which more than one row speaks, without what was observed: where conflicts may be."""
        yield from self._met(
            "SELECT kind, id, resource, row, NULL FROM wanted"
            " QUALIFY count(*) OVER (PARTITION BY kind, id) > 1 ORDER BY kind, id, resource, number"
        )

    def contested(self) -> Iterator[tuple[StagedRow, StagedRow]]:
        """Yield each row that says of a shared thing what the first row about it, of another subject, doesn't: both."""
        rows = self._stream(
            "WITH told AS (SELECT *, row_number() OVER (PARTITION BY shared ORDER BY resource, number) AS place"
            " FROM wanted WHERE shared IS NOT NULL)"
            " SELECT first.resource, first.row, other.resource, other.row FROM told AS other JOIN told AS first"
            " ON first.shared = other.shared AND first.place = 1 AND first.says <> other.says"
            " AND (first.kind <> other.kind OR first.id <> other.id) ORDER BY other.resource, other.number"
        )
        for first_resource, first, other_resource, other in rows:
            yield StagedRow(first_resource, _unpack(first)), StagedRow(other_resource, _unpack(other))

    def met(self) -> Iterator[Met]:
        """Yield every subject, sorted, with its rows in the order of resources, and what was observed of it."""
        yield from self._met(
            "SELECT kind, id, resource, row, element FROM wanted LEFT JOIN observed USING (kind, id)"
            " ORDER BY kind, id, resource, wanted.number"
        )

    def _met(self, query: str) -> Iterator[Met]:
        for (kind, identifier), group in groupby(self._stream(query), key=lambda row: row[:2]):
            rows = list(group)
            element = rows[0][4]
            yield Met(
                Subject(SubjectKind(kind), identifier),
                tuple(StagedRow(row[2], _unpack(row[3])) for row in rows),
                None if element is None else orjson.loads(element),
            )

    def _append(self, file: IO[bytes], **values: Any) -> None:
        try:
            file.write(orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE))
        except OSError as error:
            raise _no_room(error) from error

    def _load(self, table: str, file: IO[bytes], columns: str) -> None:
        import duckdb  # noqa: PLC0415 - as above; loaded by now

        try:
            file.close()
            self._database.execute(
                f"CREATE TABLE {table} AS SELECT * FROM read_json(?, format = 'newline_delimited', columns = {columns})",  # noqa: S608 - constants
                [file.name],
            )
        except (OSError, duckdb.Error) as error:
            raise _no_room(error) from error
        Path(file.name).unlink()

    def _one(self, query: str) -> tuple[Any, ...]:
        row = self._database.execute(query).fetchone()
        if row is None:
            raise AssertionError("an aggregate always has a row")
        return row

    def _stream(self, query: str) -> Iterator[tuple[Any, ...]]:
        # A cursor of its own: a second query on the same one would end the first.
        cursor = self._database.cursor().execute(query)
        while rows := cursor.fetchmany(_FETCH):
            yield from rows


def _unpack(text: str) -> Row:
    file, line, column, row, values = orjson.loads(text)
    return Row(number=row or 0, place=Place(file, line, column, row), values=values)


def _no_room(error: Exception) -> LeanplumSyncError:
    return LeanplumSyncError(
        f"The rows can't be kept while planning: {error}. Nothing was changed: see that there is space, and leave to write."
    )
