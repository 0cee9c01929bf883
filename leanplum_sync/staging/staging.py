"""Rows and observed users in one database, and queries on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Final, Self

import orjson

from leanplum_sync.address import Subject, SubjectKind
from leanplum_sync.bounds import ROWS_OF_A_SUBJECT
from leanplum_sync.errors import LeanplumSyncError
from leanplum_sync.kinds.rows.row import Row
from leanplum_sync.planner.parts import Part
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources.opening import ExpansionError
from leanplum_sync.staging.database import (
    LEAST_MEMORY_MB,
    MEMORY_LIMIT_MB,
    Database,
    Lines,
    no_room,
    threads_for,
)
from leanplum_sync.staging.observing import ObservedUsers, unreadable
from leanplum_sync.staging.scratch import ScratchFolder
from leanplum_sync.staging.sieve import source_to_load
from leanplum_sync.staging.sql import (
    literal,
    shard_of_subject,
)
from leanplum_sync.staging.tables import Loader, Table
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.excess import TOO_DEEP, excess, is_suspect, is_too_deep
from leanplum_sync.wire.number import dumps_exact, loads_exact

if TYPE_CHECKING:
    from leanplum_sync.kinds import Resource

_ROWS: Final = (
    "{kind: 'VARCHAR', id: 'VARCHAR', resource: 'INTEGER', number: 'BIGINT', row: 'VARCHAR', shared: 'VARCHAR',"
    " says: 'VARCHAR'}"
)


@dataclass(frozen=True, slots=True)
class StagedRow:
    """*resource* is the number under which the row was added."""

    resource: int
    row: Row


@dataclass(frozen=True, slots=True)
class Met:
    """One subject: its rows, and its exportUser element; None if it was not observed."""

    subject: Subject
    rows: tuple[StagedRow, ...]
    element: Mapping[str, Json] | None


class Staging:
    """
    A context manager with its own files, which it removes at the end.

    First ``load`` each resource, or ``add`` its rows one by one; then call ``close_rows``. After that, fill ``users``. Without
    *sieve*, every subject is passed on, which only takes longer. With *only_rows*, nothing will be
    observed, and less memory is needed.
    """

    def __init__(
        self,
        folder: Path | None = None,
        memory_limit_mb: int | None = None,
        *,
        sieve: bool = True,
        only_rows: bool = False,
    ) -> None:
        limit = memory_limit_mb or (LEAST_MEMORY_MB if only_rows else MEMORY_LIMIT_MB)
        threads = threads_for(limit, os.cpu_count() or 1, only_rows=only_rows)
        try:
            self._folder = ScratchFolder(folder)
            self._path = self._folder.path
            self._database = Database(self._path, limit, threads)
            self._rows = Lines(self._path / "rows.ndjson")
            self._tables: dict[int, Table] = {}
            self.users = ObservedUsers(self._database, self._path, self._tables)
        except OSError as error:
            raise no_room(error) from error
        self._uses_sieve = sieve
        self._views: dict[int, str] = {}
        self._subjects = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows.discard()
        self.users.discard()
        self._database.close()
        self._folder.close()

    @property
    def folder(self) -> Path:
        """A folder for files that are needed only as long as the staging."""
        return self._path

    def load(self, number: int, resource: Resource, root: Path) -> int | None:
        """
        Load all rows of *resource* at once, and return their number; None if they have to be added one by one.

        ``doubtful`` yields the rows that are not certainly valid.

        Raises:
            ExpansionError: the file expands too much. Reading it row by row would take long and fail in the same way.
        """
        source = source_to_load(resource) if self._uses_sieve else None
        if source is None:
            return None
        try:
            table = Loader(self._database, root, self._path).load(number, resource, source)
        except ExpansionError:
            raise
        except (OSError, LeanplumSyncError):
            table = None  # reading row by row shows what is wrong, and where
        if table is None:
            self._database.run(f"DROP TABLE IF EXISTS loaded{number}")
            return None
        self._tables[number] = table
        self._view(table, table.rows)
        return self._database.count(table.name)

    def columns_loaded(self, number: int) -> tuple[str, ...]:
        return self._tables[number].sieve.columns

    def said(self, number: int, place: int, words: Sequence[str]) -> tuple[int, Row] | None:
        """
        Return how many loaded rows have one of *words* in the column at *place*, and the first such row;
        None if there are none.
        """
        table = self._tables[number]
        if not table.holds_text(place):
            return None
        cell = f"c{place}"
        longest = max(map(len, words))
        listed = ", ".join(map(literal, words))
        condition = f"length({cell}) <= {longest} AND {cell} IN ({listed})"
        count, first = self._database.one(f"SELECT count(*), min(number) FROM {table.name} WHERE {condition}")
        return (count, table.row(first, [""] * len(table.sieve.columns))) if count else None

    def doubtful(self, number: int, report: Callable[[Problem], None]) -> Iterator[Row]:
        """Yield the loaded rows that are not certainly valid, in the order of the file. Cells that are none of their kind are reported."""
        table = self._tables[number]
        query = f"SELECT number, {table.cells_as_read} FROM {table.name} AS w WHERE ({table.sieve.sound}) IS NOT TRUE ORDER BY number"
        return (table.row(row[0], row[1:], report) for row in self._database.stream(query))

    def drop(self, number: int, rows: Iterable[Row]) -> None:
        """Remove *rows* with problems from a loaded resource. These may be all of its rows."""
        table = self._tables[number]
        dropped = self._path / f"dropped{number}.csv"
        try:
            with dropped.open("w") as file:
                file.writelines(f"{row.number}\n" for row in rows)
        except OSError as error:
            raise no_room(error) from error
        if dropped.stat().st_size:
            numbers = f"read_csv({literal(str(dropped))}, header = false, columns = {{'number': 'BIGINT'}})"
            self._database.run(f"CREATE TABLE dropped{number} AS SELECT number FROM {numbers}")
            self._database.run(f"CREATE VIEW whole{number} AS {self._views[number]}")
            self._view(table, f"SELECT * FROM whole{number} ANTI JOIN dropped{number} USING (number)")
        dropped.unlink()

    def _view(self, table: Table, rows: str) -> None:
        self._views[table.number] = rows
        self._database.run(f"CREATE OR REPLACE VIEW {table.name} AS {rows}")

    def add(self, resource: int, subject: Subject, row: Row, shared: tuple[str, str] | None = None) -> None:
        """
        Add a row.

        *shared* names something that the subject may share with others, such as a device, and a fingerprint
        of the row's value for it.
        """
        place = row.place
        packed = dumps_exact([place.file, place.line, place.column, place.row, dict(row.values)])
        self._rows.append(
            kind=subject.kind,
            id=subject.id,
            resource=resource,
            number=row.number,
            row=packed.decode(),
            shared=shared and shared[0],
            says=shared and shared[1],
        )

    def close_rows(self) -> None:
        self._rows.close()
        self._database.run(
            f"CREATE TABLE added AS SELECT * FROM read_json(?, format = 'newline_delimited', columns = {_ROWS})",
            [str(self._rows.path)],
        )
        self._rows.path.unlink()
        asked = " UNION ALL ".join(
            [
                "SELECT kind, id, resource, number FROM added",
                *(
                    f"SELECT 'user', c0, {each.number}, number FROM {each.name}"
                    for each in self._tables.values()
                ),
            ]
        )
        self._database.run(f"CREATE VIEW asked AS {asked}")
        self._count_subjects()

    def keep(self, part: Part) -> None:
        """Remove the rows of all subjects that are not in *part*."""
        shards = f"BETWEEN {part.shards[0]} AND {part.shards[-1]}"
        subject = "kind || ':' || id"
        self._database.run(f"DELETE FROM added WHERE {shard_of_subject(subject)} NOT {shards}")
        for table in self._tables.values():
            subject, kept = "'user:' || c0", f"kept{table.number}"
            self._database.run(
                f"CREATE TABLE {kept} AS SELECT * FROM {table.name} WHERE {shard_of_subject(subject)} {shards}"
            )
            self._view(table, f"SELECT * FROM {kept}")
            self._database.run(f"DROP TABLE IF EXISTS loaded{table.number}")
        self._count_subjects()

    def _count_subjects(self) -> None:
        self._subjects = self._database.count("(SELECT DISTINCT kind, id FROM asked)")

    def count_rows(self) -> int:
        return self._database.count("asked")

    def count_subjects(self) -> int:
        return self._subjects

    @property
    def has_one_row_each(self) -> bool:
        """Whether no subject has several rows."""
        return self.count_rows() == self._subjects

    def subjects(self) -> Iterator[Subject]:
        for kind, identifier in self._database.stream(
            "SELECT DISTINCT kind, id FROM asked ORDER BY kind, id"
        ):
            yield Subject(SubjectKind(kind), identifier)

    def crowded(
        self, most: Mapping[int, int] = MappingProxyType({})
    ) -> Iterator[tuple[Subject, int, StagedRow, StagedRow]]:
        """
        Yield each subject that has more than ``ROWS_OF_A_SUBJECT`` rows of a resource, or more than *most* says for its
        number: how many, and the first two.
        """
        if not self._find_duplicates():
            return
        self._database.run(
            "CREATE TABLE crowded AS SELECT * FROM duplicates WHERE rows >"
            f" CASE WHEN false THEN 0 {''.join(f'WHEN resource = {number} THEN {rows} ' for number, rows in most.items())}"
            f"ELSE {ROWS_OF_A_SUBJECT.most} END"
        )
        if not self._database.count("crowded"):
            return
        self._database.run(
            "CREATE TABLE crowd AS SELECT kind, id, resource, rows, min(number, 2) AS numbers"
            " FROM asked JOIN crowded USING (kind, id, resource) GROUP BY kind, id, resource, rows"
        )
        rows = self._database.stream(
            "SELECT kind, id, rows, resource, number, row"
            f" FROM ({self._rows_of('crowd')}) JOIN crowd USING (kind, id, resource)"
            " WHERE list_contains(numbers, number) ORDER BY kind, id, resource, number"
        )
        for (kind, identifier, count, *first), second in zip(rows, rows, strict=True):
            yield (
                Subject(SubjectKind(kind), identifier),
                count,
                self._staged(*first),
                self._staged(*second[3:]),
            )

    def repeated(self, shared: Sequence[tuple[int, int]]) -> Iterator[Met]:
        """
        Yield the subjects that may have conflicts, without observed values: subjects with several rows of
        one resource, or with rows of two resources that share a field. *shared* has (resource, field)
        pairs. Call ``crowded`` first: its subjects are left out.
        """
        if not self._find_duplicates():
            return
        self._database.run(
            "CREATE TABLE sharing AS SELECT unnest(?::INTEGER[]) AS resource, unnest(?::INTEGER[]) AS field",
            [[resource for resource, _ in shared], [field for _, field in shared]],
        )
        self._database.run(
            "CREATE TABLE repeated AS SELECT * FROM (SELECT kind, id FROM duplicates"
            " UNION SELECT kind, id FROM asked JOIN sharing USING (resource) GROUP BY kind, id, field HAVING count(*) > 1"
            ") ANTI JOIN crowded USING (kind, id)"
        )
        yield from self._met(
            f"SELECT *, NULL FROM ({self._rows_of('repeated')}) ORDER BY kind, id, resource, number"
        )

    def _find_duplicates(self) -> bool:
        """Find the subjects with several rows of a resource; False if every subject has one row."""
        if self.has_one_row_each:
            return False
        self._database.run(
            "CREATE TABLE IF NOT EXISTS duplicates AS"
            " SELECT kind, id, resource, count(*) AS rows FROM asked GROUP BY kind, id, resource HAVING count(*) > 1"
        )
        return True

    def contested(self) -> Iterator[tuple[StagedRow, StagedRow]]:
        """Yield both rows of each conflict: two subjects that disagree about a device they share."""
        rows = self._database.stream(
            "WITH told AS (SELECT *, row_number() OVER (PARTITION BY shared ORDER BY resource, number) AS place"
            " FROM added WHERE shared IS NOT NULL)"
            " SELECT first.resource, first.number, first.row, other.resource, other.number, other.row"
            " FROM told AS other JOIN told AS first"
            " ON first.shared = other.shared AND first.place = 1 AND first.says <> other.says"
            " AND (first.kind <> other.kind OR first.id <> other.id) ORDER BY other.resource, other.number"
        )
        for row in rows:
            yield self._staged(*row[:3]), self._staged(*row[3:])

    def shared_tokens(self) -> tuple[int, StagedRow, StagedRow] | None:
        """
        Return how many push tokens belong to more than one device or user, and two rows of the first; None
        if there are none.
        """
        told = (
            "SELECT says FROM added WHERE shared IS NOT NULL GROUP BY says"
            " HAVING count(DISTINCT shared) > 1 OR count(DISTINCT (kind, id)) > 1"
        )
        count = self._database.count(f"({told})")
        if not count:
            return None
        one, other = self._database.all(
            f"SELECT resource, number, row FROM added SEMI JOIN ({told}) USING (says)"
            " ORDER BY says, resource, number LIMIT 2"
        )
        return count, self._staged(*one), self._staged(*other)

    def count_unobserved(self) -> int:
        return self._database.count("passed ANTI JOIN observed USING (kind, id)")

    def met(self) -> Iterator[Met]:
        """
        Yield the subjects, sorted, with their rows in the order of resources and their observed state.
        Subjects that certainly require no change are left out.
        """
        yield from self._met(
            f"SELECT asking.*, element FROM ({self._rows_of('passed')}) AS asking LEFT JOIN observed USING (kind, id)"
            " ORDER BY kind, id, resource, number"
        )

    def _rows_of(self, subjects: str) -> str:
        """Return SQL for the rows of all resources about *subjects*, a table."""
        return " UNION ALL ".join(
            [
                f"SELECT kind, id, resource, number, row FROM added SEMI JOIN {subjects} USING (kind, id)",
                *(
                    f"SELECT 'user', c0, {table.number}, number, to_json([{table.cells_as_read}])::VARCHAR"
                    f" FROM {table.name} WHERE c0 IN (SELECT id FROM {subjects} WHERE kind = 'user')"
                    for table in self._tables.values()
                ),
            ]
        )

    def _met(self, query: str) -> Iterator[Met]:
        for (kind, identifier), group in groupby(self._database.stream(query), key=lambda row: row[:2]):
            rows = list(group)
            element = rows[0][5]
            yield Met(
                Subject(SubjectKind(kind), identifier),
                tuple(self._staged(*row[2:5]) for row in rows),
                None if element is None else _element(element),
            )

    def _staged(self, resource: int, number: int, text: str) -> StagedRow:
        if (table := self._tables.get(resource)) is not None:
            return StagedRow(resource, table.row(number, orjson.loads(text)))
        file, line, column, row, values = loads_exact(text.encode())
        return StagedRow(resource, Row(row or 0, Place(file, line, column, row), values))


def _element(text: str) -> Mapping[str, Json]:
    """
    Raises:
        SpecError: it is over a bound, or DuckDB accepts it as JSON, but it is not valid: a number is out of range.
    """
    try:
        element: Mapping[str, Json] = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise unreadable(TOO_DEEP if is_too_deep(error) else "a number is out of range") from error
    if is_suspect(text.encode()) and (message := excess(element)):
        raise unreadable(message)
    return element
