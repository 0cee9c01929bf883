"""setUserAttributes: what is sent, and what reads back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leanplum_sync.emulator import Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Caller, Clock

_ABSENT = object()


@pytest.mark.claim("booleans-as-text")
@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("Mike", "Mike"),
        (True, "True"),
        (False, "False"),
        ("true", "true"),
        ("2010-01-01", "2010-01-01"),
        ("2016-11-18T23:12:00Z", "2016-11-18T23:12:00Z"),
        ("35", "35"),
        (25, 25),
        (10.5, 10.5),
        (["b", "a"], ["b", "a"]),
        (["a", "b", "a"], ["a", "b"]),
        ([1, 2], [1, 2]),
        ([True, "x"], ["True", "x"]),
        ("", ""),
        ([], []),
        (None, _ABSENT),
        ("Ünï 🎈", "Ünï 🎈"),
    ],
)
def test_a_value_reads_back_as_recorded(start: Callable[..., Caller], sent: Any, read: Any) -> None:
    caller = start(({"userId": "u", "userAttributes": {"a": "before", "kept": 1}},))
    assert caller.call("setUserAttributes", userId="u", userAttributes={"a": sent}) == {"success": True}
    expected = {"kept": 1} if read is _ABSENT else {"a": read, "kept": 1}
    attributes = caller.user("u")["userAttributes"]
    assert attributes == expected
    assert type(attributes.get("a")) is type(expected.get("a"))


def test_a_switch_makes_empty_values_remove_the_attribute(start: Callable[..., Caller]) -> None:
    caller = start(
        ({"userId": "u", "userAttributes": {"a": 1, "b": 1}},), switches=Switches(empty_values="drop")
    )
    caller.call("setUserAttributes", userId="u", userAttributes={"a": "", "b": []})
    assert caller.user("u")["userAttributes"] == {}


def test_a_switch_returns_integers_as_doubles(start: Callable[..., Caller]) -> None:
    caller = start(switches=Switches(integers="doubles", java_doubles=False))
    caller.call("setUserAttributes", userId="u", userAttributes={"a": 25, "b": 20_000_000})
    assert '"a":25.0,"b":20000000.0' in caller.post("exportUser", "data_export", userId="u").text


def test_integers_that_are_kept_as_doubles_are_incremented_like_any(start: Callable[..., Caller]) -> None:
    """Evidence: OpenAPI increments integers; if the API keeps them as doubles, these count."""
    caller = start(switches=Switches(integers="doubles"))
    caller.call("setUserAttributes", userId="u", userAttributes={"n": 5, "half": 0.5})
    caller.call("setUserAttributes", userId="u", userAttributeValuesToIncrement={"n": 1, "half": 1, "new": 2})
    assert repr(caller.user("u")["userAttributes"]) == "{'n': 6.0, 'half': 0.5, 'new': 2.0}"


def test_attributes_may_be_json_text(shared: Caller) -> None:
    shared.call("setUserAttributes", userId="text", userAttributes='{"a": true}')
    assert shared.user("text")["userAttributes"] == {"a": "True"}


def test_names_are_case_sensitive_and_may_hold_spaces(shared: Caller) -> None:
    given = {"FxA account is verified": "x", "Tier": 1, "tier": 2}
    shared.call("setUserAttributes", userId="case", userAttributes=given)
    assert shared.user("case")["userAttributes"] == given


@pytest.mark.parametrize(
    ("before", "added", "after"),
    [
        (["a"], "b", ["a", "b"]),
        (["a"], ["b", "a", "c"], ["a", "b", "c"]),
        (None, "a", ["a"]),
        ("a", "b", ["a", "b"]),
        (["a"], True, ["a", "True"]),
    ],
)
def test_adding_appends_to_a_list(start: Callable[..., Caller], before: Any, added: Any, after: Any) -> None:
    caller = start(({"userId": "u", "userAttributes": {"s": before}},))
    caller.call("setUserAttributes", userId="u", userAttributeValuesToAdd={"s": added})
    assert caller.user("u")["userAttributes"] == {"s": after}


@pytest.mark.parametrize(
    ("before", "removed", "after"),
    [(["a", "b"], "a", ["b"]), (["a"], "x", ["a"]), (["a", "b"], ["a", "b"], []), ("a", "a", "a")],
)
def test_removing_takes_from_a_set_without_a_warning(
    start: Callable[..., Caller], before: Any, removed: Any, after: Any
) -> None:
    caller = start(({"userId": "u", "userAttributes": {"s": before}},))
    answer = caller.call(
        "setUserAttributes", userId="u", userAttributeValuesToRemove={"s": removed, "absent": "x"}
    )
    assert answer == {"success": True}
    assert caller.user("u")["userAttributes"] == {"s": after}


@pytest.mark.parametrize(
    ("before", "by", "after"),
    [
        (5, 2, 7),
        (None, 3, 3),
        (5, -9, -4),
        ("5", 1, "5"),
        (5, 1.5, 5),
        (5, "1", 5),
        (5.0, 1, 5.0),
        (5, True, 5),
    ],
)
def test_only_integers_are_incremented(
    start: Callable[..., Caller], before: Any, by: Any, after: Any
) -> None:
    caller = start(({"userId": "u", "userAttributes": {"n": before}},))
    answer = caller.call("setUserAttributes", userId="u", userAttributeValuesToIncrement={"n": by})
    assert answer == {"success": True}
    assert caller.user("u")["userAttributes"] == {"n": after}
    assert caller.counts()["increments"] == ({} if after == before else {"u": {"n": 1}})


def test_a_switch_adds_a_warning_to_a_skipped_increment(start: Callable[..., Caller]) -> None:
    caller = start(
        ({"userId": "u", "userAttributes": {"n": "x"}},), switches=Switches(skipped_increment="warn")
    )
    assert "warning" in caller.call("setUserAttributes", userId="u", userAttributeValuesToIncrement={"n": 1})


def test_a_call_sets_then_removes_then_adds_then_increments(shared: Caller) -> None:
    shared.call(
        "setUserAttributes",
        userId="order",
        userAttributes={"s": ["a", "b"], "n": 1},
        userAttributeValuesToAdd={"s": "a"},
        userAttributeValuesToRemove={"s": "a"},
        userAttributeValuesToIncrement={"n": 1},
    )
    assert shared.user("order")["userAttributes"] == {"s": ["b", "a"], "n": 2}


@pytest.mark.claim("event-merge")
def test_counts_of_events_are_absolute_and_increments_are_not(shared: Caller) -> None:
    for _ in range(2):
        events = {"a": {"count": 1}, "b": {"countIncrement": 2, "valueIncrement": 1.5}, "c": {"value": 9}}
        shared.call("setUserAttributes", userId="ev", events=events)
    assert shared.user("ev")["events"] == {
        "a": {"count": 1},
        "b": {"count": 4, "value": 3.0},
        "c": {"count": 0, "value": 9.0},
    }


@pytest.mark.claim("times-move-outwards", "event-merge")
@pytest.mark.parametrize("argument", ["events", "states"])
def test_the_earliest_first_time_and_the_latest_last_time_are_kept(
    start: Callable[..., Caller], argument: str
) -> None:
    caller = start()
    for first, last in ((100, 200), (150, 150), (50, 250)):
        caller.call(
            "setUserAttributes", userId="u", **{argument: {"e": {"firstTime": first, "lastTime": str(last)}}}
        )
        expected = (100.0, 200.0) if first != 50 else (50.0, 250.0)
        entry = caller.user("u")[argument]["e"]
        assert (entry["firstTime"], entry["lastTime"]) == expected


def test_the_fields_of_the_profile_can_be_set(shared: Caller) -> None:
    shared.call(
        "setUserAttributes",
        userId="prof",
        created=1.5e9,
        lastActive="1600000000",
        totalSessions=3,
        timeSpentInApp=7,
    )
    user = shared.user("prof")
    assert (user["created"], user["lastActive"], user["totalSessions"], user["timeSpentInApp"]) == (
        1.5e9,
        1.6e9,
        3,
        7.0,
    )


def test_a_user_known_only_from_the_api_was_never_active(start: Callable[..., Caller], clock: Clock) -> None:
    caller = start()
    caller.call("track", userId="u", event="e")
    assert caller.user("u") == {
        "success": True,
        "userId": "u",
        "created": clock.now,
        "lastActive": None,
        "totalSessions": 0,
        "timeSpentInApp": 0.0,
        "userBucket": caller.user("u")["userBucket"],
        "userAttributes": {},
        "events": {"e": {"count": 1, "firstTime": clock.now, "lastTime": clock.now}},
        "states": {},
        "unsubscribeChannels": [],
        "devices": [],
    }


def test_the_location_shows_once_known_and_detecting_finds_nothing(shared: Caller) -> None:
    shared.call(
        "setUserAttributes", userId="loc", country="US", city="(detect)", timezoneOffsetSeconds="-3600"
    )
    user = shared.user("loc")
    assert (user["country"], user["timezoneOffsetSeconds"], "city" in user) == ("US", -3600, False)


@pytest.mark.claim("lenient-lists")
@pytest.mark.parametrize("channels", ["Email", ["Email"], '["Email"]', "[Email]"])
def test_channels_may_be_one_or_a_list(start: Callable[..., Caller], channels: Any) -> None:
    caller = start()
    caller.call("setUserAttributes", userId="u", unsubscribeChannelsToAdd=channels)
    assert caller.user("u")["unsubscribeChannels"] == ["Email"]
    assert caller.user("u")["events"]["Unsubscribe"]["count"] == 1
    caller.call("setUserAttributes", userId="u", unsubscribeChannelsToRemove=channels)
    assert caller.user("u")["unsubscribeChannels"] == []


@pytest.mark.parametrize(("switch", "events"), [("recorded", {"Unsubscribe"}), ("none", set())])
def test_unsubscribing_is_an_event_or_leaves_no_trace(
    start: Callable[..., Caller], switch: Any, events: set[str]
) -> None:
    """Evidence: Leanplum's documentation: unsubscribing fires an event, which it doesn't say of this call."""
    caller = start(switches=Switches(unsubscribe_event=switch))
    caller.call("setUserAttributes", userId="u", unsubscribeChannelsToAdd="Email")
    assert caller.user("u")["events"].keys() == events


def test_a_category_is_told_with_its_name_and_outlasts_the_channel(start: Callable[..., Caller]) -> None:
    caller = start(({"unsubscribeCategory": {"id": 1, "name": "News"}},))
    caller.call(
        "setUserAttributes", userId="u", unsubscribeCategoriesToAdd=["1"], unsubscribeChannelsToAdd="Email"
    )
    caller.call("setUserAttributes", userId="u", unsubscribeChannelsToRemove="Email")
    assert caller.user("u")["unsubscribeCategories"] == [{"id": 1, "name": "News"}]
    caller.call("setUserAttributes", userId="u", unsubscribeCategoriesToRemove=1)
    assert "unsubscribeCategories" not in caller.user("u")


def test_a_refused_call_changes_nothing(start: Callable[..., Caller]) -> None:
    caller = start(({"userId": "u", "userAttributes": {"a": 1}},))
    for bad in ({"created": "soon"}, {"events": {"e": {"firstTime": "x"}}}, {"userAttributeValuesToAdd": 7}):
        assert (
            caller.call("setUserAttributes", userId="u", userAttributes={"a": 2}, **bad)["success"] is False
        )
    assert caller.user("u")["userAttributes"] == {"a": 1}
    assert caller.counts()["effects"] == {}
