"""
The columns of a snapshot: a Parquet file beside it, with prints of the fields that specs manage, and the place of each line.

``pull`` writes it. A plan then compares the snapshot as it compares the baseline, without parsing all responses, and reads only the
lines of users who may change.

Columns that don't belong to the snapshot, or are damaged, are never used: the key of the prints is a digest of the snapshot's content
and time, and the file's name has a digest of the file, made with this key. The key is stored nowhere. So without the snapshot, nobody can
find values by hashing possible ones. The file has ids, but no values.

It has the columns ``id``, of users about whom there is exactly one line; ``other``, the id in any other line; ``is_device``; ``starts_at`` and
``size``, of the line in bytes; ``seen_at`` and ``written_at``, as in the baseline; and one for each field, see ``prints``.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from leanplum_sync.duck import connect, failures
from leanplum_sync.staging import prints
from leanplum_sync.staging.prints import Assumptions
from leanplum_sync.staging.scratch import ScratchFolder
from leanplum_sync.staging.sql import json_lines, literal, name, time_of_answer
from leanplum_sync.wire.profile import EXPORTED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LEAST_BYTES: Final = 16_000_000  # of a snapshot: a smaller one is compared in less than a second
_FORMAT: Final = b"1"
_NAMES: Final = "attributes"
_MEMORY_MB: Final = 256
_PART_BYTES: Final = 32_000_000
_CHUNK_BYTES: Final = 1 << 20
_DIGEST_BYTES: Final = 16
_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class Columns:
    """*names* are attributes that users in the snapshot have, out of those with prints."""

    assumptions: Assumptions
    names: frozenset[str]


def find_columns(snapshot: Path) -> Columns | None:
    """
    Return the columns that belong to *snapshot*, None if there are none.

    Raises:
        OSError: a file can't be read.
    """
    if not (files := list(_beside(snapshot))):
        return None
    key = _key(snapshot)
    for file in files:
        if file == _path(snapshot, file, key):
            with suppress(*failures()):
                return _opened(file, key)
    return None


def write_columns(snapshot: Path, fields: Collection[str], least_bytes: int | None = None) -> bool:
    """
    Write the columns of *snapshot* with prints of *fields*, in place of earlier ones beside it.

    Return whether there are any now. There are none if the snapshot is compressed, or smaller than *least_bytes* (16 MB), if there are no
    *fields*, if a line can't be read by columns, or if there is no room.
    """
    least = LEAST_BYTES if least_bytes is None else least_bytes
    before, written = list(_beside(snapshot)), None
    storable = prints.storable(fields)
    with suppress(OSError, *failures()):
        if storable and snapshot.suffix == ".ndjson" and snapshot.stat().st_size >= least:
            written = _write(snapshot, storable)
    for file in before:
        if file != written:
            with suppress(OSError):
                file.unlink()
    return written is not None


def _write(snapshot: Path, fields: Collection[str]) -> Path | None:
    state = snapshot.stat()
    key = _key(snapshot)
    with closing(ScratchFolder()) as scratch:
        made = scratch.path / "columns.parquet"
        with connect(
            scratch.path / "tables",
            memory_limit_mb=_MEMORY_MB,
            threads=_THREADS,
            spill=scratch.path / "spill",
        ) as connection:
            connection.execute(prints.with_key(key))
            connection.execute(f"CREATE TABLE lines AS {_lines(snapshot, state.st_mtime, fields)}")
            if not _has_every_byte(connection, state.st_size):
                return None
            _copy(connection, fields, made)
        path = _path(snapshot, made, key)
        aside = snapshot.with_name(f"{snapshot.name}.prints-new")
        aside.unlink(missing_ok=True)
        with (
            made.open("rb") as content,
            os.fdopen(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file,
        ):
            shutil.copyfileobj(content, file)
            file.flush()
            os.fsync(file.fileno())
    aside.replace(path)
    _sync(snapshot.parent)
    return path


def _lines(snapshot: Path, own_time: float, fields: Collection[str]) -> str:
    """Return SQL for all lines of *snapshot*. A line that no snapshot may have ends the reading with an error."""
    bases = prints.bases_of(fields)
    attributes = {prints.name_of(each): "JSON" for each in bases if prints.is_attribute(each)}
    profile = {prints.name_of(each): "JSON" for each in bases if not prints.is_attribute(each)}
    told = {
        "userId": "VARCHAR",
        "deviceId": "VARCHAR",
        "observedAt": "DOUBLE",
        "userAttributes": attributes or "JSON",
        EXPORTED: "JSON",
        **profile,
    }
    values = {base: f"v{place}" for place, base in enumerate(bases)}
    aliased = "".join(
        f", told.{'userAttributes.' if prints.is_attribute(base) else ''}{name(prints.name_of(base))}::VARCHAR AS {alias}"
        for base, alias in values.items()
    )
    made = "".join(
        f", {prints.print_of_json(each, values[prints.base_of(each)])} AS {name(each)}" for each in fields
    )
    # The sum needs the order of the file, so a single thread reads it.
    return (
        f"SELECT subject, is_device, is_there, ends_at - size - 1 AS starts_at, size, seen_at{made} FROM"
        " (SELECT coalesce(nullif(told.deviceId, ''), told.userId, error('no id')) AS subject,"
        " nullif(told.deviceId, '') IS NOT NULL AS is_device,"
        f" told.userAttributes IS NOT NULL AND told.{EXPORTED} IS NULL AS is_there,"
        f" {time_of_answer('told.observedAt', own_time)} AS seen_at, ends_at, size{aliased} FROM"
        f" (SELECT from_json(json, {literal(orjson.dumps(told).decode())}) AS told, strlen(json) AS size,"
        " sum(strlen(json) + 1) OVER (ROWS UNBOUNDED PRECEDING)::BIGINT AS ends_at"
        f" FROM read_json_objects({json_lines(snapshot)})))"
    )


def _has_every_byte(connection: DuckDBPyConnection, size: int) -> bool:
    """Tell whether the lines, each with its end, are the whole file: DuckDB leaves out blank lines, and blanks around a line."""
    (found,) = connection.execute(
        "SELECT coalesce(max(ends_at), 0) FROM (SELECT starts_at + size + 1 AS ends_at FROM lines)"
    ).fetchone() or (0,)
    return int(found) == size


def _copy(connection: DuckDBPyConnection, fields: Collection[str], into: Path) -> None:
    connection.execute(
        "CREATE TABLE certain AS SELECT subject FROM lines WHERE NOT is_device"
        " GROUP BY subject HAVING count(*) = 1 AND bool_and(is_there)"
    )
    columns = "".join(f", {name(each)}" for each in fields)
    has = [each for each in fields if prints.is_attribute(each)]
    present = ", ".join(
        f"count(*) FILTER (is_there AND {name(each)} <> {prints.print_of(each, prints.ABSENT)})"
        for each in has
    )
    counts = (connection.execute(f"SELECT {present} FROM lines").fetchone() or ()) if has else ()
    names = [prints.name_of(each) for each, count in zip(has, counts, strict=True) if count]
    connection.execute(
        f"COPY (SELECT CASE WHEN is_certain THEN subject END AS id, CASE WHEN NOT is_certain THEN subject END AS other, is_device,"
        f" starts_at, size, seen_at, NULL::DOUBLE AS written_at{columns}"
        " FROM (SELECT *, NOT is_device AND subject IN (SELECT subject FROM certain) AS is_certain FROM lines))"
        f" TO {literal(str(into))} (FORMAT parquet, COMPRESSION zstd,"
        f" KV_METADATA {{{_NAMES}: {literal(orjson.dumps(names).decode())}}})"
    )


def _opened(file: Path, key: str) -> Columns:
    with connect(memory_limit_mb=_MEMORY_MB) as connection:
        path = literal(str(file))
        columns = connection.execute(f"SELECT name FROM parquet_schema({path})").fetchall()
        ((names,),) = connection.execute(
            f"SELECT value FROM parquet_kv_metadata({path}) WHERE key = {literal(_NAMES)}"
        ).fetchall()
    fields = frozenset(column for (column,) in columns if ":" in column)
    return Columns(Assumptions(file, key, fields), frozenset(orjson.loads(names)))


def _beside(snapshot: Path) -> Iterator[Path]:
    start = f"{snapshot.name}.prints-"
    return (each for each in snapshot.parent.iterdir() if each.name.startswith(start) and each.is_file())


def _path(snapshot: Path, file: Path, key: str) -> Path:
    """Return the name of *file* if it belongs to *snapshot*."""
    with file.open("rb") as content:
        made = hashlib.file_digest(
            content, lambda: hashlib.blake2b(key=key.encode(), digest_size=_DIGEST_BYTES)
        )
    return snapshot.with_name(f"{snapshot.name}.prints-{made.hexdigest()}.parquet")


def _key(snapshot: Path) -> str:
    """
    Return a digest of the snapshot's content and time: a line without a time of its own has that of the file.

    SHA-256, because processors have instructions for it, of parts that are read by two threads.
    """
    state = snapshot.stat()
    made = hashlib.blake2b(digest_size=_DIGEST_BYTES, key=_FORMAT)
    made.update(f"{state.st_size} {state.st_mtime_ns} ".encode())
    with snapshot.open("rb") as file, ThreadPoolExecutor(_THREADS) as threads:
        for part in threads.map(
            lambda start: _part(file.fileno(), start), range(0, state.st_size, _PART_BYTES)
        ):
            made.update(part)
    return base64.urlsafe_b64encode(made.digest()).decode().rstrip("=")


def _part(file: int, start: int) -> bytes:
    made = hashlib.sha256()
    for at in range(start, start + _PART_BYTES, _CHUNK_BYTES):
        made.update(os.pread(file, min(_CHUNK_BYTES, start + _PART_BYTES - at), at))
    return made.digest()


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
