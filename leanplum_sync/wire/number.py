"""Numbers with the text that a file spells them with: nothing is rounded on the way from a file to the API."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

import orjson

from leanplum_sync.wire.action import Json
from leanplum_sync.wire.limits import LARGEST_EXACT_INTEGER

_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_DIGITS: Final = 30  # longer whole numbers are far beyond 2^53, and slow to parse
_LARGEST_64_BIT: Final = 2**63 - 1
# Numbers that a float or a 64-bit integer may not hold exactly. A match inside of a string costs time, and nothing else.
_DELICATE: Final = re.compile(rb"(?:\A|[:,\[])\s*-?(?:[0-9]{16}|[0-9]+[.eE]|0(?<=-0))")
_KEY: Final = re.compile(rb'"\s*:')


@dataclass(frozen=True, slots=True)
class Number:
    """A number as a file spells it, such as ``12.50`` or ``89012345678901234567``. *text* is valid JSON."""

    text: str

    @property
    def value(self) -> int | float | None:
        """The number as the API is sent it; None if the API, which keeps doubles, would change it."""
        return exact_number(self.text)


class DuplicateKeyError(ValueError):
    """One JSON object has a key twice. *key* is the key."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__("duplicate key")


def exact_number(text: str) -> int | float | None:
    """
    Return the number that *text* spells, or None if a double doesn't hold it exactly.

    Exactly means that the shortest spelling of the double is the same number: 0.1 is kept, 9007199254740993 and
    0.1000000000000000055 are not. Whole numbers go up to 2^53.
    """
    if _INTEGER.fullmatch(text):
        whole = int(text) if len(text) < _DIGITS else LARGEST_EXACT_INTEGER + 1
        return whole if abs(whole) <= LARGEST_EXACT_INTEGER else None
    number = float(text)
    try:
        is_exact = math.isfinite(number) and Decimal(repr(number)) == Decimal(text)
    except InvalidOperation:  # an exponent beyond all bounds
        return None
    return number if is_exact else None


def as_cell(value: Json) -> Json:
    """Return *value*, from a format with typed numbers, as a cell: whole numbers stay, doubles get their shortest text."""
    match value:
        case bool():
            return value
        case int():
            return value if abs(value) <= _LARGEST_64_BIT else Number(str(value))
        case float() if math.isfinite(value):
            return Number(double_text(value))
        case list() | tuple():
            return [as_cell(item) for item in value]
        case _:
            return value


def double_text(value: float) -> str:
    """Return the text of a double: whole numbers that it holds exactly without a point, as ``12`` and not ``12.0``."""
    return str(int(value)) if value.is_integer() and abs(value) < LARGEST_EXACT_INTEGER else repr(value)


def loads_exact(data: bytes) -> Json:
    """
    Return JSON as cells: numbers that would lose digits, or their spelling, become ``Number``.

    Raises:
        DuplicateKeyError: an object has a key twice.
        ValueError: *data* is not JSON.
        RecursionError: it is nested too deeply.
    """
    value = orjson.loads(data)
    keys = sum(
        len(part) for part in (value if isinstance(value, list) else [value]) if isinstance(part, dict)
    )
    if not _DELICATE.search(data) and len(_KEY.findall(data)) == keys:
        return value  # five times faster than what follows
    return json.loads(data, parse_float=Number, parse_int=_whole, object_pairs_hook=_unique)


def dumps_exact(value: Json) -> bytes:
    """Return *value*, which may hold ``Number``, as JSON with every digit. What JSON can't hold becomes text."""
    return orjson.dumps(value, default=_default, option=orjson.OPT_PASSTHROUGH_DATACLASS)


def _default(value: object) -> object:
    return orjson.Fragment(value.text) if isinstance(value, Number) else str(value)


def _whole(text: str) -> int | Number:
    return int(text) if len(text) <= 18 and text != "-0" else Number(text)  # noqa: PLR2004 - any 64-bit number, surely


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise DuplicateKeyError(key)
    return found
