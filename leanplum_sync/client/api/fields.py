"""
Reads answers leniently: fields have changed over the years, so a missing or unusual field is None, never an
error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from leanplum_sync.wire.action import Json

T = TypeVar("T")

_WHOLE: Final = re.compile(r"-?[0-9]{1,19}")


def text(fields: Mapping[str, Json], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def number(fields: Mapping[str, Json], name: str) -> float | None:
    value = fields.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def integer(fields: Mapping[str, Json], name: str) -> int | None:
    """Ids are 64-bit, so they must not pass through a float on the way."""
    match fields.get(name):
        case bool():
            return None
        case int(value):
            return value
        case float(value) if value.is_integer():
            return int(value)
        case str(value) if _WHOLE.fullmatch(value):
            return int(value)
        case _:
            return None


def flag(fields: Mapping[str, Json], name: str) -> bool:
    return fields.get(name) is True


def mapping(fields: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def texts(fields: Mapping[str, Json], name: str) -> tuple[str, ...]:
    value = fields.get(name)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def each(fields: Mapping[str, Json], name: str, read: Callable[[Mapping[str, Json]], T]) -> tuple[T, ...]:
    """Apply *read* to each object in the list *name*, and return the results."""
    value = fields.get(name)
    return tuple(read(item) for item in value if isinstance(item, dict)) if isinstance(value, list) else ()
