"""
Values made safe to show, and numbers and times in words.

IDs, attributes and messages are untrusted text: characters that move the cursor, are invisible or change the reading
direction are shown as escapes. A sensitive value is shown only as a keyed fingerprint.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from rich.cells import cell_len

from leanplum_sync.address import SubjectKind, noun_of
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.limits import LARGEST_EXACT_INTEGER
from leanplum_sync.wire.profile import TOKEN_FIELDS
from leanplum_sync.wire.variable import groups_above

NOTHING: Final = "(none)"
LONGEST: Final = 48  # cells; longer values are cut
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Control, format (right-to-left marks, zero-width joiners), surrogates, private use, unassigned, line separators.
_HIDDEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_DIGITS: Final = 4
_MINUTE: Final = 60
_HOUR: Final = 3600
_HOURS_COUNTED: Final = 48
# GitHub's and Azure's runners treat a line that starts with these as a command. Lines may break at any space.
_COMMAND: Final = re.compile(r"(^|\s)(::|##)")


def escaped(text: str) -> str:
    r"""Return *text* with invisible characters as escapes, such as ``\n`` or ``\u202e``, and no runner commands."""
    if not text.isascii() or not text.isprintable():
        text = "".join(map(_escaped_character, text))
    return _COMMAND.sub(r"\1\\\2", text)


def _escaped_character(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    # Python's own escapes: \x1b, \u202e, \U000e0001.
    return _SHORT.get(character) or character.encode("unicode_escape").decode("ascii")


def cut(text: str, cells: int = LONGEST) -> str:
    """
    Return *text* in at most *cells* terminal cells, ending in ``…`` if it had to be cut.

    Combining marks take no cell, so the number of characters is limited as well: two per cell.
    """
    longest = 2 * cells
    if len(text) <= longest and cell_len(text) <= cells:
        return text
    kept = ""
    room = cells - 1
    for character in text[: longest - 1]:
        room -= cell_len(character)
        if room < 0:
            break
        kept += character
    return f"{kept}…"


def shown(value: Json, cells: int = LONGEST) -> str:
    """
    Return *value* as one short line.

    Text is quoted only where it would read as something else: ``3``, ``true``, ``(none)`` or nothing.
    """
    if isinstance(value, Masked) and len(str(value)) > cells:
        return cut("(sensitive)", cells)
    return cut(_plain(value), cells)


def _plain(value: Json) -> str:
    match value:
        case None:
            return NOTHING
        case Masked():
            return str(value)
        case str():
            return f'"{escaped(value)}"' if _is_misleading(value) else escaped(value)
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < LARGEST_EXACT_INTEGER:
            return str(int(value))
        case int() | float():
            return str(value)
        case list() | tuple():
            return f"[{', '.join(map(_plain, value))}]"
        case dict():
            return ", ".join(f"{escaped(str(name))}: {_plain(item)}" for name, item in value.items()) or "{}"
        case _:
            return escaped(str(value))


def _is_misleading(text: str) -> bool:
    if text != text.strip() or text.lower() in ("", "true", "false", "null", NOTHING):
        return True
    if text.startswith(('"', "[", "(")) or ", " in text or " → " in text:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Masked:
    """A hidden value. Equal values have equal fingerprints under the same key."""

    fingerprint: str

    def __str__(self) -> str:
        return f"(sensitive {self.fingerprint}…)"


@dataclass(frozen=True, slots=True)
class Mask:
    """Hides push tokens, and the attributes that the project file lists as sensitive."""

    sensitive: frozenset[str]
    key: bytes

    def covers(self, field: str) -> bool:
        """Tell whether *field*, a name or ``deviceId/fieldName``, is sensitive. A variable is, too, if one of its groups is."""
        return (
            field in self.sensitive
            or field.rpartition("/")[2] in self.sensitive.union(TOKEN_FIELDS)
            or not self.sensitive.isdisjoint(groups_above(field))
        )

    def value(self, field: str, value: Json) -> Json:
        """Return *value* with every sensitive part replaced by a ``Masked``."""
        match value:
            case _ if self.covers(field):
                return self.hide(value)
            case dict():
                return {name: self.value(str(name), item) for name, item in value.items()}
            case list() | tuple():
                return [self.value("", item) for item in value]
            case _:
                return value

    def hide(self, value: Json) -> Json:
        """Return a ``Masked``, but None for None: the absence of a value is not a secret."""
        if value is None:
            return None
        text = json.dumps(value, sort_keys=True)
        return Masked(hmac.digest(self.key, text.encode(), hashlib.sha256).hex()[:_DIGITS])


def subject_words(subject: str) -> str:
    """Return a user as the bare ID, a device as ``device:ID``."""
    return escaped(subject.removeprefix("user:"))


def amount(count: int, unit: str) -> str:
    """Return a count with its unit, such as ``1 user`` or ``12,000 users``."""
    return f"{count:,} {unit if count == 1 else plural(unit)}"


def noun_for(things: Collection[SubjectKind], *, with_users: bool) -> str:
    """Return the unit of subjects that are things of the app of these kinds, or users, or both."""
    if not things:
        return "user"
    return f"user or {noun_of(things)}" if with_users else noun_of(things)


def plural(unit: str) -> str:
    if " or " in unit:
        return " or ".join(map(plural, unit.split(" or ")))
    if " of " in unit:
        first, of, rest = unit.partition(" of ")
        return plural(first) + of + rest
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
    """Return a list in words: ``a``, ``a and b``, or ``a, b, and c``."""
    return in_words(items, "and")


def in_words(items: Sequence[str], last: str) -> str:
    """Return *items* as a list, with *last* ("and", "or") before the last one."""
    if len(items) <= 2:  # noqa: PLR2004 - one comma for each but the last, from three on
        return f" {last} ".join(items)
    return f"{', '.join(items[:-1])}, {last} {items[-1]}"
