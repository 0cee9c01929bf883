"""
YAML files as plain values, every one of them with its position.

Only what specs need: YAML 1.2's core schema (``no`` and ``on`` are text, and so are dates), keys as they
are written, no tags, and aliases within reason. ruamel.yaml finds the syntax; turning it into values here
keeps each position, and makes nothing but text, numbers, booleans, lists and mappings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, MappingStartEvent, ScalarEvent, SequenceStartEvent
from ruamel.yaml.reader import ReaderError

from leanplum_sync.bounds import NESTING, REPEATED_VALUES, SPEC_VALUES
from leanplum_sync.kinds.rows.site import Path
from leanplum_sync.specs.indentation import misindented
from leanplum_sync.wire.action import Json

_HALF = re.compile("[\ud800-\udfff]")
_NULL = re.compile(r"|~|null|Null|NULL")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]{1,400}")
_OCTAL = re.compile(r"0o[0-7]{1,400}")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]{1,400}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_USUAL_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NOT_A_NUMBER = re.compile(r"\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Spot:
    """A line and a column, from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """
    *keys* are the positions of keys and of items in lists, *values* those of the values they have. *numbers* have the
    spelling of each number.
    """

    value: Json
    keys: dict[Path, Spot]
    values: dict[Path, Spot]
    numbers: dict[Path, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class YamlFault:
    """What is wrong, before it is known which file this is. *unquoted* is the message without the file's own words."""

    spot: Spot
    message: str
    hint: str = ""
    also: Spot | None = None
    unquoted: str = ""


@dataclass(frozen=True, slots=True)
class _Scalar:
    spot: Spot
    value: Json
    text: str
    size: int = 1

    @property
    def is_nothing(self) -> bool:
        return self.value is None and not self.text


@dataclass(frozen=True, slots=True)
class _Sequence:
    spot: Spot
    items: list[_Node]
    size: int


@dataclass(frozen=True, slots=True)
class _Mapping:
    spot: Spot
    entries: list[tuple[_Scalar, _Node]]
    size: int


_Node: TypeAlias = _Scalar | _Sequence | _Mapping


class _StopError(Exception):
    """Nothing more can be read of this file."""

    def __init__(self, fault: YamlFault) -> None:
        self.fault = fault
        super().__init__(fault.message)


def read_documents(text: str) -> tuple[list[Document], list[YamlFault]]:
    """Return the documents of *text* that can be read, and every problem of its YAML."""
    reader = _Reader(text)
    documents: list[Document] = []
    try:
        for node in reader.documents():
            document = Document(None, {}, {})
            document = replace(document, value=_plain(node, (), document))
            documents.append(document)
    except _StopError as stop:
        reader.faults.append(stop.fault)
    return documents, reader.faults


def _plain(node: _Node, path: Path, document: Document) -> Json:
    """Return the value of *node*; note in *document* where it is."""
    document.values[path] = node.spot
    match node:
        case _Scalar():
            if isinstance(node.value, int | float) and not isinstance(node.value, bool):
                document.numbers[path] = node.text
            return node.value
        case _Sequence():
            for index, item in enumerate(node.items):
                document.keys[(*path, index)] = item.spot
            return [_plain(item, (*path, index), document) for index, item in enumerate(node.items)]
        case _Mapping():
            for key, _ in node.entries:
                document.keys[(*path, key.text)] = key.spot
            return {key.text: _plain(value, (*path, key.text), document) for key, value in node.entries}


def is_usual_number(text: str) -> bool:
    """Tell numbers from codes such as 01234, +49151 and 12e4, which YAML reads as numbers too."""
    return any(pattern.fullmatch(text) for pattern in (_USUAL_NUMBER, _INFINITE, _NOT_A_NUMBER))


@dataclass(slots=True)
class _Reader:
    text: str
    faults: list[YamlFault] = field(default_factory=list)
    _anchors: dict[str, _Node] = field(default_factory=dict)
    _open: set[str] = field(default_factory=set)
    _repeated: int = 0
    _count: int = 0
    _events: Iterator[Any] = field(default_factory=lambda: iter(()))

    def documents(self) -> Iterator[_Node]:
        self._events = self._guarded()
        for event in self._events:
            if isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent | AliasEvent):
                yield self._node(event, 0)
                self._anchors.clear()

    def _guarded(self) -> Iterator[Any]:
        """Yield the parser's events; its errors become our sentences."""
        try:
            yield from YAML(typ="safe", pure=True).parse(self.text)
        except ReaderError as error:
            before = self.text[: error.position]
            spot = Spot(before.count("\n") + 1, len(before) - before.rfind("\n"))
            raise _StopError(
                YamlFault(spot, "this character is not allowed in YAML", "Remove it.")
            ) from error
        except MarkedYAMLError as error:
            raise _StopError(_syntax_fault(error, self.text)) from error
        except (YAMLError, RecursionError, ValueError) as error:
            raise _StopError(YamlFault(Spot(1, 1), "this is not YAML")) from error

    def _node(self, event: Any, depth: int) -> _Node:
        spot = _spot(event.start_mark)
        if isinstance(event, AliasEvent):
            return self._alias(str(event.anchor), spot)
        if depth > NESTING.most:
            raise _StopError(YamlFault(spot, f"this is nested more than {NESTING} deep"))
        self._count += 1
        if self._count > SPEC_VALUES.most:
            raise _StopError(
                YamlFault(spot, f"the file has more than {SPEC_VALUES}", "Put long lists in data files.")
            )
        if event.ctag is not None and str(event.ctag) not in ("None", "!"):
            self.faults.append(
                YamlFault(spot, "tags have no meaning in a spec", "Remove the word that starts with !")
            )
        anchor = event.anchor
        if anchor is not None:
            self._open.add(anchor)
        node: _Node
        if isinstance(event, ScalarEvent):
            plain = event.style is None or event.style == ""
            text = self._whole(event.value, spot)
            node = _Scalar(spot, plain_value(text) if plain else text, text)
        elif isinstance(event, SequenceStartEvent):
            items = list(self._children(depth))
            node = _Sequence(spot, items, 1 + sum(item.size for item in items))
        else:
            entries = self._entries(list(self._children(depth)))
            node = _Mapping(spot, entries, 1 + sum(1 + value.size for _, value in entries))
        if anchor is not None:
            self._open.discard(anchor)
            self._anchors[anchor] = node
        return node

    def _whole(self, text: str, spot: Spot) -> str:
        """Join characters that are escaped as two halves, as JSON has those beyond U+FFFF."""
        if not _HALF.search(text):
            return text
        utf_16 = text.encode("utf-16-le", errors="surrogatepass")
        try:
            return utf_16.decode("utf-16-le")
        except UnicodeDecodeError:
            self.faults.append(
                YamlFault(
                    spot,
                    "an escape sequence encodes half of a character",
                    "Write the character itself, or both halves, such as \\ud83d\\ude00.",
                )
            )
            return utf_16.decode("utf-16-le", errors="replace")

    def _children(self, depth: int) -> Iterator[_Node]:
        for event in self._events:
            if not isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent | AliasEvent):
                return
            yield self._node(event, depth + 1)

    def _alias(self, anchor: str, spot: Spot) -> _Node:
        if anchor in self._open:
            raise _StopError(YamlFault(spot, f"*{anchor} is inside the value that it repeats"))
        if anchor not in self._anchors:
            self.faults.append(YamlFault(spot, f"*{anchor} has no anchor: nothing is named &{anchor}"))
            return _Scalar(spot, None, "")
        node = self._anchors[anchor]
        self._repeated += node.size
        if self._repeated > REPEATED_VALUES.most:
            raise _StopError(
                YamlFault(
                    spot,
                    f"aliases repeat more than {REPEATED_VALUES}",
                    "Put long lists in data files.",
                )
            )
        return node

    def _entries(self, children: list[_Node]) -> list[tuple[_Scalar, _Node]]:
        entries: dict[str, tuple[_Scalar, _Node]] = {}
        for key, value in zip(children[::2], children[1::2], strict=True):
            if not isinstance(key, _Scalar):
                self.faults.append(YamlFault(key.spot, "a list or mapping can't be a key", "Write a word."))
            elif key.text == "<<":
                self.faults.append(
                    YamlFault(key.spot, "<< is not part of YAML 1.2", "Write the keys themselves.")
                )
            elif key.text in entries:
                first = entries[key.text][0].spot
                self.faults.append(
                    YamlFault(
                        key.spot,
                        f"the key {key.text} appears twice",
                        "Remove one of the two.",
                        first,
                        unquoted="a key appears twice",
                    )
                )
            else:
                entries[key.text] = (key, _beside(key, value))
        return list(entries.values())


