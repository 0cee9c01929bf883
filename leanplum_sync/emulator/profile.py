"""Changes to a profile that several actions share, and the rules for names of attributes, events and states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from leanplum_sync.emulator import values
from leanplum_sync.emulator.errors import RefusedError
from leanplum_sync.emulator.switches import Switches
from leanplum_sync.emulator.user import LOCATION_FIELDS, User
from leanplum_sync.emulator.work import Work

_MAX_NAME_LENGTH = 139
_FORBIDDEN = frozenset(',|"{\t\n\r')


def is_allowed(name: str) -> bool:
    if not 0 < len(name) <= _MAX_NAME_LENGTH or name[0] in ".-" or name[-1] == "/" or _FORBIDDEN & set(name):
        return False
    try:
        float(name)
    except ValueError:
        return True
    return False


def check_names(work: Work, kind: str, names: Iterable[str]) -> None:
    """
    Refuse invalid names, and new ones beyond the app's limit, if the switches say so.

    Message events (``.m123``) are the API's own and always allowed.
    """
    switches = work.switches
    if not switches.strict_names and switches.name_limit is None:
        return
    for name in names:
        if switches.strict_names and not name.startswith(".m") and not is_allowed(name):
            raise RefusedError(f"{kind} name is invalid.", 400)
        if switches.name_limit is not None and not work.transaction.add_name(kind, name, switches.name_limit):
            raise RefusedError(f"Too many distinct {kind} names.", 400)


def set_attributes(user: User, given: Mapping[str, Any], switches: Switches) -> None:
    """Set the given attributes; null removes one."""
    for name, value in given.items():
        if value is None or (switches.empty_values == "drop" and value in ("", [])):
            user.attributes.pop(name, None)
        else:
            user.attributes[name] = values.stored(value, switches)


def happened(known: dict[str, dict[str, Any]], name: str, time: float, value: float | None = None) -> None:
    entry = known.setdefault(name, {"count": 0, "firstTime": float(time), "lastTime": float(time)})
    entry["count"] = values.whole(entry.get("count", 0) + 1)
    entry["firstTime"] = float(min(entry.get("firstTime", time), time))
    entry["lastTime"] = float(max(entry.get("lastTime", time), time))
    if value is not None:
        entry["value"] = values.total(entry.get("value", 0.0), value)


def location_of(work: Work) -> dict[str, Any]:
    """Return the given location fields. "(detect)" detects nothing, because every caller is on loopback."""
    location: dict[str, Any] = {}
    for name in LOCATION_FIELDS:
        value = work.arguments.integer(name) if name == "timezoneOffsetSeconds" else work.arguments.text(name)
        if value is not None and value != "(detect)":
            location[name] = value
    return location
