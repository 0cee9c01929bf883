"""
The layout of spec files: keys in the order of the reference, two spaces per level, comments with the lines they are about.

Text is moved line by line; values are never written again. A comment on lines of its own goes with the key
below it, one behind a value with that value; one at the end of a block stays at the end of that block, and one at the top
of a document at the top. The result is read again: if it means something else, or a comment is missing, it is not used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import dropwhile
from typing import Final

from leanplum_sync.specs.key_order import Shape, document_shape, item_shape, keys_of
from leanplum_sync.specs.layout import (
    Flow,
    Layout,
    Leaf,
    Mapping,
    Node,
    Sequence,
    UnusualYamlError,
    read_layout,
)
from leanplum_sync.specs.yaml_file import Document, read_documents

_STEP: Final = 2  # spaces per level, and at least that many before a comment


def formatted(text: str) -> str:
    r"""
    Return *text*, sound YAML with ``\n`` between its lines, in the layout of specs.

    Formatting twice changes nothing more.

    Raises:
        UnusualYamlError: it holds what has no such layout. It should then stay as it is.
    """
    before, faults = read_documents(text)
    if faults:
        raise UnusualYamlError("invalid YAML")
    layout = read_layout(text)
    result = _Writer(layout).text(before)
    after, faults = read_documents(result)
    if faults or _meaning(after) != _meaning(before) or _remarks(read_layout(result)) != _remarks(layout):
        raise UnusualYamlError("a layout that can't be changed without changing its meaning")
    return result


def _meaning(documents: list[Document]) -> str:
    return json.dumps([document.value for document in documents], sort_keys=True)


def _remarks(layout: Layout) -> list[str]:
    return sorted(comment.text for comment in layout.comments.values())


@dataclass(frozen=True, slots=True)
class _Block:
    """*above* are the comments before the first key or dash, not indented; *lines* are."""

    above: list[str]
    lines: list[str]


class _Writer:
    """Goes through a layout from top to bottom; ``_next`` is the first line whose comments are not yet placed."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._next = 0

    def text(self, documents: list[Document]) -> str:
        lines: list[str] = []
        for content, document in zip(self._layout.contents, documents, strict=True):
            if content.marker is not None:
                before = self._gap(content.marker)
                head = (
                    self._commented("---", content.marker, 0) if content.node.line > content.marker else "---"
                )
                lines = [*_trimmed([*lines, *before]), head]
                self._next = content.marker + 1
            value = document.value
            shape = document_shape(value.get("kind") if isinstance(value, dict) else None)
            top = _without_blank_start(self._gap(content.node.line))
            block = self._block(content.node, 0, shape, parent_column=-1)
            lines += [*top, *block.above, *block.lines]
        return "".join(
            f"{line}\n" for line in _trimmed([*lines, *self._gap(max(self._layout.gaps, default=0) + 1)])
        )

    def _block(self, node: Node, indent: int, shape: Shape, parent_column: int) -> _Block:
        match node:
            case Mapping():
                return self._mapping(node, indent, shape, parent_column)
            case Sequence():
                return self._sequence(node, indent, shape, parent_column)
            case Leaf() | Flow():
                lines = self._text(node, shape, indent - node.column)
                self._next = node.last_line + 1
                return _Block(
                    [], [*lines[:-1], self._commented(lines[-1], node.last_line, indent - node.column)]
                )

    def _mapping(self, node: Mapping, indent: int, shape: Shape, parent_column: int) -> _Block:
        keys = keys_of(shape, [_name(key) for key, _ in node.entries])
        chunks = []
        for key, value in node.entries:
            above = self._gap(key.line)
            head = f"{_on_one_line(key, None)}:"
            block = self._entry(
                head, value, indent, keys.shape(_name(key)), line=key.line, column=node.column
            )
            chunks.append((keys.rank(_name(key)), _Block([*above, *block.above], block.lines)))
        tail = self._tail(max(node.column, parent_column + 1))
        chunks.sort(key=lambda chunk: chunk[0])
        return _stacked([block for _, block in chunks], tail, indent)

    def _sequence(self, node: Sequence, indent: int, shape: Shape, parent_column: int) -> _Block:
        blocks = []
        for item, dash in zip(node.items, node.dashes, strict=True):
            above = self._gap(dash)
            block = self._entry("-", item, indent, item_shape(shape), line=dash, column=node.column)
            blocks.append(_Block([*above, *block.above], block.lines))
        return _stacked(blocks, self._tail(max(node.column, parent_column + 1)), indent)

    def _entry(self, head: str, node: Node, indent: int, shape: Shape, *, line: int, column: int) -> _Block:
        """Return the formatted lines of *head*, a key or a dash on *line* at *column*, with its value."""
        start, shift = " " * indent + head, indent - column
        match node:
            case Leaf() if node.is_nothing:
                self._next = line + 1
                return _Block([], [self._commented(start, line, shift)])
            case Leaf() | Flow():
                above = self._between(line, node.line)
                first, *rest = self._text(node, shape, shift)
                lines = [f"{start} {first}", *rest]
                self._next = node.last_line + 1
                if not (isinstance(node, Leaf) and node.is_literal):
                    lines[-1] = self._commented(lines[-1], node.last_line, shift)
                return _Block(above, lines)
            case Mapping() | Sequence() if head == "-" and not node.anchor:
                above = self._between(line, node.line)
                block = self._block(node, indent + _STEP, shape, column)
                first, *rest = block.lines
                return _Block([*above, *block.above], [f"{start} {first.lstrip()}", *rest])
            case Mapping() | Sequence():
                self._next = line + 1
                first = self._commented(start + node.anchor, line, shift)
                block = self._block(node, indent + _STEP, shape, column)
                return _Block([], [first, *_indented(block.above, indent + _STEP), *block.lines])

    def _text(self, node: Leaf | Flow, shape: Shape, shift: int) -> list[str]:
        if isinstance(node, Flow):
            return [_on_one_line(node, shape)]
        first, *rest = node.text.split("\n")
        return [
            first,
            *(_shifted_content(rest, shift) if node.is_literal else [_shifted(line, shift) for line in rest]),
        ]

    def _between(self, head_line: int, value_line: int) -> list[str]:
        """Return the comments between a head and its value, where that starts on a later line."""
        if value_line == head_line:
            return []
        comment = self._layout.comments.get(head_line)
        self._next = head_line + 1
        return [*([comment.text] if comment is not None else []), *filter(None, self._gap(value_line))]

    def _gap(self, stop: int) -> list[str]:
        """Return the comments and single blank lines from here to the line *stop*."""
        comments = [self._layout.gaps[line] for line in range(self._next, stop) if line in self._layout.gaps]
        self._next = max(self._next, stop)
        found = ["" if comment is None else comment.text for comment in comments]
        return [line for number, line in enumerate(found) if line or not number or found[number - 1]]

    def _tail(self, column: int) -> list[str]:
        """Return the comments from here on at *column* or to the right of it: they end the block."""
        line = end = self._next
        while line in self._layout.gaps:
            comment = self._layout.gaps[line]
            if comment is not None and comment.column < column:
                break
            line += 1
            if comment is not None:
                end = line
        return self._gap(end)

    def _commented(self, text: str, line: int, shift: int) -> str:
        """Return *text* with the comment of *line*, in its own column if that is free."""
        comment = self._layout.comments.get(line)
        if comment is None or line in self._layout.gaps:
            return text
        return f"{text.ljust(max(len(text) + _STEP, comment.column + shift))}{comment.text}"


