"""How values are stored, merged and written. The API stores booleans as text and writes doubles like Java."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable
from typing import Any

import orjson

from leanplum_sync.emulator.switches import Switches

LOWEST, HIGHEST = -(2**63), 2**63 - 1
# Java's Double.toString writes plain digits from 1e-3 up to 1e7, and an exponent elsewhere.
_PLAIN_FROM, _PLAIN_BELOW = 1e-3, 1e7
# Matches every double in an object or list of JSON, and some texts: a match only means that the values must be checked.
_DOUBLE = re.compile(rb"[:,\[]-?[0-9]+[.e]")


def stored(value: Any, switches: Switches) -> Any:
    """Return *value* as the API stores an attribute: ``True`` becomes ``"True"``, and lists lose duplicates."""
    match value:
        case bool():
            return "True" if value else "False"
        case int() if switches.integers == "doubles":
            return float(value)
        case list():
            return distinct(stored(item, switches) for item in value)
        case _:
            return value


def distinct(items: Iterable[Any]) -> list[Any]:
    """Return *items* without repetitions, first ones first; 1 and "1" differ."""
    return list({orjson.dumps(item): item for item in items}.values())


def as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def with_added(existing: Any, added: Any, switches: Switches) -> list[Any]:
    return distinct([*as_list(existing), *(stored(item, switches) for item in as_list(added))])


def with_removed(existing: list[Any], removed: Any, switches: Switches) -> list[Any]:
    unwanted = [stored(item, switches) for item in as_list(removed)]
    return [item for item in existing if item not in unwanted]


def whole(value: float) -> int:
    """Return *value* as an integer, limited to 64 bits."""
    return min(max(int(value), LOWEST), HIGHEST)


def total(one: float, other: float) -> float:
    """Return the sum, limited to the largest double: JSON has no infinity."""
    return min(max(float(one + other), -sys.float_info.max), sys.float_info.max)


def as_integer(value: Any, switches: Switches) -> int | None:
    """Return *value* if it is an integer, else None. Where integers are kept as doubles, a double may be one."""
    if isinstance(value, float) and switches.integers == "doubles" and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def java_double(value: float) -> str:
    """Return *value* as ``Double.toString`` writes it: ``1.5E9``, ``1.0E-4``, ``0.5``."""
    if value == 0 or _PLAIN_FROM <= abs(value) < _PLAIN_BELOW:
        return repr(value)
    digits, exponent = _shortest(value)
    return f"{'-' if value < 0 else ''}{digits[0]}.{digits[1:] or '0'}E{exponent}"


def _shortest(value: float) -> tuple[str, int]:
    """Return the fewest significant digits that give *value* back, and the exponent of the first of them."""
    text = repr(abs(value))
    mantissa, _, power = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading_zeros = len(whole + fraction) - len(digits)
    exponent = len(whole) - 1 - leading_zeros + int(power or 0)
    return digits.rstrip("0") or "0", exponent


def to_json(value: Any, *, java: bool = True) -> bytes:
    """Return *value* as UTF-8 JSON, with doubles as Java writes them unless *java* is off."""
    plain = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    if not java or (plain[:1] in b'{["' and _DOUBLE.search(plain) is None):
        return plain
    return orjson.dumps(_java(value), option=orjson.OPT_NON_STR_KEYS)


def _java(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _java(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_java(item) for item in value]
    if isinstance(value, float) and math.isfinite(value):
        return orjson.Fragment(java_double(value))
    return value
