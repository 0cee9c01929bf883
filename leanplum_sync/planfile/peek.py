"""Reads a plan file's own description, without checking the plan."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import orjson


def app_of(path: Path) -> str | None:
    """Return the id of the app that the plan at *path* is for; None if it can't be read as a plan."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as plan:
            (text,) = plan.execute("SELECT value FROM meta WHERE key = 'target'").fetchone()
            return str(orjson.loads(text)[0])
    except (sqlite3.Error, ValueError, TypeError, LookupError):
        return None
