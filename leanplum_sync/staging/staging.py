"""Rows and observed users in one database, and queries on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Final, Self

import orjson

from leanplum_sync.address import Subject, SubjectKind
from leanplum_sync.bounds import LINE, ROWS_OF_A_SUBJECT
from leanplum_sync.errors import LeanplumSyncError, SpecError
from leanplum_sync.kinds.rows.row import Row
from leanplum_sync.planner.parts import Part
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources.opening import ExpansionError
from leanplum_sync.staging.database import LEAST_MEMORY_MB, MEMORY_LIMIT_MB, Database, no_room, threads_for
from leanplum_sync.staging.scratch import ScratchFolder
from leanplum_sync.staging.sieve import source_to_load
from leanplum_sync.staging.sql import (
    column_types,
    json_lines,
    literal,
    name,
    shard_of_subject,
    time_of_answer,
)
from leanplum_sync.staging.tables import Loader, Table
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.excess import TOO_DEEP, excess, is_suspect, is_too_deep
from leanplum_sync.wire.limits import USER_ATTRIBUTE_NAMES
from leanplum_sync.wire.number import dumps_exact, loads_exact

if TYPE_CHECKING:
    from leanplum_sync.kinds import Resource

_SAMPLED: Final = 10_000  # users
_MANY_NAMES: Final = USER_ATTRIBUTE_NAMES // 2
_BITS: Final = 60
_MOST_PICKED: Final = 200_000  # lines

_ROWS: Final = (
    "{kind: 'VARCHAR', id: 'VARCHAR', resource: 'INTEGER', number: 'BIGINT', row: 'VARCHAR', shared: 'VARCHAR',"
    " says: 'VARCHAR'}"
)
_TABLES: Final = """
CREATE TABLE passing (kind VARCHAR, id VARCHAR);
CREATE TABLE bounds (observed_at DOUBLE);
CREATE TABLE named (attribute VARCHAR);
"""


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

    First ``load`` each resource, or ``add`` its rows one by one; then call ``close_rows``. After that,
    ``sift`` a snapshot's file, or ``observe`` subjects one by one and call ``close_observed``. Without
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
            self._rows: IO[bytes] = (self._path / "rows.ndjson").open("wb")
            self._observed: IO[bytes] = (self._path / "observed.ndjson").open("wb")
        except OSError as error:
            raise no_room(error) from error
        self._database.run(_TABLES)
        self._uses_sieve = sieve
        self._tables: dict[int, Table] = {}
        self._views: dict[int, str] = {}
        self._subjects = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._rows, self._observed):
            with suppress(OSError):  # a full disk was already reported by the write
                file.close()
        self._database.close()
        self._folder.close()

    @property
    def folder(self) -> Path:
        """A folder for files that are needed only as long as the staging."""
        return self._path

    # Rows.

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
        return int(self._database.one(f"SELECT count(*) FROM {table.name}")[0])

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
        self._close(self._rows)
        self._database.run(
            f"CREATE TABLE added AS SELECT * FROM read_json(?, format = 'newline_delimited', columns = {_ROWS})",
            [self._rows.name],
        )
        Path(self._rows.name).unlink()
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
            self._database.run(f"DROP TABLE loaded{table.number}")
        self._count_subjects()

    def _count_subjects(self) -> None:
        self._subjects = int(
            self._database.one("SELECT count(*) FROM (SELECT DISTINCT kind, id FROM asked)")[0]
        )

    def count_rows(self) -> int:
        return int(self._database.one("SELECT count(*) FROM asked")[0])

    def count_subjects(self) -> int:
        return self._subjects

    def subjects(self) -> Iterator[Subject]:
        for kind, identifier in self._database.stream(
            "SELECT DISTINCT kind, id FROM asked ORDER BY kind, id"
        ):
            yield Subject(SubjectKind(kind), identifier)

    def crowded(self) -> Iterator[tuple[Subject, int, StagedRow, StagedRow]]:
        """
        Yield each subject that has more than ``ROWS_OF_A_SUBJECT`` rows of a resource: their number, and
        the first two.
        """
        if not self._find_duplicates():
            return
        self._database.run(
            f"CREATE TABLE crowded AS SELECT * FROM duplicates WHERE rows > {ROWS_OF_A_SUBJECT.most}"
        )
        if not self._database.one("SELECT count(*) FROM crowded")[0]:
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
        if self.count_rows() == self._subjects:
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
        count = int(self._database.one(f"SELECT count(*) FROM ({told})")[0])
        if not count:
            return None
        one, other = self._database.all(
            f"SELECT resource, number, row FROM added SEMI JOIN ({told}) USING (says)"
            " ORDER BY says, resource, number LIMIT 2"
        )
        return count, self._staged(*one), self._staged(*other)

    # Observed users.

    def sift(self, snapshot: Path, own_time: float) -> bool:
        """
        Observe the users in a file of exportUser answers, one JSON object per line; *own_time* is the time
        of lines without one. Return False if the file can't be read this way, and users have to be observed
        one by one.
        """
        try:
            self._database.run("BEGIN")
            for table in self._tables.values():
                self._pass_through(table, snapshot, own_time)
            self._pass_all("SELECT kind, id FROM added")
            self._sample_names(snapshot)
            self._database.run("CREATE TABLE passed AS SELECT DISTINCT kind, id FROM passing")
            if not self._observe_picked(snapshot, own_time):
                self._observe_passed(snapshot, own_time)
            self._database.run("COMMIT")
        except LeanplumSyncError:
            self._database.run("ROLLBACK")
            return False
        return True

    def observe(self, subject: Subject, element: Mapping[str, Json], observed_at: float) -> None:
        """
        Add the observed state of *subject*; if there are several, the last one counts.

        Raises:
            SpecError: it is larger than a line of a snapshot may be.
        """
        is_device = subject.kind is SubjectKind.DEVICE  # whose answer names the user it belongs to
        ids = ("deviceId",) if is_device else ("userId", "deviceId")
        others = {field: value for field, value in element.items() if field not in ids}
        line = self._append(
            self._observed, **{**others, subject.kind.id_argument: subject.id, "observedAt": observed_at}
        )
        if line > LINE.most:
            raise _unreadable(f"it has more than {LINE}")

    def close_observed(self) -> None:
        self._close(self._observed)
        observed = Path(self._observed.name)
        if not self.sift(observed, 0.0):
            self._database.run("CREATE TABLE passed AS SELECT DISTINCT kind, id FROM asked")
            self._observe_passed(observed, 0.0)
        observed.unlink()

    def _pass_through(self, table: Table, snapshot: Path, own_time: float) -> None:
        """Pass on the users of *table*, except the ones who certainly require no change."""
        if table.sieve.knows_nothing:
            self._pass_all(f"SELECT 'user', c0 FROM {table.name}")
            return
        attributes = ", ".join(f"{name(each)} JSON" for each in table.sieve.attributes)
        fields = dict.fromkeys(table.sieve.fields, "JSON")
        columns = {
            "userId": "VARCHAR",
            "deviceId": "VARCHAR",
            "observedAt": "DOUBLE",
            "userAttributes": f"STRUCT({attributes})" if attributes else "JSON",
            **fields,
        }
        values = [
            *(
                f"userAttributes.{name(each)}::VARCHAR AS {alias}"
                for each, alias in table.sieve.attributes.items()
            ),
            *(f"{name(each)}::VARCHAR AS {alias}" for each, alias in table.sieve.fields.items()),
        ]
        observed = (
            "SELECT deviceId AS device, coalesce(userId, deviceId, error('no id')) AS id,"
            f" userAttributes IS NOT NULL AS is_there, {time_of_answer('observedAt', own_time)} AS observed_at"
            f"{''.join(', ' + each for each in values)}"
            f" FROM read_json({json_lines(snapshot)}, columns = {column_types(columns)})"
        )
        self._database.run(
            f"CREATE TABLE met{table.number} AS SELECT w.c0 AS id, o.observed_at, {_has(table)}"
            f" (o.is_there AND ({table.sieve.same})) IS NOT TRUE AS passes"
            f" FROM {table.name} AS w LEFT JOIN ({observed}) AS o ON w.c0 = o.id AND nullif(o.device, '') IS NULL"
        )
        self._pass_all(f"SELECT 'user', id FROM met{table.number} WHERE passes")
        self._database.run(
            f"INSERT INTO bounds SELECT unnest([min(observed_at), max(observed_at)]) FROM {self._newest(table)}"
        )
        for place, attribute in enumerate(table.sieve.attributes):
            word, bit = divmod(place, _BITS)
            self._database.run(
                f"INSERT INTO named SELECT {literal(attribute)} FROM met{table.number}"
                f" HAVING bit_or(has{word}) >> {bit} & 1 = 1"
            )
        self._database.run(f"DROP TABLE met{table.number}")

    def _newest(self, table: Table) -> str:
        """Return SQL for the newest line of each user."""
        met, cells = (
            int(self._database.one(f"SELECT count(*) FROM {rows}")[0])
            for rows in (f"met{table.number}", table.name)
        )
        if met == cells:
            return f"met{table.number}"
        return f"(SELECT max(observed_at) AS observed_at FROM met{table.number} GROUP BY id)"

    def _sample_names(self, snapshot: Path) -> None:
        """Record which attributes users have. If their number comes close to the API's limit, look at all users."""
        names = "SELECT DISTINCT unnest(json_keys(json, '$.userAttributes')) FROM"
        lines = f"SELECT json FROM read_json_objects({json_lines(snapshot)})"
        self._database.run(f"INSERT INTO named {names} ({lines} LIMIT {_SAMPLED})")
        if len(self.names_seen()) > _MANY_NAMES:
            self._database.run(f"INSERT INTO named {names} ({lines})")

    def names_seen(self) -> frozenset[str]:
        """Return the names of the users' attributes: all names used in rows, and nearly all others."""
        return frozenset(name for (name,) in self._database.all("SELECT DISTINCT attribute FROM named"))

    def _pass_all(self, subjects: str) -> None:
        self._database.run(f"INSERT INTO passing {subjects}")

    def _observe_picked(self, snapshot: Path, own_time: float) -> bool:
        """
        Keep the whole answers about the users who were passed on. Return False if they are too many, or
        their lines can't be numbered.

        Finding the lines first and then reading them takes half as long as parsing all lines.
        """
        if self.count_passed() > _MOST_PICKED:
            return False
        columns = column_types({"userId": "VARCHAR", "deviceId": "VARCHAR"})
        numbered = (
            "SELECT row_number() OVER () AS line, coalesce(nullif(deviceId, ''), userId) AS id"
            f" FROM read_json({json_lines(snapshot)}, columns = {columns})"
        )
        found = self._database.all(
            f"SELECT line FROM ({numbered}) WHERE id IN (SELECT id FROM passed) ORDER BY line LIMIT {2 * _MOST_PICKED}"
        )
        if len(found) == 2 * _MOST_PICKED:
            return False
        picked = self._path / "picked.ndjson"
        with snapshot.open("rb") as lines, picked.open("wb") as file:
            at = 0
            for (number,) in found:
                file.write(next(islice(lines, number - at - 1, None), b""))
                at = number
        # DuckDB doesn't count blank lines: if there are any, the wrong lines were picked.
        return self._observe_passed(picked, own_time) == len(found)

    def _observe_passed(self, snapshot: Path, own_time: float) -> int:
        """
        Keep the whole answers about the users who were passed on; if there are several, the last one
        counts.

        Return how many lines are about them.
        """
        self._keep_passed(snapshot, own_time, line="0")
        (kept,) = self._database.one("SELECT count(*) FROM observed")
        if self._database.all("SELECT 1 FROM observed GROUP BY kind, id HAVING count(*) > 1 LIMIT 1"):
            # Only numbers assigned while the file is read show the order of lines: a join may reorder them.
            # Numbering needs a single thread, so it is done only if needed.
            self._keep_passed(snapshot, own_time, line="row_number() OVER ()")
            self._database.run(
                "DELETE FROM observed WHERE line NOT IN (SELECT max(line) FROM observed GROUP BY kind, id)"
            )
        return int(kept)

    def _keep_passed(self, snapshot: Path, own_time: float, *, line: str) -> None:
        types = '{"userId": "VARCHAR", "deviceId": "VARCHAR", "observedAt": "DOUBLE"}'
        self._database.run(
            "CREATE OR REPLACE TABLE observed AS SELECT * FROM ("
            " SELECT CASE WHEN nullif(told.deviceId, '') IS NULL THEN 'user' ELSE 'device' END AS kind,"
            " coalesce(nullif(told.deviceId, ''), told.userId, error('no id')) AS id,"
            f" {time_of_answer('told.observedAt', own_time)} AS observed_at, element, line"
            f" FROM (SELECT {line} AS line, json AS element, from_json(json, '{types}') AS told"
            f" FROM read_json_objects({json_lines(snapshot)}))) SEMI JOIN passed USING (kind, id)"
        )

    def observed_between(self) -> tuple[float | None, float | None]:
        """Return the first and the last time, in epoch seconds, when a wanted subject was observed."""
        first, last = self._database.one(
            "SELECT min(observed_at), max(observed_at)"
            " FROM (SELECT observed_at FROM bounds UNION ALL SELECT observed_at FROM observed)"
        )
        return first, last

    def count_unobserved(self) -> int:
        return int(self._database.one("SELECT count(*) FROM passed ANTI JOIN observed USING (kind, id)")[0])

    def count_passed(self) -> int:
        return int(self._database.one("SELECT count(*) FROM passed")[0])

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

    # The files for rows and users that are added one by one.

    def _append(self, file: IO[bytes], **values: Any) -> int:
        """Return how many bytes the line has."""
        try:
            return file.write(orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE))
        except OSError as error:
            raise no_room(error) from error

    def _close(self, file: IO[bytes]) -> None:
        try:
            file.close()
        except OSError as error:
            raise no_room(error) from error


def _element(text: str) -> Mapping[str, Json]:
    """
    Raises:
        SpecError: it is over a bound, or DuckDB accepts it as JSON, but it is not valid: a number is out of range.
    """
    try:
        element: Mapping[str, Json] = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _unreadable(TOO_DEEP if is_too_deep(error) else "a number is out of range") from error
    if is_suspect(text.encode()) and (message := excess(element)):
        raise _unreadable(message)
    return element


def _unreadable(why: str) -> SpecError:
    return SpecError(
        [
            Problem(
                Place("the snapshot"),
                f"a response about a user can't be read: {why}",
                "Read the users again into a new file: leanplum-sync pull --out NEW.ndjson",
            )
        ]
    )


def _has(table: Table) -> str:
    """Return SQL for the columns ``has0``, ``has1``, ...: which attributes a user has, a bit for each."""
    aliases = list(table.sieve.attributes.values())
    words = (aliases[start : start + _BITS] for start in range(0, len(aliases), _BITS))
    return "".join(
        f" {' | '.join(f'((o.{alias} IS NOT NULL)::BIGINT << {bit})' for bit, alias in enumerate(word))} AS has{number},"
        for number, word in enumerate(words)
    )
