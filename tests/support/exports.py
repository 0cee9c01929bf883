"""Files as exportUsers writes them, made of exportUser's responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leanplum_sync.emulator.user_export import WRITERS, cell_of
from leanplum_sync.observed.export_snapshot import ExportedFile

QUOTINGS: Sequence[str] = tuple(WRITERS)


def exported_files(
    folder: Path,
    seen: Mapping[str, Mapping[str, Any]],
    attributes: Sequence[str],
    *,
    quoting: str = "minimal",
    lists_everyone: bool = False,
    repeats: int = 0,
    lacks: int = 0,
) -> list[ExportedFile]:
    """
    Return a file for each of *attributes*. The first *repeats* rows are written twice, the last *lacks* not at all.

    *lists_everyone*: users without the attribute, too, with an empty value.
    """
    files = []
    for number, name in enumerate(attributes):
        values = {
            user: element["userAttributes"].get(name)
            for user, element in seen.items()
            if "userAttributes" in element
        }
        rows = [
            [user, cell_of(value)] for user, value in values.items() if lists_everyone or value is not None
        ]
        rows = rows[: len(rows) - lacks] if lacks else rows
        path = folder / f"{number}.csv"
        path.write_bytes(b"".join(map(WRITERS[quoting], [*rows[:repeats], *rows])))
        files.append(ExportedFile(name, [path], 5.0))
    return files
