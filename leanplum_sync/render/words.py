"""Numbers and times in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 3600
_HOURS_COUNTED: Final = 48


def amount(count: int, unit: str) -> str:
    """Return a count with its unit, such as ``1 user`` or ``12,000 users``."""
    return f"{count:,} {unit if count == 1 else plural(unit)}"


def plural(unit: str) -> str:
    return unit if unit.endswith("s") else f"{unit}es" if unit.endswith("ch") else f"{unit}s"


def duration(seconds: float) -> str:
    """Return a duration such as ``1 s``, ``42 s``, ``3 min 5 s``, ``2 h 10 min`` or ``3 days 4 h``."""
    whole = max(round(seconds), 1)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return _two(whole // _MINUTE, "min", whole % _MINUTE, "s")
    hours, minutes = whole // _HOUR, whole % _HOUR // _MINUTE
    if hours < _HOURS_COUNTED:
        return _two(hours, "h", minutes, "min")
    return _two(hours // 24, "days", hours % 24, "h")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit}" + (f" {small} {small_unit}" if small else "")


def moment(epoch_seconds: float) -> str:
    """Return a time for people, such as ``2026-11-21 22:17 UTC``."""
    return f"{datetime.fromtimestamp(epoch_seconds, UTC):%Y-%m-%d %H:%M} UTC"


def timestamp(epoch_seconds: float | None) -> str | None:
    """Return a time for machines, such as ``2026-11-21T22:17:51Z``."""
    if epoch_seconds is None:
        return None
    return f"{datetime.fromtimestamp(epoch_seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def listing(items: list[str]) -> str:
    """Return a list in words: ``a``, ``a and b`` or ``a, b and c``."""
    return " and ".join([part for part in (", ".join(items[:-1]), *items[-1:]) if part])
