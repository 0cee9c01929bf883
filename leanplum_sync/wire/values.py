"""
When two values are the same: the one normaliser for what is desired and what exportUser gives back.

========================  =====================  ==================================================================
desired                   observed               source
========================  =====================  ==================================================================
``true``, ``"True"``      ``"True"``             recorded traffic: booleans read back as text
``3``                     ``3``, ``3.0``, 3E0    recorded traffic: numbers are doubles; compare as numbers
``"35"``                  ``"35"``, not ``35``   a client's live test: text that looks like a number stays text
``[b, a, b]``             ``["a", "b"]``         a client's live test: a list is a set that remembers an order
``[]``, ``null``          absent                 SDKs: null clears; what an empty list reads back as is unknown
dates                     the same text          documented: ISO 8601 text
========================  =====================  ==================================================================
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable
from typing import Final

from leanplum_sync.wire.action import Json

ABSENT: Final = ("absent",)
_SIMPLE: Final = frozenset({str, int, float, bool})


def canonical(value: Json) -> Hashable:
    """Return a value that is equal for all values the API can't tell apart, and unequal for all others."""
    match value:
        case None:
            return ABSENT
        case bool():
            return ("text", "true" if value else "false")
        case str():
            lowered = value.lower()
            return ("text", lowered if lowered in ("true", "false") else value)
        case int() | float():
            return ("number", _double(value))
        case list() | tuple():
            return ("list", frozenset(map(canonical, value))) if value else ABSENT
        case _:
            return ("object", json.dumps(value, sort_keys=True))


def normal_form(value: Json) -> Json:
    """Return the canonical value as JSON, such as ``["text", "true"]``; ``["absent"]`` for what counts as absent."""
    return _as_json(canonical(value))


def _as_json(form: Hashable) -> Json:
    match form:
        case tuple():
            return [_as_json(part) for part in form]
        case frozenset():
            return sorted((_as_json(item) for item in form), key=str)
        case float() if math.isinf(form):
            return str(form)  # no JSON has it
        case _:
            return form


def _double(value: float) -> float:
    """Return *value* as the API keeps it; what no double can hold is beyond all of them."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def same(one: Json, other: Json) -> bool:
    # Most values compared are the very same, and to see that costs a fraction of two normal forms. Not so for lists: Python
    # takes [True] and [1] for one.
    if type(one) in _SIMPLE and type(one) is type(other) and one == other:
        return True
    return canonical(one) == canonical(other)
