"""
Finds the line whose indentation is wrong.

A parser stops where it can't go on, which is often the line after the one at fault. So the lines around are indented like
their neighbours, one at a time; a line whose change makes the whole text sound is likely to be the one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import ScalarEvent

_LONGEST: Final = 16_000  # characters; the text is parsed some twenty times
_LINES_BEFORE: Final = 3
_NEIGHBOURS: Final = 2


@dataclass(frozen=True, slots=True)
class Misindented:
    """*line* counts from 1; *found* and *expected* are spaces."""

    line: int
    found: int
    expected: int


def misindented(text: str, stopped_at: int) -> Misindented | None:
    """Return the line that is likely to be at fault where a parser *stopped_at* a line; None if indentation isn't it."""
    if len(text) > _LONGEST:
        return None
    lines = text.split("\n")
    significant = [
        number
        for number, line in enumerate(lines)
        if line.strip() and not line.lstrip().startswith("#") and "\t" not in _blanks(line)
    ]
    if stopped_at - 1 not in significant:
        return None
    at = significant.index(stopped_at - 1)
    step = _step([len(_blanks(lines[number])) for number in significant])
    unusual = _unusual(lines, significant, step)
    best: tuple[tuple[int, int, bool, int], Misindented] | None = None
    for place in range(max(0, at - _LINES_BEFORE), at + 1):
        number = significant[place]
        found = len(_blanks(lines[number]))
        for expected in _likely(lines, significant, place, step):
            changed = [*lines[:number], " " * expected + lines[number].lstrip(), *lines[number + 1 :]]
            empty = _empty_values("\n".join(changed))
            if empty is None:
                continue
            # Fewer keys without a value; fewer unusual indentations afterwards; an unusual one now; the earlier line.
            left = len(_unusual(changed, significant, step))
            rank = empty, left, number not in unusual, number
            if best is None or rank < best[0]:
                best = rank, Misindented(number + 1, found, expected)
    return best[1] if best else None


def _blanks(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _step(indents: Sequence[int]) -> int:
    """Return by how much a line is usually indented more than the one above it."""
    steps = Counter(after - before for before, after in pairwise(indents) if after > before)
    return steps.most_common(1)[0][0] if steps else 2


def _unusual(lines: Sequence[str], significant: Sequence[int], step: int) -> frozenset[int]:
    """Return the lines that are indented neither like an open block nor one *step* more than a key without a value."""
    found: set[int] = set()
    open_blocks: list[int] = [0]
    opens = False
    for number in significant:
        indent = len(_blanks(lines[number]))
        if indent not in open_blocks and not (opens and indent == open_blocks[-1] + step):
            found.add(number)
        open_blocks = [*(each for each in open_blocks if each < indent), indent]
        opens = lines[number].rstrip().endswith(":")
    return frozenset(found)


def _likely(lines: Sequence[str], significant: Sequence[int], place: int, step: int) -> Iterator[int]:
    """Yield indentations that a line may have, except its own: as the lines above, one step more than its parent, as the lines below."""
    above = significant[max(0, place - _NEIGHBOURS) : place][::-1]
    indents = [len(_blanks(lines[number])) for number in above]
    if above and lines[above[0]].rstrip().endswith(":"):
        indents.insert(0, indents[0] + step)
    below = significant[place + 1 : place + 1 + _NEIGHBOURS]
    indents += [len(_blanks(lines[number])) for number in below]
    own = len(_blanks(lines[significant[place]]))
    yield from (indent for indent in dict.fromkeys(indents) if indent != own)


def _empty_values(text: str) -> int | None:
    """Return how many keys or items have no value; None if *text* is not YAML."""
    try:
        return sum(
            isinstance(event, ScalarEvent) and not event.value and not event.style
            for event in YAML(typ="safe", pure=True).parse(text)
        )
    except (YAMLError, RecursionError, ValueError):
        return None
