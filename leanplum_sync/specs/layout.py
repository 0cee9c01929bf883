"""
YAML as it is written: its blocks with their place in the text, and every comment.

Unlike ``yaml_file``, which keeps the values, this keeps the text: each leaf is a slice of it, so that quotes, numbers and
anchors stay as somebody wrote them. A flow collection over several lines is a leaf too.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

_ODD_BREAKS: Final = "\r\x85\u2028\u2029"  # lines end there for YAML, and for hardly anything else


class UnusualYamlError(Exception):
    """The text holds what no layout is known for. *what* is for people."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Leaf:
    """*text* may have several lines. *column* is where its first line starts."""

    text: str
    line: int
    last_line: int
    column: int
    is_literal: bool = False

    @property
    def is_nothing(self) -> bool:
        return not self.text


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow collection on one line; *pairs* of a list have no key."""

    anchor: str
    brackets: str
    pairs: tuple[tuple[Leaf | Flow | None, Leaf | Flow], ...]
    line: int
    column: int

    @property
    def last_line(self) -> int:
        return self.line


@dataclass(frozen=True, slots=True)
class Mapping:
    anchor: str
    entries: tuple[tuple[Leaf | Flow, Node], ...]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """*dashes* are the lines of the items' dashes."""

    anchor: str
    items: tuple[Node, ...]
    dashes: tuple[int, ...]
    line: int
    column: int


Node: TypeAlias = Leaf | Flow | Mapping | Sequence


@dataclass(frozen=True, slots=True)
class Comment:
    text: str
    column: int


@dataclass(frozen=True, slots=True)
class Content:
    """*marker* is the line of a ``---``, if there is one."""

    node: Node
    marker: int | None


@dataclass(frozen=True, slots=True)
class Layout:
    """*comments* are by line; *gaps* are the lines that are blank or hold a comment alone. Lines count from 0."""

    contents: tuple[Content, ...]
    comments: dict[int, Comment]
    gaps: dict[int, Comment | None]


