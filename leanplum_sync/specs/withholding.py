"""
Which lines of a spec are not shown: those that may hold a value of a sensitive attribute, or a push token.

It is told from the lines, not from what they mean, because a file that isn't YAML has problems, and values, too: a line is
withheld if it, or a line that it is indented under, names a sensitive attribute. So are rows of an inline list, and tokens, which nobody has to call sensitive.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from leanplum_sync.wire.profile import TOKEN_FIELDS

_ALWAYS: Final = re.compile(rf"(?<!\w)({'|'.join(('inline', 'token', *TOKEN_FIELDS))})[\"']?\s*:")
_ENTRY: Final = re.compile(r" *(- +)*([^\s\"'{}\[\],#&*!|>%@`][^\"'{}\[\],]*|\"[^\"]*\"|'[^']*')\s*:(\s|$)")
_DOCUMENT: Final = re.compile(r"---(\s|$)")


def is_withheld(lines: Sequence[str], number: int, sensitive: Collection[str] | None) -> bool:
    """Tell whether line *number*, from 1, may hold such a value. *sensitive* None: nobody knows what is."""
    if sensitive is None:
        return True
    named = [re.compile(rf"(?<!\w){re.escape(name)}(?!\w)") for name in sensitive]
    below: int | None = None  # the column that a line above must start before, to have this one inside it
    for line in reversed(lines[:number]):
        if below is not None and (not line.strip() or _start(line) >= below):
            continue
        if _ALWAYS.search(line) or any(name.search(line) for name in named):
            return True
        if _DOCUMENT.match(line) or below == 0:
            return False
        # Any other line is the rest of one above, or indented with a tab, which tells nothing.
        if _ENTRY.match(line):
            below = _start(line)
    return False


def _start(line: str) -> int:
    """Return the column that tells depth; an item of a list is deeper than a key in the same column."""
    text = line.lstrip(" ")
    return 2 * (len(line) - len(text)) + text.startswith("- ")
