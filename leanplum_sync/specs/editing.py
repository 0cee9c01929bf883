"""Spec files with some values changed: only the text of these values is replaced, and everything else stays as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from leanplum_sync.kinds.rows.site import Path
from leanplum_sync.specs.layout import UnusualYamlError
from leanplum_sync.specs.yaml_file import Document, plain_value, read_documents
from leanplum_sync.wire.action import Json

_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@+-]*( [A-Za-z0-9_./@+-]+)*")
_OLD_BOOLEANS: Final = frozenset(("y", "n", "yes", "no", "on", "off"))  # of YAML 1.1, which other readers use
_PRINTABLE: Final = re.compile(r"[ -~\u00a0-\ud7ff]*")


@dataclass(frozen=True, slots=True)
class ValueEdit:
    """
    The new *value* of *key* in the mapping at *path* of a document, which counts from 0.

    Where a plain text is at *path* and not a mapping, it becomes a mapping with that text under *text_key*.
    """

    document: int
    path: Path
    key: str
    value: Json
    text_key: str = ""


def edited(text: str, edits: Mapping[int, ValueEdit]) -> tuple[str, frozenset[int]]:
    """
    Return *text*, sound YAML, with *edits*, and which of them can't be made: a value that an alias repeats, for example.

    Raises:
        UnusualYamlError: the edits would change something else in the text. It should then stay as it is.
    """
    roots = list(YAML(typ="safe", pure=True).compose_all(text))
    before, _ = read_documents(text)
    repeated = _repeated(roots)
    replaced: dict[tuple[int, int], list[str]] = {}
    failed: set[int] = set()
    for number, edit in edits.items():
        try:
            span, new = _replacement(text, _at(roots[edit.document], edit.path, repeated), edit, repeated)
        except UnusualYamlError:
            failed.add(number)
        else:
            replaced.setdefault(span, []).append(new)
            _set(before[edit.document], edit)
    result = text
    for (start, stop), texts in sorted(replaced.items(), reverse=True):
        if stop > start and len(texts) > 1:
            raise UnusualYamlError("two new values for one place")
        result = result[:start] + "".join(texts) + result[stop:]
    after, faults = read_documents(result)
    if faults or _meaning(after) != _meaning(before):
        raise UnusualYamlError("a layout that can't be changed without changing its meaning")
    return result, frozenset(failed)


def _meaning(documents: list[Document]) -> str:
    return json.dumps([document.value for document in documents], sort_keys=True)


def _set(document: Document, edit: ValueEdit) -> None:
    parent: Any = None
    value: Any = document.value
    for key in edit.path:
        parent, value = value, value[key]
    if isinstance(value, str):
        value = parent[edit.path[-1]] = {edit.text_key: value}
    value[edit.key] = edit.value


def _repeated(roots: list[Any]) -> frozenset[int]:
    """Return the nodes, by ``id``, that aliases repeat: they are in several places, and their text is in one."""
    seen: set[int] = set()
    twice: set[int] = set()

    def visit(node: Any) -> None:
        if id(node) in seen:
            twice.add(id(node))
            return
        seen.add(id(node))
        match node:
            case MappingNode():
                for _, value in node.value:
                    visit(value)
            case SequenceNode():
                for value in node.value:
                    visit(value)
            case _:
                pass

    for root in roots:
        visit(root)
    return frozenset(twice)


def _at(node: Any, path: Path, repeated: frozenset[int]) -> Any:
    for key in path:
        if isinstance(node, MappingNode):
            node = next(value for name, value in node.value if name.value == key)
        else:
            node = node.value[key]
        if id(node) in repeated:
            raise UnusualYamlError("an alias")
    return node


def _replacement(
    text: str, node: Any, edit: ValueEdit, repeated: frozenset[int]
) -> tuple[tuple[int, int], str]:
    """Return the part of *text* to replace, and its new text."""
    if isinstance(node, ScalarNode):
        return _made_mapping(text, node, edit)
    for name, value in node.value:
        if name.value == edit.key:
            if id(value) in repeated:
                raise UnusualYamlError("an alias")
            return _changed(text, name, value, edit)
    return _added(text, node, edit)


def _made_mapping(text: str, node: Any, edit: ValueEdit) -> tuple[tuple[int, int], str]:
    start, stop = _span(text, node)
    if node.anchor is not None or "\n" in text[start:stop]:
        raise UnusualYamlError("an id with an anchor, or of several lines")
    return (start, stop), f"{{{_written(edit.text_key, None)}: {text[start:stop]}, {_pair(edit)}}}"


def _changed(text: str, name: Any, value: Any, edit: ValueEdit) -> tuple[tuple[int, int], str]:
    start, stop = _span(text, value)
    if value.anchor is not None or (not isinstance(value, ScalarNode) and "#" in text[start:stop]):
        raise UnusualYamlError("an anchor, or a comment inside the value")
    new = _written(edit.value, value)
    if stop > start:
        return (start, stop), new
    position = text.index(":", name.end_mark.index) + 1  # nothing is written behind the key
    return (position, position), f" {new}"


def _added(text: str, node: Any, edit: ValueEdit) -> tuple[tuple[int, int], str]:
    start, stop = _span(text, node.value[-1][1])
    if stop == start:
        raise UnusualYamlError("a mapping that ends with an empty value")
    if node.flow_style:
        return (stop, stop), f", {_pair(edit)}"
    line_end = text.find("\n", stop)
    line_end = len(text) if line_end < 0 else line_end
    if text[line_end - 1 : line_end] == "\r":
        line_end -= 1
    line_break = "\r\n" if "\r\n" in text else "\n"
    return (line_end, line_end), f"{line_break}{' ' * node.value[0][0].start_mark.column}{_pair(edit)}"


def _span(text: str, node: Any) -> tuple[int, int]:
    """Return where the text of *node* starts and ends. A block's own end mark is behind the blanks after it."""
    start, stop = node.start_mark.index, node.end_mark.index
    if isinstance(node, ScalarNode):
        return start, start + len(text[start:stop].rstrip()) if node.style in ("|", ">") else stop
    if node.flow_style:
        return start, stop
    last = node.value[-1][1] if isinstance(node, MappingNode) else node.value[-1]
    return start, max(start, _span(text, last)[1])


def _pair(edit: ValueEdit) -> str:
    return f"{_written(edit.key, None)}: {_written(edit.value, None)}"


def _written(value: Json, old: Any) -> str:
    """Return *value* as YAML on one line, in the quotes of the *old* node if it had any."""
    style = old.style if isinstance(old, ScalarNode) else None
    match value:
        case str() if style == "'" and value and _PRINTABLE.fullmatch(value):
            return "'" + value.replace("'", "''") + "'"
        case str() if style != '"' and _is_plain(value):
            return value
        case str():
            return json.dumps(value, ensure_ascii=not _PRINTABLE.fullmatch(value))
        case list():
            return f"[{', '.join(_written(item, None) for item in value)}]"
        case dict():
            return f"{{{', '.join(f'{_written(key, None)}: {_written(item, None)}' for key, item in value.items())}}}"
        case _:
            return json.dumps(value)


def _is_plain(text: str) -> bool:
    return (
        _PLAIN.fullmatch(text) is not None and plain_value(text) == text and text.lower() not in _OLD_BOOLEANS
    )
