"""Types a spec can ask for, and how a cell of a file or an observed value becomes one of them."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from enum import StrEnum

from leanplum_sync.wire.action import Json
from leanplum_sync.wire.limits import LARGEST_EXACT_INTEGER
from leanplum_sync.wire.number import Number, double_text, exact_number


class ValueType(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    LIST = "list"


class ConversionError(ValueError):
    """
    *expected* completes "expected ...": it describes the type, never the value, which is somebody's secret. *hint* says
    what to do, where that isn't plain.
    """

    def __init__(self, expected: str, hint: str = "") -> None:
        self.expected = expected
        self.hint = hint
        super().__init__(f"expected {expected}")


_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BOOLEANS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
_LARGEST_SHOWN = 10**400
_BARE_LIST = re.compile(r"\[([^\[\]{}\"]*)\]", re.DOTALL)
_QUOTED_ITEM = re.compile(r"'.*'", re.DOTALL)
_SEPARATORS = (",", ";", "|", "\t", "\n")
_NOTHING = ("null", "none", "nan")  # what a list of Python, pandas or SQL has for a missing item
START_OF_2000 = (
    946_684_800.0  # in seconds; databases and spreadsheets write earlier dates where there is none
)
END_OF_9999 = 253_402_300_799  # in seconds; in milliseconds it is a moment of 1978
_COMPACT_DATE = re.compile(r"(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])")
_FIRST_DAY_NUMBER, _LAST_DAY_NUMBER = (
    20_000,
    80_000,
)  # 1954 to 2119 in days since 1900; in seconds, hours of 1 January 1970
_AS_TEXT = "`type: text` keeps every digit."


class InexactError(ConversionError):
    """A number that the API would change. Its hint applies only where text is allowed in place of a number."""


def inexact() -> InexactError:
    return InexactError(
        "a number that the API stores exactly: a whole number up to 2^53, or a decimal with about 15 digits",
        _AS_TEXT,
    )


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

    A datetime without an offset is taken as UTC, so that the result is the same on every machine.

    Raises:
        ConversionError: it names none.
    """
    expected = "a date such as 2026-11-30, or seconds since 1970"
    try:
        seconds = float(_number(value))
    except ConversionError:
        text = _date(value) if isinstance(value, str) else None
    else:
        return _plausible(seconds)
    if text is None:
        raise ConversionError(expected)
    moment = dt.datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _plausible(seconds: float) -> float:
    """
    Return *seconds*, unless they are most likely another way to write a moment.

    Raises:
        ConversionError: they are milliseconds (or smaller units), a date such as 20261130, or a day of a spreadsheet.
    """
    if abs(seconds) > END_OF_9999:
        raise ConversionError("seconds since 1970; it looks like milliseconds")
    if seconds.is_integer() and _COMPACT_DATE.fullmatch(str(int(seconds))):
        raise ConversionError(
            "seconds since 1970; it looks like a date without hyphens", "Write it as 2026-11-30."
        )
    if _FIRST_DAY_NUMBER <= seconds <= _LAST_DAY_NUMBER:
        raise ConversionError(
            "seconds since 1970; it looks like a spreadsheet's number for a day",
            "Export it as a date, such as 2026-11-30.",
        )
    return seconds


def _text(value: Json) -> str:
    match value:
        case str():
            return value
        case Number():
            return value.text
        case bool():
            return "true" if value else "false"
        case int() if abs(value) < _LARGEST_SHOWN:
            return str(value)
        case float() if math.isfinite(value):
            return double_text(value)
        case _:
            raise ConversionError("text")


def _integer(value: Json) -> int:
    number = _number_in(value)
    if number is None or number != int(number):
        raise ConversionError("a whole number")
    if abs(number) > LARGEST_EXACT_INTEGER or (
        isinstance(number, float) and abs(number) == LARGEST_EXACT_INTEGER
    ):
        raise inexact()
    return int(number)


def _number(value: Json) -> float | int:
    number = _number_in(value)
    if number is None:
        raise ConversionError("a number such as 12 or 12.5, with a decimal point and no thousands separator")
    return number


def _number_in(value: Json) -> float | int | None:
    """
    Return the number that *value* is or spells; None if it is none.

    Raises:
        ConversionError: the API would change it.
    """
    match value:
        case bool():
            return None
        case int():
            return _kept(value if abs(value) <= LARGEST_EXACT_INTEGER else None)
        case float():
            return value if math.isfinite(value) else None
        case Number():
            return _kept(value.value)
        case str() if _NUMBER.fullmatch(text := value.strip()):
            return _kept(exact_number(text))
        case _:
            return None


def _kept(number: float | None) -> float | int:
    if number is None:
        raise inexact()
    return number


def _boolean(value: Json) -> bool:
    match value:
        case bool():
            return value
        case Number() if (number := value.value) is not None:
            known = _BOOLEANS.get(double_text(float(number)))
        case str() | int() | float():
            known = _BOOLEANS.get(_text(value).strip().lower())
        case _:
            known = None
    if known is None:
        raise ConversionError("true or false (or yes or no, or 1 or 0)", "Use `map` for other spellings.")
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
    return [_item(item) for item in _list_items(value)]


def _item(value: Json) -> Json:
    match value:
        case bool():
            return value
        case int() | float() | Number():
            return _number(value)
        case str() if value:
            return value
        case _:
            raise ConversionError("a list of single values, none of them empty")


def _list_items(value: Json) -> list[Json]:
    match value:
        case list() | tuple():
            return list(value)
        case str() if value.strip().startswith("["):
            return _written_items(value.strip())
        case str() if any(separator in value for separator in _SEPARATORS):
            raise ConversionError("a list in brackets, such as [a, b]")
        case None | dict():
            raise ConversionError("a list such as [a, b]")
        case _:
            return [value]


def _written_items(text: str) -> list[Json]:
    """
    Return the items of a list that is written as text.

    Source: Leanplum docs, CSV file reference: items are not quoted, and may be numbers. What is not spelled as a number
    usually is (01234, 12E4, 1.50), or can't be kept exactly, is a code and stays text, in JSON too.
    """
    try:
        parsed = json.loads(text, parse_int=_plain_number, parse_float=_plain_number)
    except (ValueError, RecursionError):  # not JSON, or a tower of brackets
        bare = _BARE_LIST.fullmatch(text)
        if bare is None:
            raise ConversionError('a list such as [a, b] or ["a", "b"]') from None
        return [_bare_item(item.strip()) for item in bare[1].split(",")] if bare[1].strip() else []
    return list(parsed)


def _bare_item(text: str) -> Json:
    if _QUOTED_ITEM.fullmatch(text):
        raise ConversionError('a list such as [a, b] or ["a", "b"]', "Use double quotes.")
    if text.lower() in _NOTHING:
        raise ConversionError("a list of single values, none of them empty")
    return _plain_number(text) if _NUMBER.fullmatch(text) else text


def _plain_number(text: str) -> Json:
    number = exact_number(text)
    return text if number is None or str(number) != text else number
