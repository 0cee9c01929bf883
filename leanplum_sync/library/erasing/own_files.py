"""
Which files an erasure may delete: the ones that commands write into the state folder, under fixed names, and nothing else.

A journal is never deleted, whatever its name is: it knows who has already received a send. Without it, everything would be sent again.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from leanplum_sync.planfile.schema import APPLICATION_ID
from leanplum_sync.project.settings import Settings

# Paths below the state folder. A number at the end is the id of the process that writes the file.
_PLANS: Final = re.compile(r"[^/]+\.lpplan(\.part)?|applied/[0-9a-f]+\.lpplan(\.[0-9]+)?")
_OTHERS: Final = re.compile(
    r"[^/]+\.(snapshot|reading|drift|adopt)\.ndjson"
    r"|[^/]+\.ndjson\.prints-([0-9a-f]+\.parquet|new)"
    r"|run-[0-9]+\.(rejected|held|conflicting)\.[^/]+"
    r"|undo-[0-9]+\.moved\.csv"
    r"|[^/]+\.adopted\.csv"
    r"|rows/[0-9a-f]+\.parquet"
    r"|[^/]+\.baseline/(prints-[0-9]+\.parquet|received\.new)"
)
_SQLITE: Final = b"SQLite format 3\0"  # Source: SQLite docs, database file format
_APPLICATION_ID: Final = slice(68, 72)  # Source: as above


def is_own(path: Path, settings: Settings) -> bool:
    """
    Return whether the file at *path*, which is in the state folder, may be deleted.

    Raises:
        OSError: it can't be read.
    """
    name = path.relative_to(settings.state_folder).as_posix()
    if _PLANS.fullmatch(name):
        return _start(path)[_APPLICATION_ID] == APPLICATION_ID.to_bytes(4, "big")
    return _OTHERS.fullmatch(name) is not None and not _start(path).startswith(_SQLITE)


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_APPLICATION_ID.stop)
