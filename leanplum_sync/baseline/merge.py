"""Makes the next generation of prints from the one before and what was learnt since, in DuckDB and in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from leanplum_sync.duck import connect
from leanplum_sync.staging import prints
from leanplum_sync.staging.sql import (
    column_types,
    json_lines,
    literal,
    name,
    shard_of_subject,
    time_of_answer,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_IDS: Final = "{'id': 'VARCHAR'}"
_ROWS_IN_A_GROUP: Final = 122_880
THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class Merge:
    """
    Writes generations in *folder*, which is temporary. *before* is the file of the generation before, None if there is none; it has
    prints of *fields_before*. The next one has prints of *fields*.

    Each file of ids has a JSON object with ``id`` in each line.
    """

    folder: Path
    key: str
    before: Path | None
    fields_before: frozenset[str]
    fields: Sequence[str]
    memory_mb: int

    def read(
        self, snapshot: Path, own_time: float, *, stale: Path, unsure: Path, into: Path, since: float = 0.0
    ) -> int:
        """
        Merge what *snapshot* shows into the rows before, without those of the users in *stale*, and return the number of rows in *into*.

        Users in *unsure* may have changed since they were read, and what was read before *since*, in epoch seconds, is left out. The
        newer of two rows counts. Users who don't exist have none.

        Raises:
            duckdb.Error: there is no room, or *snapshot* can't be read as a whole.
        """
        with self._connected() as connection:
            self._start(connection, stale)
            connection.execute(
                f"CREATE TABLE seen AS SELECT * FROM ({self._seen(snapshot, own_time)})"
                f" WHERE seen_at >= {since!r} AND id NOT IN (SELECT id FROM read_json({json_lines(unsure)}, columns = {_IDS}))"
            )
            self._keep_newest(connection)
            connection.execute(
                "DELETE FROM seen USING before WHERE seen.id = before.id"
                " AND greatest(before.seen_at, before.written_at) > seen.seen_at"
            )
            rows = "SELECT * FROM before WHERE id NOT IN (SELECT id FROM seen) UNION ALL BY NAME SELECT * FROM seen"
            return self._write(connection, rows, into)

    def write(self, written: Path, *, stale: Path, into: Path) -> int:
        """
        Merge what was *written*, a file of lines that ``line_of`` made, into the rows before, without those of the users in *stale*.

        Raises:
            duckdb.Error: there is no room.
        """
        with self._connected() as connection:
            self._start(connection, stale)
            columns = {"id": "VARCHAR", "at": "DOUBLE", **dict.fromkeys(prints.bases_of(self.fields), "JSON")}
            connection.execute(
                f"CREATE TABLE written AS SELECT DISTINCT ON (id) * FROM read_json({json_lines(written)}, columns = {column_types(columns)})"
            )
            of_user = f"coalesce(before.shard, {_shard('coalesce(before.id, w.id)')}) AS shard"
            values = ", ".join(_after_write(each) for each in self.fields)
            rows = (
                f"SELECT {of_user}, coalesce(before.id, w.id) AS id, before.seen_at, coalesce(w.at, before.written_at) AS written_at"
                f"{', ' + values if values else ''} FROM before FULL JOIN written AS w ON before.id = w.id"
            )
            return self._write(connection, rows, into)

    def _connected(self) -> DuckDBPyConnection:
        return connect(
            self.folder / "merge",
            memory_limit_mb=self.memory_mb,
            threads=THREADS,
            spill=self.folder / "spill",
        )

    def _start(self, connection: DuckDBPyConnection, stale: Path) -> None:
        """Create the view ``before``: the rows that still hold, with all fields."""
        connection.execute(prints.with_key(self.key))
        columns = "".join(f", {self._kept(each)} AS {name(each)}" for each in self.fields)
        if self.before is None:
            source = "(SELECT NULL::USMALLINT AS shard, NULL::VARCHAR AS id, NULL::DOUBLE AS seen_at, NULL::DOUBLE AS written_at LIMIT 0)"
        else:
            source = f"read_parquet({literal(str(self.before))})"
        connection.execute(
            f"CREATE TABLE stale AS SELECT DISTINCT id FROM read_json({json_lines(stale)}, columns = {_IDS})"
        )
        connection.execute(
            f"CREATE VIEW before AS SELECT shard, id, seen_at, written_at{columns} FROM {source}"
            " WHERE id NOT IN (SELECT id FROM stale)"
        )

    def _kept(self, field: str) -> str:
        if self.before is not None and field in self.fields_before:
            return name(field)
        return f"NULL::{prints.column_type(field)}"

    def _seen(self, snapshot: Path, own_time: float) -> str:
        bases = prints.bases_of(self.fields)
        attributes = [prints.name_of(each) for each in bases if prints.is_attribute(each)]
        profile = [prints.name_of(each) for each in bases if not prints.is_attribute(each)]
        columns = {
            "userId": "VARCHAR",
            "deviceId": "VARCHAR",
            "observedAt": "DOUBLE",
            "userAttributes": "STRUCT(" + ", ".join(f"{name(each)} JSON" for each in attributes) + ")"
            if attributes
            else "JSON",
            **dict.fromkeys(profile, "JSON"),
        }
        values = {base: f"v{place}" for place, base in enumerate(bases)}
        aliased = "".join(
            f", {'userAttributes.' if prints.is_attribute(base) else ''}{name(prints.name_of(base))}::VARCHAR AS {alias}"
            for base, alias in values.items()
        )
        made = "".join(
            f", {prints.print_of_json(each, values[prints.base_of(each)])} AS {name(each)}"
            for each in self.fields
        )
        return (
            f"SELECT {_shard('id')} AS shard, id, seen_at, NULL::DOUBLE AS written_at{made} FROM"
            f" (SELECT userId AS id, {time_of_answer('observedAt', own_time)} AS seen_at{aliased}"
            f" FROM read_json({json_lines(snapshot)}, columns = {column_types(columns)})"
            " WHERE userAttributes IS NOT NULL AND userId IS NOT NULL AND nullif(deviceId, '') IS NULL)"
        )

    @staticmethod
    def _keep_newest(connection: DuckDBPyConnection) -> None:
        """Keep the newest of several rows about one user; none if that is not clear."""
        several = "SELECT id, max(seen_at) AS newest FROM seen GROUP BY id HAVING count(*) > 1"
        connection.execute(f"CREATE TABLE several AS {several}")
        connection.execute(
            "DELETE FROM seen USING several WHERE seen.id = several.id AND seen.seen_at < newest"
        )
        connection.execute(
            "DELETE FROM seen WHERE id IN (SELECT id FROM seen GROUP BY id HAVING count(*) > 1)"
        )

    def _write(self, connection: DuckDBPyConnection, rows: str, into: Path) -> int:
        columns = "".join(f", {name(each)}" for each in self.fields)
        connection.execute(
            f"COPY (SELECT shard, id, seen_at, written_at{columns} FROM ({rows}) ORDER BY shard, id)"
            f" TO {literal(str(into))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROWS_IN_A_GROUP})"
        )
        (count,) = connection.execute(f"SELECT count(*) FROM read_parquet({literal(str(into))})").fetchall()[
            0
        ]
        return int(count)


def _shard(identifier: str) -> str:
    subject = f"('user:' || {identifier})"
    return f"({shard_of_subject(subject)})::USMALLINT"


def _after_write(of: str) -> str:
    """Return SQL for the print of a field: unchanged without a value in ``written``, unknown if that is ``[]``, and else of the value in it."""
    told = f"w.{name(prints.base_of(of))}"
    value = f"(json_extract({told}, '$[0]')::VARCHAR)"
    return (
        f"CASE WHEN {told} IS NULL THEN before.{name(of)} WHEN {told}::VARCHAR = '[]' THEN NULL"
        f" ELSE {prints.print_of_json(of, value)} END AS {name(of)}"
    )


def write_ids(ids: Iterable[str], file: Path) -> Path:
    """Write a file of ids."""
    with file.open("wb") as lines:
        lines.writelines(orjson.dumps({"id": each}, option=orjson.OPT_APPEND_NEWLINE) for each in ids)
    return file
