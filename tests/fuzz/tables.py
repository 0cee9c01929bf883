"""Mutations of SQLite databases: cells, rows and tables changed, moved, repeated or left out."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from mutations import mutated_tree, scalar


def alter(path: Path, statements: Sequence[str]) -> None:
    """Run those of *statements* that the database at *path* allows."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            with suppress(sqlite3.Error):
                connection.execute(statement)


def alterations(draw: random.Random, path: Path, words: Sequence[Any]) -> list[str]:
    """Return statements that alter the database at *path*."""
    with closing(sqlite3.connect(path)) as connection:
        named = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        tables = [name for (name,) in named]
        # Cells are read where there are some.
        full = [name for name in tables if connection.execute(f"SELECT 1 FROM {name}").fetchone()]
        number = draw.choice([1, 1, 1, 2, 4])
        return [_alteration(draw, connection, draw.choice(full or tables), words) for _ in range(number)]


def _alteration(draw: random.Random, connection: sqlite3.Connection, table: str, words: Sequence[Any]) -> str:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    column = draw.choice(columns)
    rows = [dict(zip(columns, row, strict=True)) for row in connection.execute(f"SELECT * FROM {table}")]
    row, other = (draw.choice(rows or [dict.fromkeys(columns)]) for _ in range(2))
    where = " AND ".join(f"{name} IS {_literal(value)}" for name, value in row.items())
    cell = _cell(draw, row[column], words)
    match draw.randrange(14):
        case 0:
            return f"DELETE FROM {table} WHERE {where}"
        case 1:
            return f"DELETE FROM {table}"
        case 2:
            return f"UPDATE {table} SET {column} = {cell}"
        case 3:
            change = draw.choice([f"DROP COLUMN {column}", f"RENAME COLUMN {column} TO x", "RENAME TO x"])
            return draw.choice([f"DROP TABLE {table}", f"ALTER TABLE {table} {change}"])
        case 4:
            name = draw.choice(["user_version", "application_id", "schema_version"])
            return f"PRAGMA {name} = {draw.choice([0, 1, 2, 5, 6, 99, -1])}"
        case 5:
            return f"UPDATE {table} SET {column} = {_literal(other[column])} WHERE {where}"
        case 6:
            names = ", ".join(cell if name == column else name for name in columns)
            return f"INSERT OR REPLACE INTO {table} SELECT {names} FROM {table} WHERE {where}"
        case _:
            return f"UPDATE {table} SET {column} = {cell} WHERE {where}"


def _cell(draw: random.Random, value: Any, words: Sequence[Any]) -> str:
    """Return SQL for a value in the place of *value*: JSON is mutated as the value that it is."""
    if isinstance(value, str) and value[:1] in ("{", "[") and draw.random() < 0.7:
        try:
            return _literal(json.dumps(mutated_tree(draw, json.loads(value), words)))
        except ValueError:
            pass
    return _literal(scalar(draw, words) if draw.random() < 0.85 else draw.randbytes(4))


def _literal(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return str(int(value))
        case int():
            return str(value) if abs(value) < 2**63 else f"{value % 10**300}.0e0"
        case float():
            return {"nan": "NULL", "inf": "9e999", "-inf": "-9e999"}.get(repr(value), repr(value))
        case bytes():
            return f"x'{value.hex()}'"
        case _:
            text = str(value)
            if "\x00" in text:
                return f"CAST(x'{text.encode('utf-8', 'surrogatepass').hex()}' AS TEXT)"
            return "'" + text.encode("utf-8", "replace").decode().replace("'", "''") + "'"