def read_layout(text: str) -> Layout:
    r"""
    Return how *text*, which is sound YAML with ``\n`` between its lines, is laid out.

    Raises:
        UnusualYamlError: it holds directives, or something else that specs have no use for.
    """
    if any(character in text for character in _ODD_BREAKS):
        raise UnusualYamlError("unusual line breaks")
    reader = _Reader(text)
    contents = tuple(reader.contents())
    comments = dict(reader.comments())
    lines = text.split("\n")
    covered = set(reader.lines())
    gaps: dict[int, Comment | None] = {}
    for number, line in enumerate(lines[:-1] if text.endswith("\n") else lines):
        stripped = line.strip(" \t")
        if number not in covered and (not stripped or stripped.startswith("#")):
            gaps[number] = comments.get(number)
    return Layout(contents, comments, gaps)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._events = iter(YAML(typ="safe", pure=True).parse(text))
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._reached = 0  # behind the last dash
        self.spans: list[tuple[int, int]] = []  # of leaves, in order

    def lines(self) -> Iterator[int]:
        """Yield the lines on which there is a leaf, or a part of one."""
        for start, end in self.spans:
            yield from range(self._line(start), self._line(end - 1) + 1)

    def comments(self) -> Iterator[tuple[int, Comment]]:
        """Yield line and comment for each; outside of leaves, nothing but a comment holds the sign."""
        position = 0
        for start, end in [*self.spans, (len(self._text), len(self._text))]:
            while (sign := self._text.find("#", position, start)) >= 0:
                stop = self._text.find("\n", sign)
                position = len(self._text) if stop < 0 else stop
                yield self._line(sign), Comment(self._text[sign:position].rstrip(), self._column(sign))
            position = max(position, end)

    def _line(self, index: int) -> int:
        return bisect_right(self._starts, index) - 1

    def _column(self, index: int) -> int:
        return index - self._starts[self._line(index)]

    def contents(self) -> Iterator[Content]:
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if event.version or event.tags:
                    raise UnusualYamlError("directives")
                marker = event.start_mark.line if event.explicit else None
                yield Content(self._node(next(self._events)), marker)
            elif isinstance(event, DocumentEndEvent) and event.explicit:
                raise UnusualYamlError("the end marker `...`")

    def _node(self, event: Any) -> Node:
        match event:
            case ScalarEvent() | AliasEvent():
                return self._leaf(event)
            case MappingStartEvent() | SequenceStartEvent() if event.flow_style:
                return self._flow(event)
            case MappingStartEvent():
                return self._mapping(event)
            case _:
                return self._sequence(event)

    def _leaf(self, event: Any) -> Leaf:
        mark, end = event.start_mark, event.end_mark.index
        text = self._text[mark.index : end]
        is_literal = getattr(event, "style", None) in ("|", ">")
        if is_literal:
            if "+" in text.partition("\n")[0].partition("#")[0]:
                raise UnusualYamlError("text that keeps the blank lines after it (`+`)")
            text = text.rstrip(" \n")
            end = mark.index + len(text)
        if text:
            self.spans.append((mark.index, end))
        return Leaf(text, mark.line, mark.line + text.count("\n"), mark.column, is_literal)

    def _flow(self, start: Any) -> Leaf | Flow:
        spans = len(self.spans)
        nodes: list[Leaf | Flow] = []
        while not isinstance(event := next(self._events), MappingEndEvent | SequenceEndEvent):
            node = self._node(event)
            assert isinstance(node, Leaf | Flow)  # noqa: S101 - YAML has no block inside of a flow
            nodes.append(node)
        mark, end = start.start_mark, event.end_mark
        if mark.line != end.line:
            del self.spans[spans:]
            self.spans.append((mark.index, end.index))
            return Leaf(self._text[mark.index : end.index], mark.line, end.line, mark.column)
        anchor = f"&{start.anchor} " if start.anchor else ""
        if isinstance(start, SequenceStartEvent):
            pairs: tuple[tuple[Leaf | Flow | None, Leaf | Flow], ...] = tuple((None, node) for node in nodes)
            return Flow(anchor, "[]", pairs, mark.line, mark.column)
        return Flow(anchor, "{}", tuple(zip(nodes[::2], nodes[1::2], strict=True)), mark.line, mark.column)

    def _mapping(self, start: Any) -> Mapping:
        nodes: list[Node] = []
        while not isinstance(event := next(self._events), MappingEndEvent):
            nodes.append(self._node(event))
        keys = [key for key in nodes[::2] if isinstance(key, Leaf | Flow)]
        if len(keys) * 2 != len(nodes):
            raise UnusualYamlError("a multi-line key")
        entries = tuple(zip(keys, nodes[1::2], strict=True))
        return Mapping(_anchor(start), entries, start.start_mark.line, keys[0].column)

    def _sequence(self, start: Any) -> Sequence:
        self._reached = start.start_mark.index + (len(start.anchor) + 1 if start.anchor else 0)
        items: list[Node] = []
        dashes: list[int] = []
        column = start.start_mark.column
        while not isinstance(event := next(self._events), SequenceEndEvent):
            dash = self._next_dash()
            dashes.append(self._line(dash))
            column = self._column(dash)
            items.append(self._node(event))
        return Sequence(_anchor(start), tuple(items), tuple(dashes), start.start_mark.line, column)

    def _next_dash(self) -> int:
        """Return where the next ``-`` is: after blanks and comments, which is all there can be."""
        position = max(self._reached, self.spans[-1][1] if self.spans else 0)
        while self._text[position] != "-":
            character = self._text[position]
            position = self._text.find("\n", position) if character == "#" else position + 1
        self._reached = position + 1
        return position


def _anchor(event: Any) -> str:
    return f" &{event.anchor}" if event.anchor else ""
