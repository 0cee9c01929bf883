"""Plans as somebody without the plan key could alter them: rows changed, digest and checksum computed again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from leanplum_sync.planfile.schema import compute_checksum, compute_digest, encode


def forge(path: Path, *statements: str) -> None:
    """Run *statements* on the plan at *path*, and make it consistent again."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
        for key, compute in (("digest", compute_digest), ("checksum", compute_checksum)):
            try:
                value = encode(compute(connection))
            except TypeError:  # encrypted values: without the key there is no text to compute it over
                continue
            connection.execute("UPDATE meta SET value = ? WHERE key = ?", (value, key))
