"""
Every doubt about the API, as rows of the emulator's switches: each pair of values of two switches is in one of the rows.

What is right under the defaults alone relies on guesses. What is right under each row relies on none of them, nor on two
together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from covering import Row, covering

from leanplum_sync.emulator import Switches

# Switches that take a number or a text: the default, and what differs most while a scene of a dozen users still fits.
_CHOSEN: Final[Mapping[str, Sequence[Any]]] = {
    "oversized_text": ("Request exceeds 50 users or 500 actions.", "Invalid request"),
    "name_limit": (None, 500),
    "export_users_a_day": (40, 1),
    "export_data_a_day": (24, 1),
    "export_reports_a_day": (100, 1),
    "job_seconds": (0.0, 0.05),
    "postback_first_retry_seconds": (3600.0, 0.01),
}


def options() -> dict[str, tuple[Any, ...]]:
    """Return the values of each switch."""
    hints = get_type_hints(Switches)
    return {
        field.name: tuple(_values(field.name, hints[field.name])) for field in dataclasses.fields(Switches)
    }


def _values(name: str, hint: Any) -> Sequence[Any]:
    if name in _CHOSEN:
        return _CHOSEN[name]
    if hint is bool:
        return (True, False)
    if get_origin(hint) is Literal:
        return get_args(hint)
    raise AssertionError(f"no values are chosen for the switch {name}")


@cache
def rows() -> tuple[Row, ...]:
    return tuple(covering(options(), seed=1))


def switches(row: Row, **fixed: Any) -> Switches:
    """Return the switches of a row, but for those that are *fixed*."""
    return Switches(**{**row, **fixed})


def described(row: Row) -> str:
    """Return where a row differs from the defaults."""
    defaults = Switches()
    return ", ".join(f"{name}={value}" for name, value in row.items() if value != getattr(defaults, name))
