"""
Decides which lines of a spec are not shown: lines that may contain a value of a sensitive attribute, or a push token.

It looks at the text, not at its meaning, because a file that isn't valid YAML also has problems and values. A line is
withheld if it names a sensitive attribute, or is indented under a line that does. Rows of inline lists, audiences, push tokens, and options of object stores are always
withheld.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from leanplum_sync.wire.profile import TOKEN_FIELDS

_ALWAYS: Final = re.compile(
    rf"(?<!\w)(?:(?:{'|'.join(('inline', 'audience', 'audiences', 'options', 'token', *TOKEN_FIELDS))})[\"']?\s*:"
    # URLs of postbacks, which belong in variables, and what is not the name of one
    r"|(?:url|replaces)[\"']?\s*:(?!\s*\{)|env[\"']?\s*:(?!\s*[\"']?\w+[\"']?\s*(?:[,}#]|$)))"
)
# Nothing here is tried in two ways, so that long lines take linear time.
_ENTRY: Final = re.compile(
    r" *+(?:- ++)*+(?:[^\s\"'{}\[\],#&*!|>%@`][^\"'{}\[\],]*|(?:\"[^\"]*\"|'[^']*')\s*):(?:\s|$)"
)
_DOCUMENT: Final = re.compile(r"---(\s|$)")


def withheld_lines(lines: Sequence[str], sensitive: Collection[str] | None) -> tuple[bool, ...]:
    """
    Return for each line whether it may contain such a value. *sensitive* is None if the sensitive attributes are unknown.

    The file is read once, so that a file with as many problems as lines is still read in linear time.
    """
    if sensitive is None:
        return (True,) * len(lines)
    named = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in sensitive) or r"(?!)")
    above: list[
        tuple[int, bool]
    ] = []  # (column, withheld) of the lines that enclose the next one, outermost first
    found = []
    for line in lines:
        column, is_named = _start(line), bool(_ALWAYS.search(line) or named.search(line))
        is_document = not is_named and _DOCUMENT.match(line) is not None
        if not (is_named or is_document or _ENTRY.match(line)):
            # The rest of a line above, or indented with a tab, which says nothing about its depth.
            found.append(bool(above) and above[-1][1])
            continue
        while above and (is_document or above[-1][0] >= column):
            above.pop()
        above.append((column, is_named or (bool(above) and above[-1][1])))
        found.append(above[-1][1])
    return tuple(found)


def _start(line: str) -> int:
    """Return the column that tells depth; an item of a list is deeper than a key in the same column."""
    text = line.lstrip(" ")
    return 2 * (len(line) - len(text)) + text.startswith("- ")