def _beside(key: _Scalar, value: _Node) -> _Node:
    """Return *value*; where nothing is written, YAML places it at whatever comes next, and we at its key."""
    return replace(value, spot=key.spot) if isinstance(value, _Scalar) and value.is_nothing else value


def _spot(mark: Any) -> Spot:
    return Spot(mark.line + 1, mark.column + 1)


def plain_value(text: str) -> Json:
    """Return what *text* without quotes is. Source: YAML 1.2.2, section 10.3.2, core schema."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return text[0] in "tT"
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return float("nan") if _NOT_A_NUMBER.fullmatch(text) else text


# ruamel.yaml's own sentences, by a part of them, and what they come to.
_SYNTAX: Final = {
    "found character '\\t'": ("there is a tab here", "YAML is indented with spaces: replace the tab."),
    "mapping values are not allowed here": (
        "a colon isn't allowed here",
        "Put text that contains a colon in quotes, and check that this line is indented like the lines around it.",
    ),
    "did not find expected key": ("the indentation is wrong", "Indent this line like the lines around it."),
    "expected <block end>": ("the indentation is wrong", "Indent this line like the lines around it."),
    "could not find expected ':'": ("a colon is missing after a key", "Write key: value."),
    "found unexpected end of stream": ("a quote is opened and never closed", "Close it."),
    "found undefined alias": (
        "an alias refers to an anchor that doesn't exist",
        "Define the anchor with & first.",
    ),
    "cannot start any token": ("unquoted text can't start with this character", "Put the text in quotes."),
    "found unknown escape": ("a backslash can't escape this character", "Use single quotes."),
    "expected ',' or '": ("a bracket or brace is opened and not closed, or a comma is missing", "Close it."),
    "expected the node content": (
        "something is missing before this",
        "Write a value, or remove the punctuation.",
    ),
}
_BY_INDENTATION: Final = frozenset(
    _SYNTAX[part]
    for part in ("mapping values are not allowed here", "did not find expected key", "expected <block end>")
)


def _syntax_fault(error: MarkedYAMLError, text: str) -> YamlFault:
    sentence = f"{error.context or ''} {error.problem or ''}"
    never_closed = "end of stream" in sentence or "expected ',' or '" in sentence
    mark = (error.context_mark if never_closed else None) or error.problem_mark or error.context_mark
    spot = _spot(mark) if mark is not None else Spot(1, 1)
    line = text.split("\n")[spot.line - 1] if spot.line <= text.count("\n") + 1 else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return YamlFault(Spot(spot.line, line.index("\t") + 1), *_SYNTAX["found character '\\t'"])
    ours = next((ours for part, ours in _SYNTAX.items() if part in sentence), ("this is not YAML",))
    if ours in _BY_INDENTATION and (found := misindented(text, spot.line)) is not None:
        spaces = "1 space" if found.expected == 1 else f"{found.expected} spaces"
        return YamlFault(
            Spot(found.line, found.found + 1),
            "the indentation is wrong",
            f"Indent this line by {spaces}, like the lines around it; it has {found.found}.",
        )
    return YamlFault(spot, *ours)
