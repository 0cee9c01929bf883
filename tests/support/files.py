"""Files that tests write."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write each text to its path below *folder*, creating folders as needed."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def ndjson(*elements: Mapping[str, Any]) -> str:
    return "".join(f"{json.dumps(element)}\n" for element in elements)


def csv_of_ids(ids: Iterable[str]) -> str:
    """Return a CSV file with one column, ``id``."""
    return "\n".join(["id", *ids]) + "\n"


def keep_first_rows(table: Path, rows: int) -> None:
    """Shorten a CSV file to its header and its first *rows*: what is tested doesn't take them all."""
    table.write_text("".join(table.read_text().splitlines(keepends=True)[: rows + 1]))
