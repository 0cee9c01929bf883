"""A dotted name is a path of groups, in what getVars shows and in what setVars is sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.errors import UnexpectedResponseError
from leanplum_sync.wire.variable import (
    delete_vars,
    groups_above,
    joined,
    leaves_of,
    overlaps,
    parts_of,
    read_variables,
    seen_in,
    set_vars,
    written_by,
)

parts = st.lists(st.text("ab.c", min_size=1), min_size=1, max_size=4)
values = st.one_of(
    st.booleans(), st.integers(), st.text(), st.lists(st.integers()), st.lists(st.just({"a": 1}))
)


def shown(sent: Any) -> Any:
    """Return what getVars shows of what setVars was sent, where a dot without a backslash begins another group."""
    if not isinstance(sent, dict):
        return sent
    ((key, value),) = sent.items()
    for part in reversed(parts_of(key)):
        value = {part: shown(value)}
    return value


@given(parts)
def test_a_name_is_its_parts(path: list[str]) -> None:
    assert parts_of(joined(path)) == path


@given(parts, values)
def test_what_is_set_is_seen_by_its_name_and_told_from_the_action(path: list[str], value: Any) -> None:
    name = joined(path)
    action = set_vars(name, value)
    assert seen_in(shown(action.arguments["vars"]), name) == {name: value}
    assert written_by(action.name, action.arguments) == (name, value)


def test_a_deletion_tells_its_variable() -> None:
    action = delete_vars("a.b")
    assert written_by(action.name, action.arguments) == ("a.b", None)


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("setVars", {"vars": {"a": 1, "b": 2}}),
        ("setVars", {"vars": {}}),
        ("setVars", {"vars": {"a": {"b": 1, "c": 2}}}),
        ("setVars", {}),
        ("deleteVars", {"vars": ["a", "b"]}),
        ("deleteVars", {"vars": "a"}),
        ("track", {"vars": ["a"]}),
    ],
)
def test_an_action_about_several_variables_or_none_is_not_ours(action: str, arguments: Any) -> None:
    assert written_by(action, arguments) is None


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("a", {"a": 1}),
        ("g.b", {"g.b": [1]}),
        ("g", {"g": {"b": [1], "c": None}}),
        ("g.c", {}),
        ("g.x", {}),
        ("x.y", {}),
        ("a.b", {"a": 1}),
        ("g.b.c", {"g.b": [1]}),
    ],
)
def test_what_is_in_the_way_is_seen_by_its_own_name(name: str, seen: Any) -> None:
    assert seen_in({"a": 1, "g": {"b": [1], "c": None}}, name) == seen


def test_a_group_sets_its_entries() -> None:
    assert dict(leaves_of("g", {"a": 1, "b.c": {"d": [2]}})) == {"g.a": 1, "g.b\\.c.d": [2]}
    assert dict(leaves_of("g", {})) == {"g": {}}
    assert dict(leaves_of("g", [{"a": 1}])) == {"g": [{"a": 1}]}


def test_a_name_can_not_stand_beside_its_group() -> None:
    assert groups_above("a.b.c") == ["a", "a.b"]
    assert list(overlaps(["a.b", "a", "ab", "c.d"])) == [("a.b", "a")]


@pytest.mark.parametrize("element", [{}, {"vars": None}, {"vars": []}])
def test_a_response_without_variables_is_unexpected(element: Any) -> None:
    with pytest.raises(UnexpectedResponseError):
        read_variables(element)
