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
_LARGEST_SHOWN = 10**400
_DIGITS = 30  # longer whole numbers are beyond 2^53 by far, and slow to read
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
        case int() if abs(value) < _LARGEST_SHOWN:
            return str(value)
        case float():
            return (
                str(int(value)) if value.is_integer() and abs(value) < LARGEST_EXACT_INTEGER else repr(value)
            )
        case _:
            raise ConversionError("text")


def _integer(value: Json) -> int:
    number = _number_in(value)
    if number is None or number != int(number):
        raise ConversionError("a whole number")
    if isinstance(number, float) and abs(number) >= LARGEST_EXACT_INTEGER:
        raise ConversionError("a whole number up to 2^53, the largest that the API keeps exactly")
    return int(number)


def _number(value: Json) -> float | int:
    number = _number_in(value)
    if number is None:
        raise ConversionError("a number such as 12 or 12.5, with a point and no thousands separator")
    return number


def _number_in(value: Json) -> float | int | None:
    """Return the finite number that *value* is or says; a whole one as an integer, as long as doubles hold it exactly."""
    match value:
        case bool():
            return None
        case int():
            return value if abs(value) <= LARGEST_EXACT_INTEGER else _finite(value)
        case float():
            return value if math.isfinite(value) else None
        case str() if _INTEGER.fullmatch(text := value.strip()) and len(text) < _DIGITS:
            return int(text) if abs(int(text)) <= LARGEST_EXACT_INTEGER else float(text)
        case str() if _NUMBER.fullmatch(text := value.strip()):
            return _finite(text)
        case _:
            return None


def _finite(value: str | int) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


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
    if not all(map(_is_item, items)):
        raise ConversionError("a list of single values, none of them empty")
    return items


def _is_item(value: Json) -> bool:
    match value:
        case bool():
            return True
        case int() | float():
            return _number_in(value) is not None
        case _:
            return isinstance(value, str) and value != ""


def _list_items(value: Json) -> list[Json]:
    match value:
        case list() | tuple():
            return list(value)
        case str() if value.strip().startswith("["):
            try:
                parsed = json.loads(value)
            except (
                ValueError,
                RecursionError,
            ):  # no JSON, a number of thousands of digits, or a tower of brackets
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