def _stacked(blocks: list[_Block], tail: list[str], indent: int) -> _Block:
    first, *rest = blocks
    lines = list(first.lines)
    for block in rest:
        lines += [*_indented(block.above, indent), *block.lines]
    return _Block(_without_blank_start(first.above), lines + _indented(tail, indent))


def _indented(lines: list[str], indent: int) -> list[str]:
    return [" " * indent + line if line else "" for line in lines]


def _without_blank_start(lines: list[str]) -> list[str]:
    return list(dropwhile(lambda line: not line, lines))


def _trimmed(lines: list[str]) -> list[str]:
    return _without_blank_start(_without_blank_start(lines)[::-1])[::-1]


def _shifted(line: str, shift: int) -> str:
    text = line.lstrip(" ")
    return " " * max(0, len(line) - len(text) + shift) + text if text else ""


def _shifted_content(lines: list[str], shift: int) -> list[str]:
    """Shift the lines of a block scalar, where blanks to the right of its own indentation are content."""
    depth = min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip(" ")), default=0)
    return [
        _shifted(line, shift) if line.strip(" ") else " " * (len(line) + shift) if len(line) > depth else ""
        for line in lines
    ]


def _name(key: Leaf | Flow) -> str:
    """Return a key as the models spell it: none that they know needs quotes."""
    return key.text.strip("'\"") if isinstance(key, Leaf) else ""


def _on_one_line(node: Leaf | Flow, shape: Shape) -> str:
    if isinstance(node, Leaf):
        return f"{node.text} " if node.text.startswith("*") else node.text
    keys = keys_of(shape, [_name(key) for key, _ in node.pairs if key is not None])
    texts = []
    for key, value in sorted(
        node.pairs, key=lambda pair: keys.rank(_name(pair[0])) if pair[0] is not None else 0
    ):
        text = _on_one_line(value, item_shape(shape) if key is None else keys.shape(_name(key)))
        texts.append(text if key is None else f"{_on_one_line(key, None)}: {text}".rstrip())
    opening, closing = tuple(node.brackets)
    return f"{node.anchor}{opening}{', '.join(texts)}{closing}"
