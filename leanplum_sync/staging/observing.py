"""Observed users in the database: which of them certainly need no change, and the whole responses about all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from leanplum_sync.address import Subject, SubjectKind
from leanplum_sync.bounds import LINE
from leanplum_sync.errors import LeanplumSyncError, SpecError
from leanplum_sync.problem import Place, Problem
from leanplum_sync.staging.columns import Columns
from leanplum_sync.staging.database import Database, Lines
from leanplum_sync.staging.prints import Assumptions, Draw, with_key
from leanplum_sync.staging.sql import column_types, json_lines, literal, name, time_of_answer
from leanplum_sync.staging.tables import Table
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.limits import USER_ATTRIBUTE_NAMES
from leanplum_sync.wire.profile import EXPORTED

_SAMPLED: Final = 10_000  # users
_MANY_NAMES: Final = USER_ATTRIBUTE_NAMES // 2
_BITS: Final = 60
_ID_OF_PASSED: Final = "CASE WHEN passes THEN id END"
_MOST_PICKED: Final = 200_000  # lines

_TABLES: Final = """
CREATE TABLE passing (kind VARCHAR, id VARCHAR);
CREATE TABLE bounds (observed_at DOUBLE);
CREATE TABLE named (attribute VARCHAR);
"""


class ObservedUsers:
    """
    Call ``sift`` with a snapshot's file, or ``observe`` for each subject and then ``close``. To read only some of them, call
    ``assume`` first, and then give the responses about ``passed`` to ``observe_passed``, or to ``observe`` and ``close``.

    Expects the views ``added`` and ``asked`` of all rows, and creates two tables: ``passed`` has the subjects to compare in
    Python, and ``observed`` the responses about them. *tables* holds the resources that were loaded at once, by number.
    """

    def __init__(self, database: Database, folder: Path, tables: Mapping[int, Table]) -> None:
        self._database, self._folder, self._tables = database, folder, tables
        self._lines = Lines(folder / "observed.ndjson")
        self._has_passed = False
        self._assumed: tuple[int, float | None] = (0, None)
        self._audited: frozenset[Subject] = frozenset()
        database.run(_TABLES)

    def sift(self, snapshot: Path, own_time: float) -> bool:
        """
        Observe the users in a file of exportUser responses, one JSON object per line; *own_time* is the time
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

    def sift_columns(self, columns: Columns, snapshot: Path, own_time: float) -> bool:
        """As ``sift``, with the columns of the snapshot. Return False if they lack a field, or can't be read."""
        if not all(_knows(table, columns.assumptions) for table in self._tables.values()):
            return False
        try:
            self._database.run("BEGIN")
            self._database.run(with_key(columns.assumptions.key))
            met = [
                self._assume_in(table, columns.assumptions, _ID_OF_PASSED) for table in self._tables.values()
            ]
            self._pass_all("SELECT kind, id FROM added")
            self._database.run("CREATE TABLE passed AS SELECT DISTINCT kind, id FROM passing")
            for each in met:
                self._database.run(
                    f"INSERT INTO bounds SELECT unnest([min(learnt_at), max(learnt_at)]) FROM {each} WHERE NOT passes"
                )
                self._database.run(f"DROP TABLE {each}")
            for attribute in columns.names:
                self._database.run(f"INSERT INTO named VALUES ({literal(attribute)})")
            self._sample_names(snapshot)
            if self.count_passed() > _MOST_PICKED:
                self._observe_passed(snapshot, own_time)
            else:
                self._observe_at(columns, snapshot, own_time)
            self._database.run("COMMIT")
        except LeanplumSyncError:
            self._database.run("ROLLBACK")
            return False
        return True

    def _observe_at(self, columns: Columns, snapshot: Path, own_time: float) -> None:
        """
        Keep the whole responses about the users who were passed on, which *columns* find.

        Raises:
            SpecError: they are not at these places.
        """
        found = self._database.all(
            f"SELECT starts_at, size FROM read_parquet({literal(str(columns.assumptions.path))})"
            " WHERE CASE WHEN is_device THEN other IN (SELECT id FROM passed WHERE kind = 'device')"
            " ELSE coalesce(id, other) IN (SELECT id FROM passed WHERE kind = 'user') END ORDER BY starts_at"
        )
        picked = self._folder / "picked.ndjson"
        with snapshot.open("rb") as lines, picked.open("wb") as file:
            for start, size in found:
                lines.seek(start)
                file.write(lines.read(size) + b"\n")
        if self._observe_passed(picked, own_time) != len(found):
            raise unreadable("it is not where it was")

    def assume(
        self, assumptions: Assumptions, draw: Draw | None = None, *, have_one_row_each: bool = False
    ) -> None:
        """
        Pass on all subjects but the users who certainly require no change, according to prints. *draw* says how many of these to pass
        on nevertheless. If all subjects *have_one_row_each*, users can be counted without looking at their ids.

        Raises:
            StorageError: the prints can't be read, or there is no room.
        """
        self._database.run(with_key(assumptions.key))
        needs_ids = draw is not None or not have_one_row_each
        id_of = "id" if needs_ids else _ID_OF_PASSED
        met = [self._assume_in(table, assumptions, id_of) for table in self._tables.values()]
        self._pass_all("SELECT kind, id FROM added")
        self._database.run("CREATE TABLE passed AS SELECT DISTINCT kind, id FROM passing")
        self._has_passed = True
        self._assumed = self._count_assumed(met, draw) if needs_ids else self._count_certain(met)
        for each in met:
            self._database.run(f"DROP TABLE {each}")

    def _count_certain(self, met: list[str]) -> tuple[int, float | None]:
        """Return how many rows don't pass, and when the first of their users was seen or written."""
        rows = " UNION ALL ".join(f"SELECT learnt_at FROM {each} WHERE NOT passes" for each in met)
        count, oldest = (
            self._database.one(f"SELECT count(*), min(learnt_at) FROM ({rows})") if met else (0, None)
        )
        return count, oldest

    def _count_assumed(self, met: list[str], draw: Draw | None) -> tuple[int, float | None]:
        """As ``_count_certain``, for users, and without those who are drawn."""
        rows = (
            " UNION ALL ".join(f"SELECT id, learnt_at FROM {each}" for each in met)
            or "SELECT NULL AS id, NULL AS learnt_at LIMIT 0"
        )
        assumed = f"({rows}) WHERE id NOT IN (SELECT id FROM passed WHERE kind = 'user')"
        if draw is not None:
            (count,) = self._database.one(f"SELECT count(DISTINCT id) FROM {assumed}")
            self._draw(draw.size(count), draw.seed, assumed)
        count, oldest = self._database.one(f"SELECT count(DISTINCT id), min(learnt_at) FROM {assumed}")
        return count, oldest

    def _draw(self, size: int, seed: str, assumed: str) -> None:
        """
        Pass on *size* of the users in *assumed*, too: a random sample without replacement, the same for the same *seed*.

        Each user gets a number that nobody can tell from a random one without the seed, and the lowest numbers are drawn.
        """
        drawn = f"SELECT DISTINCT id FROM {assumed} ORDER BY md5({literal(seed)} || chr(10) || id), id LIMIT {size}"
        found = self._database.all(drawn)
        self._audited = frozenset(Subject.user(each) for (each,) in found)
        self._database.run(f"INSERT INTO passed SELECT 'user', id FROM ({drawn})")

    def audited(self) -> frozenset[Subject]:
        """Return the users who were drawn, out of those who are assumed to require no change."""
        return self._audited

    def _assume_in(self, table: Table, assumptions: Assumptions, id_of: str = "id") -> str:
        """
        Pass on the users of *table*, except those who certainly require no change, and return a table with all of them.

        *id_of* is SQL for the id to keep there. It takes time to store a million.
        """
        met, sieve = f"assumed{table.number}", table.assumed
        if not _knows(table, assumptions):
            self._database.run(
                f"CREATE TABLE {met} AS SELECT c0 AS id, NULL::DOUBLE AS learnt_at, true AS passes FROM {table.name}"
            )
        else:
            columns = "".join(f", {name(of)} AS {alias}" for of, alias in sieve.fields.items())
            of_rows = "".join(f", {sql} AS {alias}" for sql, alias in sieve.of_rows.items())
            known = (
                f"SELECT id, least(seen_at, written_at) AS learnt_at{columns}"
                f" FROM read_parquet({literal(str(assumptions.path))})"
            )
            if assumptions.not_before is not None:
                known += f" WHERE least(seen_at, written_at) >= {assumptions.not_before!r}"
            doubtful = ""
            if assumptions.doubtful is not None:
                ids = f"read_json({json_lines(assumptions.doubtful)}, columns = {{'id': 'VARCHAR'}})"
                doubtful = f" AND w.c0 NOT IN (SELECT id FROM {ids})"
            self._database.run(
                f"CREATE TABLE {met} AS SELECT {id_of} AS id, learnt_at, passes FROM (SELECT w.c0 AS id, p.learnt_at,"
                f" (p.id IS NOT NULL AND ({sieve.same}){doubtful}) IS NOT TRUE AS passes"
                f" FROM (SELECT c0{of_rows} FROM {table.name} AS w) AS w LEFT JOIN ({known}) AS p ON w.c0 = p.id)"
            )
        self._pass_all(f"SELECT 'user', id FROM {met} WHERE passes")
        return met

    def assumed(self) -> tuple[int, float | None]:
        """Return how many users are assumed to require no change, and when the first of them was seen or written, in epoch seconds."""
        return self._assumed

    def passed(self) -> Iterator[Subject]:
        for kind, identifier in self._database.stream("SELECT kind, id FROM passed ORDER BY kind, id"):
            yield Subject(SubjectKind(kind), identifier)

    def observe_passed(self, snapshot: Path, own_time: float) -> bool:
        """As ``sift``, for a snapshot of those who were passed on."""
        try:
            self._database.run("BEGIN")
            self._sample_names(snapshot)
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
        is_device = subject.kind is SubjectKind.DEVICE  # whose response names the user it belongs to
        ids = ("deviceId",) if is_device else ("userId", "deviceId")
        others = {field: value for field, value in element.items() if field not in ids}
        line = self._lines.append(
            **{**others, subject.kind.id_argument: subject.id, "observedAt": observed_at}
        )
        if line > LINE.most:
            raise unreadable(f"it has more than {LINE}")

    def close(self) -> None:
        self._lines.close()
        if self._has_passed:
            if not self.observe_passed(self._lines.path, 0.0):
                self._observe_passed(self._lines.path, 0.0)
        elif not self.sift(self._lines.path, 0.0):
            self._database.run("CREATE TABLE passed AS SELECT DISTINCT kind, id FROM asked")
            self._observe_passed(self._lines.path, 0.0)
        self._lines.path.unlink()

    def discard(self) -> None:
        self._lines.discard()

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
            EXPORTED: "JSON",
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
            f" userAttributes IS NOT NULL AND {EXPORTED} IS NULL AS is_there, {time_of_answer('observedAt', own_time)} AS observed_at"
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
        met = f"met{table.number}"
        if self._database.count(met) == self._database.count(table.name):
            return met
        return f"(SELECT max(observed_at) AS observed_at FROM {met} GROUP BY id)"

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
        Keep the whole responses about the users who were passed on. Return False if they are too many, or
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
        picked = self._folder / "picked.ndjson"
        with snapshot.open("rb") as lines, picked.open("wb") as file:
            at = 0
            for (number,) in found:
                file.write(next(islice(lines, number - at - 1, None), b""))
                at = number
        # DuckDB doesn't count blank lines: if there are any, the wrong lines were picked.
        return self._observe_passed(picked, own_time) == len(found)

    def _observe_passed(self, snapshot: Path, own_time: float) -> int:
        """
        Keep the whole responses about the users who were passed on; if there are several, the last one
        counts.

        Return how many lines are about them.
        """
        self._keep_passed(snapshot, own_time, line="0")
        kept = self._database.count("observed")
        if self._database.all("SELECT 1 FROM observed GROUP BY kind, id HAVING count(*) > 1 LIMIT 1"):
            # Only numbers assigned while the file is read show the order of lines: a join may reorder them.
            # Numbering needs a single thread, so it is done only if needed.
            self._keep_passed(snapshot, own_time, line="row_number() OVER ()")
            self._database.run(
                "DELETE FROM observed WHERE line NOT IN (SELECT max(line) FROM observed GROUP BY kind, id)"
            )
        return kept

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

    def between(self) -> tuple[float | None, float | None]:
        """Return the first and the last time, in epoch seconds, when a wanted subject was observed."""
        first, last = self._database.one(
            "SELECT min(observed_at), max(observed_at)"
            " FROM (SELECT observed_at FROM bounds UNION ALL SELECT observed_at FROM observed)"
        )
        return first, last

    def count_passed(self) -> int:
        return self._database.count("passed")


def _knows(table: Table, assumptions: Assumptions) -> bool:
    """Tell whether *assumptions* may show that users of *table* require no change."""
    return not table.assumed.knows_nothing and table.assumed.fields.keys() <= assumptions.fields


def unreadable(why: str) -> SpecError:
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
