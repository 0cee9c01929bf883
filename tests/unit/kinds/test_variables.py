"""The documents of Variables: each entry is one variable or a group of them, and says what its value is."""

from __future__ import annotations

from typing import Any

import pytest

from leanplum_sync.kinds.rows.desires import RemoveThing, SetThing


def asked(folder: Any, entries: str) -> dict[str, Any]:
    """Return what the document asks for, by the names of variables; None for one that is to be absent."""
    folder.spec("Variables", f"variables:\n{entries}")
    desires = [desire for want in folder.resource().wants for desire in want.desires]
    assert all(isinstance(each, SetThing | RemoveThing) for each in desires)
    return {each.name: each.value if isinstance(each, SetThing) else None for each in desires}


def faults(folder: Any, entries: str) -> list[str]:
    folder.spec("Variables", f"variables:\n{entries}")
    return [problem.message for problem in folder.load().problems]


def test_each_kind_of_value(folder: Any) -> None:
    entries = """\
  a: {kind: string, value: ""}
  b: {kind: integer, value: -3}
  c: {kind: float, value: 3}
  d: {kind: boolean, value: false}
  e: {kind: list, value: []}
  f: {kind: file, value: banner.png}
  g: {kind: color, value: 4294901760}
  h.i: {kind: list, value: [{j: 1}]}
  k: {state: absent}
"""
    assert asked(folder, entries) == {
        "a": "",
        "b": -3,
        "c": 3,
        "d": False,
        "e": [],
        "f": "banner.png",
        "g": 4294901760,
        "h.i": [{"j": 1}],
        "k": None,
    }


def test_a_group_is_its_variables(folder: Any) -> None:
    entries = "  g: {kind: group, value: {a: 1, b.c: x, d: {e: [1]}}}\n  g.f: {kind: integer, value: 2}\n"
    assert asked(folder, entries) == {"g.a": 1, "g.b\\.c": "x", "g.d.e": [1], "g.f": 2}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("a: {kind: integer, value: 3.5}", "this is not a whole number"),
        ("a: {kind: integer, value: true}", "this is not a whole number"),
        ("a: {kind: float, value: true}", "this is not a number"),
        ("a: {kind: boolean, value: 1}", "this is not true or false"),
        ("a: {kind: string, value: 1}", "this is not a string"),
        ("a: {kind: list, value: {b: 1}}", "this is not a list"),
        ("a: {kind: group, value: [1]}", "this is not a mapping with at least one entry"),
        ("a: {kind: file, value: ' '}", "this is not the name of a file"),
        ("a: {kind: color, value: 4294967296}", "this is not a color: a whole number of 32 bits"),
        ("a: {kind: string, value: null}", "`value` is missing"),
        ("a: {value: 1}", "`kind` is missing"),
        ("a: {}", "`kind` is missing"),
        ("a: {state: absent, kind: string}", "an absent variable has neither kind nor value"),
        ("a: {kind: list, value: [.inf]}", "this number is not finite"),
        ("a: {kind: list, value: [null]}", "null is no value of a variable"),
        ("a: {kind: group, value: {b: {}}}", "an empty group publishes nothing"),
        ("a: {kind: integer, value: 9007199254740993}", "this number is too large to be kept exactly"),
        ("'': {state: absent}", "this is not the name of a variable"),
        ("'a. b': {state: absent}", "this is not the name of a variable"),
        ("a..b: {state: absent}", "this is not the name of a variable"),
        # It would be read and deleted as ab.
        (r"'a\b': {state: absent}", "this is not the name of a variable"),
        (r"'a\\.b': {state: absent}", "this is not the name of a variable"),
        (r"a: {kind: group, value: {'c:\path': 1}}", "a key is not the name of a variable"),
        ("a: {kind: group, value: {'': 1}}", "a key is not the name of a variable"),
    ],
)
def test_a_mistake_is_reported_once(folder: Any, entry: str, message: str) -> None:
    assert faults(folder, f"  {entry}\n  sound: {{kind: string, value: x}}\n") == [message]


def test_a_variable_is_named_once_and_is_no_group_of_another(folder: Any) -> None:
    entries = "  g: {kind: group, value: {a: 1}}\n  g.a: {kind: integer, value: 2}\n  g.a.b: {kind: integer, value: 3}\n"
    assert faults(folder, entries) == [
        "the variable g.a is named twice: by itself, and as an entry of a group",
        "g.a.b can't be a variable while g.a is one: g.a is its group",
    ]


def test_messages_quote_no_value(folder: Any) -> None:
    folder.spec(
        "Variables", "variables:\n  a: {kind: integer, value: SECRET}\n  b: {kind: SECRET, value: SECRET}\n"
    )
    complaints = " ".join(folder.complaints())
    assert "this is not a whole number" in complaints
    assert "value: SECRET" not in complaints
