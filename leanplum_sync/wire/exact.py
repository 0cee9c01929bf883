"""
When two JSON values are the same, for values that the API gives back as they were set: those of things of the app.

Unlike values of users (see ``values``), ``true`` and ``"True"`` differ here, and the order of a list counts. ``3`` and ``3.0`` are one
number.
"""

from __future__ import annotations

import json
from typing import Final

from leanplum_sync.wire.action import Json

_LARGEST: Final = 2**53  # beyond it, doubles skip whole numbers


def exact_form(value: Json) -> str:
    """Return a text that is equal for equal values, and different for all others."""
    return json.dumps(_plain(value), sort_keys=True)


def same_exactly(one: Json, other: Json) -> bool:
    """Whether the values are the same. None stands for no value."""
    return exact_form(one) == exact_form(other)


def _plain(value: Json) -> Json:
    match value:
        case float() if value.is_integer() and abs(value) < _LARGEST:
            return int(value)
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value
