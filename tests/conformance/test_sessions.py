"""Sessions, events in and outside them, and states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leanplum_sync.emulator import Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Caller, Clock


def _is_open(caller: Caller) -> bool:
    return "isOffline" not in caller.call("track", userId="u", event="probe", disposition="passive")


def test_an_event_outside_a_session_is_offline_and_inside_it_is_not(
    start: Callable[..., Caller], clock: Clock
) -> None:
    caller = start()
    assert caller.call("track", userId="u", event="e") == {"success": True, "isOffline": True}
    assert caller.user("u")["lastActive"] is None
    caller.call("start", userId="u", deviceId="d")
    clock.now += 10
    assert caller.call("track", userId="u", event="e") == {"success": True}
    assert caller.user("u")["lastActive"] == clock.now


def test_a_passive_event_does_not_mark_the_user_active(start: Callable[..., Caller], clock: Clock) -> None:
    caller = start()
    caller.call("start", userId="u")
    started = clock.now
    clock.now += 10
    caller.call("track", userId="u", event="e", allowOffline=True)
    assert caller.user("u")["lastActive"] == started


@pytest.mark.parametrize(
    ("where", "inside", "beside"), [("both", True, True), ("warning", True, False), ("element", False, True)]
)
def test_events_outside_a_session_are_ignored_with_require_active(
    start: Callable[..., Caller], where: str, inside: bool, beside: bool
) -> None:
    caller = start(({"userId": "u"},), switches=Switches(ignored_at=where))  # type: ignore[arg-type]  # parametrised
    element = caller.call("track", userId="u", event="e", disposition="requireActive")
    assert (element["success"], element["warning"].get("ignored", False)) == (True, inside)
    assert element.get("ignored", False) is beside
    assert caller.user("u")["events"] == {}


def test_an_event_needs_a_name_or_a_message(shared: Caller) -> None:
    answer = shared.post("track", userId="n", value=1)
    assert answer.status_code == 200
    assert answer.json()["response"] == [{"success": False, "error": {"message": "'event' must be provided"}}]
    assert shared.call("track", userId="n", messageId=12)["success"] is True
    assert shared.call("track", userId="n", messageId=12, event="Open")["success"] is True
    assert set(shared.user("n")["events"]) == {".m12", ".m12 Open"}


def test_values_add_up_and_show_only_if_ever_given(shared: Caller) -> None:
    shared.call("track", userId="v", event="plain")
    for _ in range(2):
        shared.call(
            "track",
            userId="v",
            event="Purchase",
            value="9.5",
            currencyCode="EUR",
            params={"params": {"a": 1}},
        )
    events = shared.user("v")["events"]
    assert "value" not in events["plain"]
    assert (events["Purchase"]["count"], events["Purchase"]["value"]) == (2, 19.0)


@pytest.mark.claim("limits")
def test_at_most_fifty_parameters(shared: Caller) -> None:
    for count, works in ((50, True), (51, False)):
        params = {f"p{n}": n for n in range(count)}
        assert shared.call("track", userId="p", event="e", params=params)["success"] is works


def test_a_session_ends_by_stop(start: Callable[..., Caller], clock: Clock) -> None:
    caller = start()
    caller.call("start", userId="u", deviceId="d", userAttributes={"a": 1}, systemName="iOS", country="US")
    clock.now += 100
    assert caller.call("stop", userId="u") == {"success": True}
    assert not _is_open(caller)
    user = caller.user("u")
    assert (user["totalSessions"], user["timeSpentInApp"], user["userAttributes"]) == (1, 100.0, {"a": 1})
    assert (user["devices"], user["country"]) == ([{"deviceId": "d", "systemName": "iOS"}], "US")


@pytest.mark.claim("clock")
@pytest.mark.parametrize(("quiet", "is_open"), [(7199, True), (7200, False)])
def test_a_session_ends_after_two_quiet_hours(
    start: Callable[..., Caller], clock: Clock, quiet: int, is_open: bool
) -> None:
    caller = start()
    caller.call("start", userId="u")
    clock.now += 5000
    caller.call("heartbeat", userId="u")
    clock.now += quiet
    assert _is_open(caller) is is_open


@pytest.mark.parametrize(("away", "is_open"), [(1799, True), (1800, False)])
def test_a_paused_session_ends_after_half_an_hour(
    start: Callable[..., Caller], clock: Clock, away: int, is_open: bool
) -> None:
    caller = start()
    caller.call("start", userId="u")
    clock.now += 60
    caller.call("pauseSession", userId="u")
    clock.now += away
    assert _is_open(caller) is is_open


def test_time_away_is_not_time_spent(start: Callable[..., Caller], clock: Clock) -> None:
    caller = start()
    caller.call("start", userId="u")
    for action, seconds in (("pauseSession", 50), ("resumeSession", 500), ("stop", 5)):
        clock.now += seconds
        caller.call(action, userId="u")
    assert caller.user("u")["timeSpentInApp"] == 55.0


def test_resuming_an_ended_session_starts_a_new_one(start: Callable[..., Caller], clock: Clock) -> None:
    caller = start()
    caller.call("start", userId="u")
    caller.call("pauseSession", userId="u")
    clock.now += 1800
    caller.call("resumeSession", userId="u")
    assert caller.user("u")["totalSessions"] == 2
    assert _is_open(caller)


def test_a_background_session_counts_once_resumed(start: Callable[..., Caller]) -> None:
    caller = start()
    caller.call("start", userId="u", background=True)
    assert caller.user("u")["totalSessions"] == 0
    for _ in range(2):
        caller.call("resumeSession", userId="u")
    assert caller.user("u")["totalSessions"] == 1


def test_start_answers_with_content(start: Callable[..., Caller]) -> None:
    element = start(({"variable": {"name": "paywall.title", "value": "Go"}},)).call("start", userId="u")
    assert element.pop("token")
    assert element == {
        "success": True,
        "vars": {"paywall": {"title": "Go"}},
        "variants": [],
        "messages": {},
        "regions": {},
        "interfaceRules": [],
        "interfaceEvents": [],
    }


def test_states_require_a_session_and_are_counted(start: Callable[..., Caller], clock: Clock) -> None:
    caller = start(({"userId": "u"},))
    answer = caller.post("advance", userId="u", state="Menu")
    assert (answer.status_code, answer.json()["response"][0]["success"]) == (200, False)
    caller.call("start", userId="u")
    for state in ("Menu", "Level", "Menu", ""):
        assert caller.call("advance", userId="u", state=state, params={"a": 1}) == {"success": True}
        clock.now += 10
    assert {name: entry["count"] for name, entry in caller.user("u")["states"].items()} == {
        "Menu": 2,
        "Level": 1,
    }
    for action in ("pauseState", "resumeState"):
        assert caller.call(action, userId="u") == {"success": True}


def test_a_whole_session_works_in_one_multi_as_sdks_send_it(shared: Caller) -> None:
    names = ("start", "track", "setUserAttributes", "advance", "heartbeat", "pauseState", "resumeState")
    names += ("setTrafficSourceInfo", "pauseSession", "resumeSession", "getVars", "stop")
    extra = {"event": "e", "state": "s", "trafficSource": '{"publisherName": "p"}'}
    elements = shared.multi(
        *[{"action": name, "userId": "life", "deviceId": "life-d", **extra} for name in names]
    )
    assert [element["success"] for element in elements] == [True] * len(names)
    assert "isOffline" not in elements[1]
    assert "vars" in elements[0]
    assert "vars" in elements[10]


@pytest.mark.parametrize(("late", "works"), [(120, True), (121, False)])
def test_the_traffic_source_must_come_within_two_minutes(
    start: Callable[..., Caller], clock: Clock, late: int, works: bool
) -> None:
    caller = start()
    caller.call("start", userId="u")
    clock.now += late
    element = caller.call("setTrafficSourceInfo", userId="u", trafficSource={"publisherName": "p"})
    assert ("warning" not in element) is works
