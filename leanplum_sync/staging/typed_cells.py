"""
Cells of rows that a connection kept, for the sieve. They are texts, as in a CSV file, but their columns have types.

A typed cell gives the same value as the same text in a CSV file would under another type: the number 12 under no type is what the
text 12 is under ``integer``. So the sieve needs no second set of rules. ``has_shape`` is the condition for this, and
``like_text`` returns the cell that reads the text. Neither is complete: where in doubt, Python decides about the row.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final, assert_never

from leanplum_sync.kinds.rows import desires
from leanplum_sync.kinds.rows.cells import Cell, attribute_value
from leanplum_sync.kinds.rows.parts import CellWish
from leanplum_sync.sources.connections.columns import ColumnKind
from leanplum_sync.staging.sql import has_form_of_day, is_integer, matches
from leanplum_sync.wire.convert import ValueType
from leanplum_sync.wire.profile import NUMBER_FIELDS

# Numbers have one spelling, so that they are the same as texts if and only if they are the same.
_INTEGER: Final = "0|-?[1-9][0-9]{0,14}"
_DECIMAL: Final = "-?([0-9]{1,15}|[0-9]{1,9}[.][0-9]{1,6})"
_DOUBLE: Final = "-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?"
_DATE: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIMESTAMP: Final = f"{_DATE}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}([.][0-9]+)?Z?"


def has_shape(text: str, kind: ColumnKind) -> str:
    """Return SQL that is true if *text*, of a column of *kind*, is certainly a value of it."""
    match kind:
        case ColumnKind.TEXT:
            return "true"
        case ColumnKind.BOOLEAN:
            return f"{text} IN ('true', 'false')"
        case ColumnKind.INTEGER:
            return is_integer(text, matches(text, _INTEGER))
        case ColumnKind.DECIMAL:
            return matches(text, _DECIMAL)
        case ColumnKind.DOUBLE:
            return f"{matches(text, _DOUBLE)} AND isfinite(TRY_CAST({text} AS DOUBLE))"
        case ColumnKind.DATE:
            return has_form_of_day(text, "[0-9][0-9][0-9][0-9]")
        case ColumnKind.TIMESTAMP:
            return matches(text, _TIMESTAMP)
        case ColumnKind.TEXTS | ColumnKind.NUMBERS | ColumnKind.JSON | ColumnKind.OTHER:
            return "false"
        case _:
            assert_never(kind)


def like_text(cell: Cell, wish: CellWish, kind: ColumnKind) -> Cell | None:
    """Return the cell that makes of a text of this shape what *cell* makes of the value; None if there is none."""
    match kind:
        case ColumnKind.TEXT | ColumnKind.DATE | ColumnKind.TIMESTAMP:
            return cell
        case ColumnKind.BOOLEAN:
            return _typed(cell, wish, ValueType.BOOLEAN)
        case ColumnKind.INTEGER:
            return _typed(cell, wish, ValueType.INTEGER)
        case ColumnKind.DECIMAL:
            return _typed(cell, wish, ValueType.NUMBER)
        case ColumnKind.DOUBLE:  # the text of a double may have another spelling than the database's
            return None if cell.type is ValueType.TEXT else _typed(cell, wish, ValueType.NUMBER)
        case ColumnKind.TEXTS | ColumnKind.NUMBERS | ColumnKind.JSON | ColumnKind.OTHER:
            return None
        case _:
            assert_never(kind)


def is_sound_by_shape(like: Cell, wish: CellWish, kind: ColumnKind) -> bool:
    """Tell whether each text with the shape of *kind* is valid for *like*, which ``like_text`` returned."""
    if like.mapped is not None or not isinstance(wish, desires.SetAttribute):
        return False
    match kind:
        case ColumnKind.INTEGER:
            return like.type in (ValueType.INTEGER, ValueType.NUMBER)
        case ColumnKind.DECIMAL | ColumnKind.DOUBLE:
            return like.type is ValueType.NUMBER
        case (
            ColumnKind.TEXT
            | ColumnKind.BOOLEAN
            | ColumnKind.DATE
            | ColumnKind.TIMESTAMP
            | ColumnKind.TEXTS
            | ColumnKind.NUMBERS
            | ColumnKind.JSON
            | ColumnKind.OTHER
        ):
            return False
        case _:
            assert_never(kind)


def compares_spelling(like: Cell, kind: ColumnKind) -> bool:
    """Tell whether *like* compares the text of a number, so that a valid number without the usual shape could look different."""
    return kind is ColumnKind.INTEGER and (like.mapped is not None or like.type is ValueType.TEXT)


def _typed(cell: Cell, wish: CellWish, own: ValueType) -> Cell | None:
    if cell.mapped is not None:
        if own is not ValueType.NUMBER:
            return cell
        # 3.0 is looked up as 3, too: only numbers that are in the map as they are spelled are certain.
        keys = {key: value for key, value in cell.mapped.items() if re.fullmatch(_INTEGER, key)}
        return replace(cell, mapped=keys, otherwise=None) if keys else None
    match wish:
        case desires.SetProfileField(name=name):
            is_simple = name in NUMBER_FIELDS and own is ValueType.INTEGER
        case desires.SetAttribute():
            is_simple = cell.check is attribute_value
        case desires.IncrementAttribute():
            is_simple = True
        case _:
            assert_never(wish)
    return replace(cell, type=cell.type or own) if is_simple else None
