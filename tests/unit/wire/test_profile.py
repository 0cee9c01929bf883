"""An exportUser answer is a user, says that there is none, or is refused: it is never taken for something else."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.bounds import CELL, COLUMNS, ITEMS, NESTING
from leanplum_sync.errors import UnexpectedResponseError
from leanplum_sync.wire.profile import NO_PROFILE, read_profile

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["deviceId", "message"]), inner)
    ),
)
KEYS = ["userAttributes", "devices", "warning", "created", "country"]


def test_a_missing_user_is_no_profile() -> None:
    warning = {"message": "User not found; request skipped."}
    assert read_profile({"success": True, "userId": "u1", "warning": warning}) is NO_PROFILE


def test_a_user_with_an_advisory_warning_is_there() -> None:
    profile = read_profile({"userAttributes": {"a": 1}, "warning": {"message": "Device clock skew detected"}})
    assert (profile.exists, profile.attributes) == (True, {"a": 1})


def test_devices_without_an_id_are_passed_over() -> None:
    profile = read_profile(
        {"userAttributes": {}, "devices": [{"deviceId": None}, {"deviceId": "d1", "token": 1}]}
    )
    assert profile.devices == {"d1": {}}


@pytest.mark.parametrize(
    "element",
    [
        {"userAttributes": ["x"]},
        {"userAttributes": {}, "devices": {"a": 1}},
        {"userAttributes": {}, "devices": ["d1"]},
        {"warning": {"message": "Something new."}},
        {"warning": "User not found; request skipped."},
    ],
)
def test_what_is_no_user_is_refused(element: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedResponseError):
        read_profile(element)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


# An element is itself a level, and a profile's attributes are one more.
AT_THE_BOUND: dict[str, dict[str, Any]] = {
    "deep": {"userAttributes": {"a": nested(NESTING.most - 2)}},
    "deep beside the attributes": {"userAttributes": {}, "events": nested(NESTING.most - 1)},
    "a wide list": {"userAttributes": {"a": [0] * ITEMS.most}},
    "a wide object": {"userAttributes": dict.fromkeys(map(str, range(ITEMS.most)), 0)},
    "a wide element": {"userAttributes": {}} | dict.fromkeys(map(str, range(COLUMNS.most - 1)), 0),
    "a long text": {"userAttributes": {"a": "x" * CELL.most}},
}
OVER_THE_BOUND: dict[str, tuple[dict[str, Any], str]] = {
    "deep": ({"userAttributes": {"a": nested(NESTING.most - 1)}}, "nested more than 50 levels"),
    "deep beside the attributes": (
        {"userAttributes": {}, "events": nested(NESTING.most)},
        "nested more than 50 levels",
    ),
    "deep without a profile": (
        {"warning": {"message": "User not found; request skipped.", "a": nested(NESTING.most)}},
        "nested more than 50 levels",
    ),
    "a wide list": ({"userAttributes": {"a": [0] * (ITEMS.most + 1)}}, "more than 10,000 items"),
    "a wide object": (
        {"userAttributes": dict.fromkeys(map(str, range(ITEMS.most + 1)), 0)},
        "more than 10,000 items",
    ),
    "a wide element": (
        {"userAttributes": {}} | dict.fromkeys(map(str, range(COLUMNS.most)), 0),
        "more than 10,000 columns",
    ),
    "a long text": ({"userAttributes": {"a": "x" * (CELL.most + 1)}}, "more than 250,000 characters"),
}


@pytest.mark.parametrize("name", AT_THE_BOUND)
def test_a_profile_as_deep_and_wide_as_allowed_is_read(name: str) -> None:
    assert read_profile(AT_THE_BOUND[name]).exists


@pytest.mark.parametrize("name", OVER_THE_BOUND)
def test_a_deeper_or_wider_answer_is_refused(name: str) -> None:
    element, reason = OVER_THE_BOUND[name]
    with pytest.raises(UnexpectedResponseError, match=f"can't be read: .*{reason}"):
        read_profile(element)


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_element_is_a_profile_or_the_one_error(element: dict[str, Any]) -> None:
    with suppress(UnexpectedResponseError):
        read_profile(element)
