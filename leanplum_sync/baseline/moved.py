"""Users of the baseline who were active since it last saw them, by their exported sessions: they may have changed, so they are read."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from leanplum_sync.address import Subject, SubjectKind
from leanplum_sync.baseline.merge import write_ids
from leanplum_sync.bounds import LINE
from leanplum_sync.duck import connect, failures
from leanplum_sync.errors import ExportFailedError, StorageError
from leanplum_sync.staging.prints import Assumptions
from leanplum_sync.staging.sql import column_types, literal

_MEMORY_MB: Final = 256
_ID: Final = "{'id': 'VARCHAR'}"
_LEARNT: Final = "least(p.seen_at, p.written_at)"


def write_listed(subjects: Iterable[Subject], into: Path) -> Path:
    """
    Write the ids of the users among *subjects* to a file in the folder *into*.

    Raises:
        StorageError: there is no room.
    """
    users = (each.id for each in subjects if each.kind is SubjectKind.USER)
    try:
        return write_ids(users, into / "listed.ndjson")
    except OSError as error:
        raise StorageError(f"{into}: the listed users can't be stored: {error.strerror}.") from error


def oldest(assumptions: Assumptions, listed: Path) -> float | None:
    """
    Return when the user of *assumptions* who was not seen or written for longest was, in epoch seconds; None if there is nobody.

    Only users in *listed*, a file of ids, count: the baseline also has users whom no spec lists any more, and nobody reads them.
    """
    with connect(memory_limit_mb=_MEMORY_MB) as connection:
        rows = f"FROM read_parquet({literal(str(assumptions.path))}) AS p"
        (found,) = connection.execute(
            f"SELECT min({_LEARNT}) {rows} WHERE id IN ({_ids(listed)})"
        ).fetchall()[0]
    if found is None or assumptions.not_before is None:
        return None if found is None else float(found)
    return max(float(found), assumptions.not_before)


def _ids(file: Path) -> str:
    return (
        f"SELECT id FROM read_json({literal(str(file))}, format = 'newline_delimited', columns = {_ID},"
        f" maximum_object_size = {LINE.most})"
    )


def without_moved(
    assumptions: Assumptions, listed: Path, sessions: Sequence[Path], into: Path
) -> tuple[Assumptions, int]:
    """
    Return *assumptions* without the users who have one of *sessions* that ended after they were last seen or written, and how many these are.

    Only users in *listed*, a file of ids, count. *sessions* are files of exportData. Lines that can't be read are left out, as the files are incomplete anyway; a session without a
    valid time counts. Files are in the folder *into*.

    Raises:
        ExportFailedError: a file can't be read, or there is no room.
    """
    if not sessions:
        return assumptions, 0
    doubtful, moved = into / "moved-or-doubtful.ndjson", into / "moved.ndjson"
    files = "[" + ", ".join(literal(str(each)) for each in sessions) + "]"
    columns = column_types({"userId": "VARCHAR", "time": "VARCHAR", "duration": "VARCHAR"})
    ended = "TRY_CAST(time AS DOUBLE) + coalesce(TRY_CAST(duration AS DOUBLE), 0)"
    active = (
        f"SELECT userId AS id, max(coalesce({ended}, 'infinity'::DOUBLE)) AS ended FROM read_json({files}, columns = {columns},"
        f" format = 'newline_delimited', ignore_errors = true, maximum_object_size = {LINE.most}) WHERE userId IS NOT NULL GROUP BY userId"
    )
    try:
        with connect(memory_limit_mb=_MEMORY_MB, spill=into) as connection:
            query = f"SELECT id FROM ({active}) JOIN read_parquet({literal(str(assumptions.path))}) AS p USING (id)"
            query += f" WHERE ended >= {_LEARNT} AND id IN ({_ids(listed)})"
            (count,) = connection.execute(
                f"COPY ({query}) TO {literal(str(moved))} (FORMAT json)"
            ).fetchall()[0]
        with doubtful.open("wb") as file:
            for path in (assumptions.doubtful, moved):
                if path is not None:
                    with path.open("rb") as source:
                        shutil.copyfileobj(source, file)
    except OSError as error:
        raise _unusable(error) from error
    except failures() as error:
        raise _unusable(error) from error
    return replace(assumptions, doubtful=doubtful), int(count)


def _unusable(error: Exception) -> ExportFailedError:
    # DuckDB's message may quote a value.
    return ExportFailedError(
        f"The exported sessions can't be used: {type(error).__name__}. Plan without --moved-since."
    )
