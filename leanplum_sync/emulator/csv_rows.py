"""CSV in the API's import format -> the arguments of one action a row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from leanplum_sync.emulator.arguments import unpacked
from leanplum_sync.emulator.errors import RefusedError

# Below these, numbers and booleans in cells are typed.
_TYPED = frozenset({"userAttributes", "userAttributeValuesToIncrement", "params"})


def rows(text: str, default_action: str | None) -> Iterator[dict[str, Any]]:
    """
    Yield the arguments of each row: dotted columns are nested, ``[a, b]`` is a list, an empty cell is absent.

    Raises:
        RefusedError: the text isn't CSV.
    """
    for row in _cells(text):
        arguments: dict[str, Any] = {"action": default_action}
        for column, cell in row.items():
            if column is not None and cell:
                _place(arguments, column, cell)
        yield arguments


def _cells(text: str) -> Iterator[dict[str | None, Any]]:
    try:
        yield from csv.DictReader(io.StringIO(text), restval="")
    except csv.Error as error:
        raise RefusedError(f"The CSV can't be read: {error}.", 400) from None


def _place(arguments: dict[str, Any], column: str, cell: str) -> None:
    group, dot, name = column.partition(".")
    if not dot:
        arguments[column] = _listed(cell)
        return
    nested = arguments.setdefault(group, {})
    if not isinstance(nested, dict):
        raise RefusedError(f"The CSV has both a column {group!r} and columns inside it.", 400)
    if group in ("events", "states"):
        event, _, field = name.rpartition(".")
        nested.setdefault(event, {})[field] = cell
    else:
        nested[name] = _typed(cell) if group in _TYPED else _listed(cell)


def _listed(cell: str) -> Any:
    return unpacked(cell, lenient=True) if cell.startswith("[") else cell


def _typed(cell: str) -> Any:
    match cell:
        case "TRUE" | "FALSE":
            return cell == "TRUE"
        case _ if cell[:1] in "-0123456789[":
            return unpacked(cell, lenient=True)
        case _:
            return cell
