"""Creates the SQLite file of a journal: complete under another name first, so that it exists whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from leanplum_sync.journal.highwater import sync_folder


def is_absent(path: Path) -> bool:
    """Whether there is no file at *path*, or one without a byte: SQLite takes that for an empty database."""
    try:
        return path.stat().st_size == 0
    except FileNotFoundError:
        return True


def create_whole(path: Path, fill: Callable[[sa.Connection], None]) -> None:
    """Have *fill* create the tables in a new file, and put it at *path*. A write-ahead log of a former file is deleted."""
    new = path.with_name(f"{path.name}.new-{os.getpid()}")
    new.unlink(missing_ok=True)
    engine = sa.create_engine(f"sqlite:///{new}", poolclass=sa.NullPool, hide_parameters=True)
    try:
        with engine.begin() as connection:
            fill(connection)
        with new.open("rb") as file:
            os.fsync(file.fileno())
        # SQLite would apply the log of another file to this one.
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        new.replace(path)
        sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise
    finally:
        engine.dispose()
