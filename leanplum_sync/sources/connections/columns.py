"""
The columns of a query, and what their texts become.

Every database is asked for text, in one form for each kind of column, and the kept file has this text. So the digest of rows
depends neither on a driver nor on a machine.

=========  ==================================================  ==================================================
kind       text                                                value
=========  ==================================================  ==================================================
text       as it is                                            text
boolean    ``true``, ``false``                                 true or false
integer    ``-12``                                             a whole number
decimal    ``12.50``                                           a number with all its digits
double     ``0.1``                                             a number
date       ``2026-11-01``                                      text
timestamp  ``2026-11-01T10:00:00.5``, and ``Z`` if it has a    text
           zone
texts      a JSON list of texts, booleans or null              a list
numbers    a JSON list of numbers or null                      a list
json       any JSON value                                      that value
other      the database's own text                             none: no value can be made of it
=========  ==================================================  ==================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from leanplum_sync.wire.action import Json
from leanplum_sync.wire.number import DuplicateKeyError, Number, as_cell, loads_exact

_INTEGER: Final = re.compile(r"-?[0-9]+")
_DECIMAL: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z?")


class ColumnKind(StrEnum):
    TEXT = "text"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DOUBLE = "double"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TEXTS = "texts"
    NUMBERS = "numbers"
    JSON = "json"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class QueryColumn:
    """*type* is the database's own name of the type, for messages."""

    name: str
    kind: ColumnKind
    type: str


class UnreadableCellError(ValueError):
    """A text is none of its kind. *expected* completes "the value is not ..."."""

    def __init__(self, expected: str) -> None:
        self.expected = expected
        super().__init__(expected)


def value_of(text: str, kind: ColumnKind) -> Json:  # noqa: C901 - a case each
    """
    Return the value of a cell.

    Raises:
        UnreadableCellError: databases have values that the API has not, such as the date ``infinity``.
    """
    match kind:
        case ColumnKind.TEXT | ColumnKind.OTHER:
            return text
        case ColumnKind.BOOLEAN:
            if text not in ("true", "false"):
                raise UnreadableCellError("true or false")
            return text == "true"
        case ColumnKind.INTEGER:
            if not _INTEGER.fullmatch(text):
                raise UnreadableCellError("a whole number")
            return as_cell(int(text))
        case ColumnKind.DECIMAL:
            if not _DECIMAL.fullmatch(text):
                raise UnreadableCellError("a finite number")
            return Number(text)
        case ColumnKind.DOUBLE:
            return _double(text)
        case ColumnKind.DATE:
            return _matching(_DATE, text, "a date in the years 1 to 9999")
        case ColumnKind.TIMESTAMP:
            return _matching(_TIMESTAMP, text, "a time in the years 1 to 9999")
        case ColumnKind.TEXTS | ColumnKind.NUMBERS:
            return _list(text, kind)
        case ColumnKind.JSON:
            return _json(text, "a finite number")


def _matching(pattern: re.Pattern[str], text: str, expected: str) -> str:
    if not pattern.fullmatch(text):
        raise UnreadableCellError(expected)
    return text


def _double(text: str) -> Json:
    try:
        return as_cell(float(text))
    except ValueError as error:
        raise UnreadableCellError("a number") from error


def _json(text: str, expected: str) -> Json:
    try:
        return loads_exact(text.encode())
    except (DuplicateKeyError, ValueError, RecursionError) as error:
        raise UnreadableCellError(expected) from error


def _list(text: str, kind: ColumnKind) -> Json:
    value = _json(text, "a list")
    if not isinstance(value, list):
        raise UnreadableCellError("a list")
    if kind is ColumnKind.NUMBERS and any(isinstance(item, str) for item in value):
        raise UnreadableCellError("a list of finite numbers")
    return [as_cell(item) for item in value]
