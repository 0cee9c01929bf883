"""Laws of the layout: twice is once, what is said stays the same, and no comment is lost."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from searching import examples

from leanplum_sync.specs.formatting import formatted
from leanplum_sync.specs.layout import UnusualYamlError
from leanplum_sync.specs.yaml_file import read_documents

NAMES = ["apiVersion", "kind", "metadata", "spec", "users", "attributes", "name", "owner", "file", "inline", "column", "type", "map", "x", "y"]  # fmt: skip
LEAVES = [
    "1",
    "text",
    "'it''s # quoted'",
    '"a: b"',
    "[a,  b]",
    "{ b: 1,a: [1,2] }",
    "",
    "true",
    "~",
    "{}",
    "&a 1",
]
LITERALS = ["|\n{}text\n{}  more", ">-\n{}folded\n\n{}again", "plain\n{}goes on", "[a, # in it\n{}b]"]
SPACES = st.sampled_from([" ", "  ", "   "])


@st.composite
def blanks(draw: Any, indent: int, number: list[int]) -> str:
    """Blank lines, and comments that are told from each other by their number."""
    lines = []
    for kind in draw(st.lists(st.sampled_from(["blank", "comment", "stray"]), max_size=2)):
        number[0] += 1
        depth = indent if kind == "comment" else draw(st.integers(0, 9))
        lines.append("" if kind == "blank" else f"{' ' * depth}# no. {number[0]}")
    return "".join(f"{line}\n" for line in lines)


@st.composite
def behind(draw: Any, number: list[int]) -> str:
    if not draw(st.booleans()):
        return "\n"
    number[0] += 1
    return f"{draw(SPACES)}# no. {number[0]}\n"


@st.composite
def block(draw: Any, indent: int, depth: int, number: list[int]) -> str:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    is_list = depth > 0 and draw(st.booleans())
    text = ""
    for name in names:
        head = "-" if is_list else f"{name}:"
        text += draw(blanks(indent, number)) + " " * indent + head
        kind = draw(st.sampled_from(["leaf", "leaf", "literal", "block"]))
        if kind == "block" and depth < 3:
            deeper = indent + draw(st.integers(1, 5))
            text += draw(behind(number)) + draw(block(deeper, depth + 1, number))
        elif kind == "literal":
            inner = " " * (indent + draw(st.integers(1, 4)))
            text += draw(SPACES) + draw(st.sampled_from(LITERALS)).format(inner, inner) + "\n"
        else:
            leaf = draw(st.sampled_from(LEAVES))
            text += (draw(SPACES) + leaf if leaf else "") + draw(behind(number))
    return text


@st.composite
def files(draw: Any) -> str:
    number = [0]
    documents = [draw(block(0, 0, number)) for _ in range(draw(st.integers(1, 2)))]
    return f"---{draw(behind(number))}".join([*documents, ""] if draw(st.booleans()) else documents)


def meaning(text: str) -> str:
    documents, faults = read_documents(text)
    assert not faults
    return json.dumps([document.value for document in documents], sort_keys=True)


@settings(max_examples=examples(40))
@given(files())
def test_twice_is_once_and_nothing_is_lost(text: str) -> None:
    _, faults = read_documents(text)
    try:
        once = formatted(text)
    except UnusualYamlError:
        assert faults, f"a layout that should be known:\n{text}"
        return
    assert formatted(once) == once
    assert meaning(once) == meaning(text)
    assert sorted(re.findall(r"# no\. \d+", once)) == sorted(re.findall(r"# no\. \d+", text))
    assert "\n\n\n" not in once
    assert once.endswith("\n")


@settings(max_examples=examples(40))
@given(st.text(max_size=120) | st.text(" \t\n-:[]{}&*!#'\"|>%@ab1.~<?,", max_size=60))
def test_any_text_is_formatted_or_refused(text: str) -> None:
    try:
        once = formatted(text.replace("\r\n", "\n"))
    except UnusualYamlError:
        return
    assert formatted(once) == once
