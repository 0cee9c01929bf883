"""
What a plan may assume from an export: prints of the values that it shows for certain.

A value that isn't certain, or that the file lacks, is unknown, so its user is read. So are users to whom our own runs wrote since the
export was asked for: it may not show that yet.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from leanplum_sync.baseline.merge import write_ids
from leanplum_sync.duck import connect
from leanplum_sync.errors import StorageError
from leanplum_sync.staging import prints
from leanplum_sync.staging.prints import Assumptions
from leanplum_sync.staging.sql import column_types, json_lines, literal, name

_MEMORY_MB: Final = 256


def assume_export(
    snapshot: Path, attributes: Collection[str], written: Iterable[str], into: Path
) -> Assumptions:
    """
    Return the assumptions that *snapshot*, which ``export_snapshot`` made of *attributes*, allows about all users but *written*, by id.

    Their files are in the folder *into*.

    Raises:
        StorageError: there is no room.
    """
    import duckdb  # noqa: PLC0415 - takes longer to import than a small plan takes to make

    fields = prints.storable([prints.attribute(each) for each in attributes])
    file, key = into / "exported.parquet", secrets.token_hex(32)
    try:
        with connect(memory_limit_mb=_MEMORY_MB, spill=into) as connection:
            connection.execute(prints.with_key(key))
            connection.execute(f"COPY ({_prints(snapshot, fields)}) TO {literal(str(file))} (FORMAT parquet)")
        doubtful = write_ids(written, into / "written.ndjson")
    except (duckdb.Error, OSError) as error:
        raise StorageError(f"{into}: the export can't be prepared for the plan: {error}.") from error
    return Assumptions(file, key, frozenset(fields), doubtful)


def _prints(snapshot: Path, fields: Collection[str]) -> str:
    # What is certain is a text. Booleans are exported as texts, and equal them.
    names = [prints.name_of(each) for each in fields]
    shown = ", ".join(f"{name(each)} VARCHAR" for each in names)
    columns = column_types(
        {
            "userId": "VARCHAR",
            "observedAt": "DOUBLE",
            "userAttributes": f"STRUCT({shown})" if shown else "JSON",
        }
    )
    printed = "".join(
        f", {prints.print_of(of, '(' + prints.of_text(f'userAttributes.{name(each)}') + ')')} AS {name(of)}"
        for of, each in zip(fields, names, strict=True)
    )
    return (
        f"SELECT userId AS id, observedAt AS seen_at, NULL::DOUBLE AS written_at{printed}"
        f" FROM read_json({json_lines(snapshot)}, columns = {columns})"
    )
