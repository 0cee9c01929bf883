"""How an exportUsers job writes values. Its files hold texts only, so not every text tells which value it was."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from typing import Final

# Characters that a file may quote or escape; how it does so isn't documented.
SPECIAL: Final = r'",\\\x00-\x1f\x7f\x85\u2028\u2029\ufffd'

_REMEMBERED: Final = 200  # characters: longer texts would fill the memory, and are rarely repeated
_SPECIAL: Final = re.compile(f"[{SPECIAL}]")
_NO_VALUE: Final = ("", "null", "none", "nil", "undefined", "nan", "n/a")


def is_telling(text: str) -> bool:
    """Whether only one value of an attribute is exported as *text*, or only values that count as equal."""
    return _is_telling_remembered(text) if len(text) <= _REMEMBERED else _is_telling(text)


def may_mean_nothing(text: str) -> bool:
    """Whether *text* may be how a missing or empty value is exported."""
    return text.strip().lower() in _NO_VALUE


def may_be_quoted(text: str) -> bool:
    """Whether *text* has characters that a file may quote or escape."""
    return _SPECIAL.search(text) is not None


def boolean_text(value: bool) -> str:  # noqa: FBT001 - the value itself
    """Return what a boolean is exported as. Source: recorded files of exportUsers."""
    return "True" if value else "False"


def _is_telling(text: str) -> bool:
    bare = text.strip()
    if may_mean_nothing(text) or bare.startswith(("[", "{")):
        return False
    with suppress(ValueError):
        float(bare)
        return False
    return True


_is_telling_remembered: Final = lru_cache(maxsize=10_000)(_is_telling)
