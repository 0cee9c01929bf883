"""
The rules for names in the API.

Source: Leanplum docs, api-limits (names of attributes, events, states, parameters).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from leanplum_sync.kinds.rows.document import wrong
from leanplum_sync.wire.limits import NAME_LENGTH
from leanplum_sync.wire.profile import DEVICE_FIELDS, PROFILE_FIELDS, TOKEN_FIELDS

_REFUSED = {
    ",": "comma",
    "|": "vertical bar",
    '"': "double quote",
    "{": "brace",
    "\t": "tab",
    "\n": "line break",
    "\r": "line break",
}
_NUMERIC = re.compile(r"[+-]?[0-9.]*[0-9][0-9.]*([eE][+-]?[0-9]+)?")


def attribute_fault(name: str) -> str:
    """Return what is wrong with *name*, as in "it ends with /"; empty if nothing is wrong."""
    if not name:
        return "is empty"
    if len(name) > NAME_LENGTH:
        return f"has more than {NAME_LENGTH} characters"
    if name[0] in ".-":
        return f"starts with {name[0]}"
    if name.endswith("/"):
        return "ends with /"
    if _NUMERIC.fullmatch(name):
        return "is a number"
    if name != name.strip():
        return "has spaces before or after it"
    refused = next((word for character, word in _REFUSED.items() if character in name), None)
    return f"contains a {refused}" if refused else ""


def profile_field_name(name: str) -> str:
    """
    Raises:
        PydanticCustomError: no profile has such a field.
    """
    return _one_of(name, PROFILE_FIELDS, "the profile")


def device_field_name(name: str) -> str:
    """
    Raises:
        PydanticCustomError: no device has such a field, or it is that of a push token.
    """
    if name in TOKEN_FIELDS:
        raise wrong(
            "push tokens don't belong under `attributes`", "Write it under `token`, as ios, android, or web."
        )
    return _one_of(name, [field for field in DEVICE_FIELDS if field not in TOKEN_FIELDS], "a device")


def _one_of(name: str, fields: Sequence[str], whose: str) -> str:
    if name not in fields:
        close = difflib.get_close_matches(name, fields, 1)
        raise wrong(
            f"{whose} has no such field",
            f"Did you mean {close[0]}?" if close else f"Its fields are {', '.join(fields)}.",
        )
    return name
