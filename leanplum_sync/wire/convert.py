"""Types a spec can ask for, and how a cell of a file or an observed value becomes one of them."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from enum import StrEnum

from leanplum_sync.wire.action import Json
from leanplum_sync.wire.limits import LARGEST_EXACT_INTEGER


class ValueType(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    LIST = "list"


class ConversionError(ValueError):
    """*expected* completes "expected ...": it describes the type, never the value, which is somebody's secret."""

    def __init__(self, expected: str) -> None:
        self.expected = expected
        super().__init__(f"expected {expected}")


_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BOOLEANS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
_BARE_LIST = re.compile(r"\[([^\[\]{}\"]*)\]", re.DOTALL)


def convert(value: Json, to: ValueType) -> Json:
    """
    Return *value* as a *to*, in the form the API is sent.

    Dates stay the ISO 8601 text they are (datetimes with ``Z`` or an offset included). A list is read from JSON
    (``["a", "b"]``) or from Leanplum's CSV form (``[a, b]``); a lone value becomes a list of one.

    Raises:
        ConversionError: *value* isn't one; its sentence doesn't contain the value.
    """
    match to:
        case ValueType.TEXT:
            return _text(value)
        case ValueType.INTEGER:
            return _integer(value)
        case ValueType.NUMBER:
            return _number(value)
        case ValueType.BOOLEAN:
            return _boolean(value)
        case ValueType.DATE:
            return _date(value)
        case ValueType.LIST:
            return _list(value)


def epoch_seconds(value: Json) -> float:
    """
    Return the moment *value* names: epoch seconds, or an ISO 8601 date (midnight UTC) or datetime.

    A datetime without an offset is taken as UTC, so that the answer is the same on every machine.

    Raises:
        ConversionError: it names none.
    """
    expected = "a date such as 2026-11-30, or seconds since 1970"
    try:
        return float(_number(value))
    except ConversionError:
        text = _date(value) if isinstance(value, str) else None
    if text is None:
        raise ConversionError(expected)
    moment = dt.datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _text(value: Json) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return (
                str(int(value)) if value.is_integer() and abs(value) < LARGEST_EXACT_INTEGER else repr(value)
            )
        case _:
            raise ConversionError("text")


def _integer(value: Json) -> int:
    number: float | int | None = None
    match value:
        case bool():
            pass
        case int() | float():
            number = value
        case str() if _INTEGER.fullmatch(value.strip()):
            number = int(value)
        case str() if _NUMBER.fullmatch(value.strip()):
            number = float(value)
    if number is None or not math.isfinite(number) or number != int(number):
        raise ConversionError("a whole number")
    if abs(number) > LARGEST_EXACT_INTEGER:
        raise ConversionError("a whole number up to 2^53, the largest that the API keeps exactly")
    return int(number)


def _number(value: Json) -> float | int:
    match value:
        case bool():
            pass
        case int() if abs(value) <= LARGEST_EXACT_INTEGER:
            return value
        case float() if math.isfinite(value):
            return value
        case str() if _NUMBER.fullmatch(value.strip()) and math.isfinite(float(value)):
            return (
                int(value)
                if _INTEGER.fullmatch(value.strip()) and abs(int(value)) <= LARGEST_EXACT_INTEGER
                else float(value)
            )
    raise ConversionError("a number such as 12 or 12.5, with a point and no thousands separator")


def _boolean(value: Json) -> bool:
    if isinstance(value, bool):
        return value
    known = _BOOLEANS.get(_text(value).strip().lower()) if isinstance(value, str | int | float) else None
    if known is None:
        raise ConversionError("true or false")
    return known


def _date(value: Json) -> str:
    if isinstance(value, str):
        text = value.strip()
        try:
            dt.datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
                return text
    raise ConversionError("an ISO 8601 date such as 2026-11-30 or 2026-11-30T08:15:00Z")


def _list(value: Json) -> list[Json]:
    items = _list_items(value)
    if any(isinstance(item, list | dict) or item is None or item == "" for item in items):
        raise ConversionError("a list of single values, none of them empty")
    return items


def _list_items(value: Json) -> list[Json]:
    match value:
        case list() | tuple():
            return list(value)
        case str() if value.strip().startswith("["):
            try:
                parsed = json.loads(value)
            except json.JSONDecodeError:
                bare = _BARE_LIST.fullmatch(value.strip())
                if bare is None:
                    raise ConversionError('a list such as [a, b] or ["a", "b"]') from None
                return [_bare_item(item.strip()) for item in bare[1].split(",")] if bare[1].strip() else []
            return list(parsed)
        case str() if "," in value:
            raise ConversionError("a list in brackets, such as [a, b]")
        case None | dict():
            raise ConversionError("a list such as [a, b]")
        case _:
            return [value]


def _bare_item(text: str) -> Json:
    """Source: Leanplum docs, CSV file reference: items of a list stand unquoted, and may be numbers."""
    try:
        return _number(text)
    except ConversionError:
        return text
