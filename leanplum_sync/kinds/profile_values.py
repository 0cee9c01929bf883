"""Top-level profile fields: what each of them can hold."""

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
    """Return the function that turns a value into what *field* is sent, or raises ConversionError."""
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
    # Source: Leanplum OpenAPI: (detect) looks the caller up by its address, which here is this machine, not the user.
    if value.strip().lower() == "(detect)":
        raise ConversionError("the user's own value: (detect) would find the location of this machine")
    return value


def _country(value: Json) -> Json:
    if not _COUNTRY.fullmatch(_text(value)):
        raise ConversionError("a country as two capital letters, such as DE")
    return value
