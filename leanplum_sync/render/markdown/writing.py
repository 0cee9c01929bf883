"""
Markdown that other people's text can't break out of, in at most so many bytes.

Values, ids and names stand as code: there, nothing is Markdown, HTML, a mention or a link. A document is made of whole
lines, and only those that are marked as dispensable are ever left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from leanplum_sync.render.values import escaped

_LONGEST_NAME: Final = 60
# In a cell of a table these mean something even inside of code.
_NOT_AS_CODE: Final = frozenset("`|")
_ENTITIES: Final = {character: f"&#{ord(character)};" for character in "\\`*_{}[]<>&|~$:"}
# A comment keeps them from being a mention or a reference, which an entity doesn't.
_ENTITIES.update({character: f"&#{ord(character)};<!-- -->" for character in "@#"})
_LINK: Final = re.compile(r"\bwww\.", re.IGNORECASE)


def code(text: str) -> str:
    """Return *text* as code, whatever is in it."""
    words = escaped(text)
    if not words.strip():
        return "<code>&nbsp;</code>" if words else ""
    if _NOT_AS_CODE.isdisjoint(words):
        return f"`{words}`"
    inert = "".join(c if c.isalnum() or c == " " else f"&#{ord(c)};" for c in words)
    return f"<code>{inert}</code>"


def prose(text: str) -> str:
    """Return *text* so that nothing in it is Markdown, HTML, a mention or a link."""
    inert = "".join(_ENTITIES.get(character, character) for character in escaped(text))
    return _LINK.sub(lambda found: found[0].replace(".", "&#46;"), inert)


def marker(document: str, *names: str) -> str:
    """Return a hidden line by which a pipeline finds its own comment: ``<!-- leanplum-sync plan production -->``."""
    words = [re.sub(r"[^A-Za-z0-9._]+", "-", name)[:_LONGEST_NAME].strip("-") for name in names]
    return f"<!-- {' '.join(['leanplum-sync', document, *filter(None, words)])} -->"


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def table(*columns: str) -> str:
    """Return the head of a table. A column's name that ends in ``:`` is set flush right."""
    marks = ["---:" if name.endswith(":") else ":---" for name in columns]
    return f"{row(*(name.removesuffix(':') for name in columns))}\n{row(*marks)}"


@dataclass(frozen=True, slots=True)
class Rows:
    """*lines* under a *head*: as many as there is room for. *rest* says what is left out, by its number."""

    head: str
    lines: Sequence[str]
    rest: Callable[[int], str]
    tail: str = ""

    def fitted(self, room: int) -> tuple[str, int]:
        """Return the block with the lines that fit *room*, in bytes, and the room that is left."""
        sizes = list(accumulate(_bytes(line) + 1 for line in self.lines))
        kept = sum(size <= room for size in sizes)
        rest = [self.rest(len(self.lines) - kept)] if kept < len(self.lines) else []
        lines = [self.head, *self.lines[:kept]] if kept else []
        parts = ["\n".join(part) for part in (lines, rest) if part]
        left = room - (sizes[kept - 1] if kept else 0)
        return "\n\n".join([*parts, *([self.tail] if self.tail and kept else [])]), left

    @property
    def least(self) -> int:
        """Return the bytes it takes besides its lines."""
        return sum(_bytes(part) + 2 for part in (self.head, self.rest(len(self.lines)), self.tail))


def fitted(parts: Iterable[str | Rows], limit: int) -> str:
    """Return *parts* as paragraphs, in at most *limit* bytes. Lines are left out at the end of the document first."""
    found = [part for part in parts if isinstance(part, str) or part.lines]
    room = limit - sum(part.least if isinstance(part, Rows) else _bytes(part) + 2 for part in found)
    blocks = []
    for part in found:
        if isinstance(part, Rows):
            block, room = part.fitted(room)
            blocks.append(block)
        else:
            blocks.append(part)
    return "\n\n".join(filter(None, blocks)) + "\n"


def _bytes(text: str) -> int:
    return len(text.encode())
