"""Fingerprints of what was left behind: equal for what the API can't tell apart, in every process."""

from __future__ import annotations

import pytest

from leanplum_sync.planner.footprint import follow, footprints, print_of
from leanplum_sync.wire.action import Action, Json


@pytest.mark.parametrize(
    ("one", "other"),
    [(True, "True"), (3, 3.0), (["b", "a", "b"], ["a", "b"]), (None, []), ([1, True], ["true", 1.0])],
)
def test_values_that_the_api_gives_back_in_another_form_have_one_fingerprint(one: Json, other: Json) -> None:
    assert print_of(one) == print_of(other)


def test_values_that_differ_have_different_ones() -> None:
    values: list[Json] = ["35", 35, "a", ["a"], ["a", "b"], None, "", True, {"a": 1}]
    assert len(set(map(print_of, values))) == len(values)


def test_fingerprints_are_the_same_for_ever() -> None:
    """They stand in journals."""
    found = [print_of(value) for value in ("gold", 3, ["a", "b"], None)]
    assert found == ["15cd53e9", "c3ef829d", "8e80a565", "6dd5c788"]


def test_what_a_number_came_to_is_not_known_and_a_send_leaves_nothing_to_see() -> None:
    counted = Action("setUserAttributes", {"userId": "u", "userAttributeValuesToIncrement": {"visits": 1}})
    assert footprints(counted) == {"attribute:visits": "counted"}
    assert footprints(Action("sendMessage", {"userId": "u", "messageId": 1})) == {}


def test_a_list_is_followed_value_by_value() -> None:
    altered = {"userAttributeValuesToAdd": {"l": ["a"]}, "userAttributeValuesToRemove": {"l": ["b"]}}
    found = footprints(Action("setUserAttributes", {"userId": "u", **altered}))
    assert found == {f"item:l:{print_of('a')}": "added", f"item:l:{print_of('b')}": "taken out"}


def test_a_list_set_as_a_whole_and_one_followed_by_value_forget_each_other() -> None:
    left = {"attribute:l": "1", "attribute:l:m": "2", "item:m:3": "added"}
    follow(left, {"item:l:4": "added"})
    assert left == {"attribute:l:m": "2", "item:m:3": "added", "item:l:4": "added"}
    follow(left, {"attribute:l": "5"})
    assert left == {"attribute:l:m": "2", "item:m:3": "added", "attribute:l": "5"}
