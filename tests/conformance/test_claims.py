"""Every claim of docs/api-claims.md is checked by a test that carries its name, and no test names another."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "api-claims.md"
CLAIMS = re.findall(r"^\| `([\w-]+)` \| .+ \|$", PAGE.read_text(), flags=re.MULTILINE)


def marks_in(source: str) -> Iterator[tuple[str, str]]:
    """Yield the claim and the test's name, for every test that carries one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for decorator in node.decorator_list:
                match decorator:
                    case ast.Call(func=ast.Attribute(attr="claim"), args=names):
                        yield from ((ast.literal_eval(name), node.name) for name in names)


@pytest.fixture(scope="module")
def tests() -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for path in TESTS.rglob("test_*.py"):
        for claim, test in marks_in(path.read_text()):
            found[claim].add(f"{path.relative_to(TESTS)}::{test}")
    return found


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_has_a_test(claim: str, tests: Mapping[str, set[str]]) -> None:
    assert tests.get(claim)


def test_a_test_claims_only_what_is_claimed(tests: Mapping[str, set[str]]) -> None:
    assert {claim: names for claim, names in tests.items() if claim not in CLAIMS} == {}


def test_a_claim_stands_once() -> None:
    assert len(CLAIMS) == len(set(CLAIMS)) > 50


def test_marks_are_found_above_tests_only() -> None:
    source = (
        "@pytest.mark.claim('a', 'b')\n@pytest.mark.slow\ndef test_it(): ...\n"
        "@pytest.mark.claim('c')\ndef helper(): ...\n"
    )
    assert list(marks_in(source)) == [("a", "test_it"), ("b", "test_it")]
