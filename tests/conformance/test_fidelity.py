"""The tables of evidence are whole: each action, each switch, and tests that are there."""

from __future__ import annotations

import ast
import dataclasses
import re
import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from leanplum_sync.emulator import Switches
from leanplum_sync.emulator.methods import TABLE

_HERE = Path(__file__).parent
_EVIDENCE = runpy.run_path(str(_HERE.parents[1] / "docs/evidence.py"))
ACTIONS, QUESTIONS = _EVIDENCE["ACTIONS"], _EVIDENCE["QUESTIONS"]
_SOURCES = {path.name: path.read_text() for path in _HERE.glob("test_*.py")}
_TESTS = {
    f"{name}::{node.name}"
    for name, source in _SOURCES.items()
    for node in ast.parse(source).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
}
_SWITCHES = [field.name for field in dataclasses.fields(Switches)]


def test_each_action_has_its_evidence() -> None:
    assert ACTIONS.keys() == TABLE.keys()


def test_each_switch_has_its_question() -> None:
    assert Counter(each.switch for each in QUESTIONS if each.switch) == Counter(_SWITCHES)


@pytest.mark.parametrize("switch", _SWITCHES)
def test_each_switch_is_turned_by_a_conformance_test(switch: str) -> None:
    assert any(
        re.search(rf"\b{switch}=", source) for name, source in _SOURCES.items() if name != Path(__file__).name
    )


@pytest.mark.parametrize(
    "facts", [*ACTIONS.items(), *((each.question, each) for each in QUESTIONS)], ids=lambda pair: pair[0]
)
def test_the_test_that_is_named_exists(facts: tuple[str, Any]) -> None:
    assert facts[1].test in _TESTS


@pytest.mark.parametrize("name", ACTIONS)
def test_the_test_of_an_action_is_in_a_file_that_calls_it(name: str) -> None:
    assert f'"{name}"' in _SOURCES[ACTIONS[name].test.partition("::")[0]]
