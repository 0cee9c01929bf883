"""
No match over a union or enum of ours has a default branch: mypy names every place that has to handle a new member.

A default is for foreign values only: JSON, exceptions, texts from files and databases. A match that mixes both is allowed by
name, with the reason.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import leanplum_sync

ROOT = Path(leanplum_sync.__file__).parent

ALLOWED = {
    "kinds/user_attributes.py:_attribute_part": "what is no form is a literal from YAML; `case Edge()` catches a form without a case",
    "kinds/user_attributes.py:_list_side": "what is no column is a list from YAML",
    "kinds/user_attributes.py:_profile_part": "as `_attribute_part`",
    "cli/output/sentences.py:sentence_of": "any exception",
    "client/http.py:_kind": "any exception",
}

# Stand for a JSON value among JSON values: a number that keeps its digits, and a value that is not shown.
JSON = {"Number", "Masked"}


def test_no_match_over_a_union_of_ours_has_a_default() -> None:
    assert sorted(defaults()) == sorted(ALLOWED)


@pytest.mark.parametrize(
    "source",
    [
        "case Known():",
        "case module.Known():",
        "case Enumeration.ONE:",
        "case module.Enumeration.ONE:",
        "case (Known(), 1):",
        "case Known() | None:",
    ],
)
def test_a_default_would_be_found(source: str) -> None:
    tree = ast.parse(
        f"def f(x):\n    match x:\n        {source}\n            pass\n        case _:\n            pass\n"
    )
    assert list(defaults_in(tree, {"Known", "Enumeration"})) == ["f"]


def test_a_default_that_asserts_never_and_one_over_foreign_values_are_fine() -> None:
    checked = "def f(x):\n    match x:\n        case Known():\n            pass\n        case _:\n            assert_never(x)\n"
    foreign = (
        "def f(x):\n    match x:\n        case str():\n            pass\n        case _:\n            pass\n"
    )
    assert list(defaults_in(ast.parse(checked + foreign), {"Known"})) == []


def defaults() -> Iterator[str]:
    trees = {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
        for path in sorted(ROOT.rglob("*.py"))
        if path.relative_to(ROOT).parts[0] != "emulator"
    }
    ours = {
        node.name for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    } - JSON
    for name, tree in trees.items():
        yield from (f"{name}:{function}" for function in defaults_in(tree, ours))


def defaults_in(tree: ast.AST, ours: set[str]) -> Iterator[str]:
    """Yield the name of each function with a match that has a default beside patterns of *ours*."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for match in ast.walk(function):
            if (
                isinstance(match, ast.Match)
                and has_default(match)
                and any(map(ours.__contains__, classes(match)))
            ):
                yield function.name


def has_default(match: ast.Match) -> bool:
    last = match.cases[-1]
    is_wildcard = (
        isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None
    )
    return is_wildcard and not any(
        isinstance(node, ast.Name) and node.id == "assert_never"
        for part in last.body
        for node in ast.walk(part)
    )


def classes(match: ast.Match) -> Iterator[str]:
    """Yield the names of classes and enums in the patterns of *match*."""
    for case in match.cases:
        for node in ast.walk(case.pattern):
            owner: Any = node.cls if isinstance(node, ast.MatchClass) else None
            if isinstance(node, ast.MatchValue) and isinstance(node.value, ast.Attribute):
                owner = node.value.value
            if isinstance(owner, ast.Attribute):  # a class named by its module
                yield owner.attr
            if isinstance(owner, ast.Name):
                yield owner.id
