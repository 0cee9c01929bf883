"""The rules for names of attributes, events and states."""

from __future__ import annotations

from collections.abc import Iterable

from leanplum_sync.emulator.errors import RefusedError
from leanplum_sync.emulator.work import Work

_MAX_LENGTH = 139
_FORBIDDEN = frozenset(',|"{\t\n\r')


def is_allowed(name: str) -> bool:
    """Return whether a name follows the documented rules."""
    if not 0 < len(name) <= _MAX_LENGTH or name[0] in ".-" or name[-1] == "/" or _FORBIDDEN & set(name):
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
