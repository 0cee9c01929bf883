"""Top-level profile fields, and the values that each of them accepts."""

from __future__ import annotations

import re
from typing import Final

from leanplum_sync.kinds.rows.cells import Check
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.convert import ConversionError, ValueType, convert, epoch_seconds
from leanplum_sync.wire.profile import NUMBER_FIELDS, TIME_FIELDS

_COUNTRY = re.compile(r"[A-Z]{2}")
_WHOLE_NUMBERS: Final = ("totalSessions", "timezoneOffsetSeconds")


def profile_check(field: str) -> Check:
    """Return a function that converts a value to the form that *field* is sent in, or raises ConversionError."""
    if field in TIME_FIELDS:
        return epoch_seconds
    if field in _WHOLE_NUMBERS:
        return _whole_number
    if field in NUMBER_FIELDS:
        return _number
    return _country if field == "country" else _text


def _whole_number(value: Json) -> Json:
    return convert(value, ValueType.INTEGER)


def _number(value: Json) -> Json:
    return convert(value, ValueType.NUMBER)


def _text(value: Json) -> Json:
    if not isinstance(value, str) or not value:
        raise ConversionError("text")
    # Source: Leanplum OpenAPI: (detect) uses the address of the caller, which is this machine, not the user.
    if value.strip().lower() == "(detect)":
        raise ConversionError("a place; (detect) would use the location of this machine")
    return value


def _country(value: Json) -> Json:
    if not _COUNTRY.fullmatch(_text(value)):
        raise ConversionError("a country as two capital letters, such as DE")
    return value
