"""
Markdown with inert values, within a limit of bytes.

Values, IDs and names are written as code, in which nothing is Markdown, HTML, a mention or a link. A document that is too
long loses whole lines, and only lines of a ``Rows``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from leanplum_sync.planner.plan import Target
from leanplum_sync.render.values import amount, cut, escaped

_LONGEST_NAME: Final = 60
# These are special in a table cell even inside code.
_NOT_AS_CODE: Final = frozenset("`|")
_ENTITIES: Final = {character: f"&#{ord(character)};" for character in "\\`*_{}[]<>&|~$:"}
# An entity alone would still make a mention or a reference; the comment prevents that.
_ENTITIES.update({character: f"&#{ord(character)};<!-- -->" for character in "@#"})
_LINK: Final = re.compile(r"\bwww\.", re.IGNORECASE)


def code(text: str) -> str:
    """Return *text* as code, whatever it contains."""
    words = escaped(text)
    if not words.strip():
        return "<code>&nbsp;</code>" if words else ""
    if _NOT_AS_CODE.isdisjoint(words):
        return f"`{words}`"
    inert = "".join(c if c.isalnum() or c == " " else f"&#{ord(c)};" for c in words)
    return f"<code>{inert}</code>"


def prose(text: str) -> str:
    """Return *text* as prose in which nothing is Markdown, HTML, a mention or a link."""
    inert = "".join(_ENTITIES.get(character, character) for character in escaped(text))
    return _LINK.sub(lambda found: found[0].replace(".", "&#46;"), inert)


def place(target: Target) -> str:
    """Return the environment and its host. An emulator is always named as one."""
    name = code(cut(escaped(target.environment)))
    if target.host == "embedded emulator":
        return f"{name} · embedded emulator, nothing real is touched"
    if target.is_emulator:
        return f"{name} · emulator at {code(cut(escaped(target.host)))}, nothing real is touched"
    return f"{name} · {code(cut(escaped(target.host)))}, app {code(cut(escaped(target.app_id)))}"


def marker(document: str, *names: str) -> str:
    """Return a hidden line that lets a pipeline find its own comment: ``<!-- leanplum-sync plan production -->``."""
    words = [re.sub(r"[^A-Za-z0-9._]+", "-", name)[:_LONGEST_NAME].strip("-") for name in names]
    return f"<!-- {' '.join(['leanplum-sync', document, *filter(None, words)])} -->"


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def table(*columns: str) -> str:
    """Return the head of a table. A column whose name ends in ``:`` is right-aligned."""
    marks = ["---:" if name.endswith(":") else ":---" for name in columns]
    return f"{row(*(name.removesuffix(':') for name in columns))}\n{row(*marks)}"


@dataclass(frozen=True, slots=True)
class Rows:
    """As many *lines* under a *head* as fit. A remark counts omitted lines, each one *unit*, and says *where* all of them are."""

    head: str
    lines: Sequence[str]
    unit: str = ""
    where: str = ""
    tail: str = ""

    def fitted(self, room: int) -> tuple[str, int]:
        """Return the block with the lines that fit into *room* bytes, and the bytes left over."""
        sizes = list(accumulate(_bytes(line) + 1 for line in self.lines))
        kept = sum(size <= room for size in sizes)
        rest = [self._omitted(len(self.lines) - kept)] if kept < len(self.lines) else []
        lines = [self.head, *self.lines[:kept]] if kept else []
        parts = ["\n".join(part) for part in (lines, rest) if part]
        left = room - (sizes[kept - 1] if kept else 0)
        return "\n\n".join([*parts, *([self.tail] if self.tail and kept else [])]), left

    def _omitted(self, count: int) -> str:
        return f"_{amount(count, self.unit)} omitted here: {self.where}._" if self.unit else ""

    @property
    def least(self) -> int:
        """Return the bytes that the block takes without its lines."""
        return sum(_bytes(part) + 2 for part in (self.head, self._omitted(len(self.lines)), self.tail))


def fitted(parts: Iterable[str | Rows], limit: int) -> str:
    """Return *parts* as paragraphs in at most *limit* bytes. Lines are omitted from the end of the document first."""
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
