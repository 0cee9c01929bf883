"""Keys, their classes, and the limits of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leanplum_sync.emulator import Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Caller, Clock

_REFUSED = [{"success": False, "error": {"message": "Invalid access key"}}]


@pytest.mark.claim("key-classes")
def test_a_wrong_key_is_refused_with_403(shared: Caller) -> None:
    answer = shared.post("track", clientKey="prod_wrong", userId="u", event="e")
    assert (answer.status_code, answer.json()["response"]) == (403, _REFUSED)


@pytest.mark.claim("key-classes")
def test_an_unknown_app_is_refused_with_404(shared: Caller) -> None:
    answer = shared.post("track", appId="app_other", userId="u", event="e")
    assert answer.status_code == 404
    assert answer.json()["response"][0]["error"]["message"].startswith("App not found")


@pytest.mark.claim("key-classes")
def test_one_key_authorises_the_whole_multi_so_classes_do_not_mix(shared: Caller) -> None:
    elements = shared.multi(
        {"action": "track", "userId": "mix-1", "event": "e"}, {"action": "exportUser", "userId": "mix-1"}
    )
    assert elements[0]["success"] is True
    assert elements[1] == _REFUSED[0]


@pytest.mark.claim("unknown-action")
def test_an_unknown_action_says_so(shared: Caller) -> None:
    for action in ("createMessage", "getExportJobStatus", "Track"):
        assert shared.call(action)["error"] == {"message": "Action not found"}


@pytest.mark.claim("multi-limits")
@pytest.mark.parametrize(("count", "status"), [(50, 200), (51, 403)])
def test_a_multi_takes_at_most_50_users(shared: Caller, count: int, status: int) -> None:
    data = [{"action": "track", "userId": f"limit-{count}-{n}", "event": "e"} for n in range(count)]
    answer = shared.post("multi", data=data)
    assert (answer.status_code, len(answer.json()["response"])) == (status, count if status == 200 else 1)
    assert ("userId" in shared.user(f"limit-{count}-0")) is (status == 200)


@pytest.mark.claim("multi-limits")
@pytest.mark.parametrize(("count", "status"), [(500, 200), (501, 403)])
def test_a_multi_takes_at_most_500_actions(shared: Caller, count: int, status: int) -> None:
    data = [{"action": "track", "userId": f"actions-{count}", "event": "e"}] * count
    assert shared.post("multi", data=data).status_code == status
    assert ("userId" in shared.user(f"actions-{count}")) is (status == 200)


@pytest.mark.claim("multi-limits")
def test_devices_count_towards_the_users_of_a_multi(shared: Caller) -> None:
    data = [
        {"action": "track", "event": "e", ("userId" if n % 2 else "deviceId"): f"mixed-{n}"}
        for n in range(51)
    ]
    assert shared.post("multi", data=data).status_code == 403


def test_an_sdk_may_send_more_and_is_not_billed(start: Callable[..., Caller]) -> None:
    caller = start()
    data = [{"action": "track", "userId": "sdk-user", "event": "e"}] * 600
    assert caller.post("multi", data=data, sdkVersion="5.0.0").status_code == 200
    assert caller.counts()["billableLookups"]["total"] == 0


@pytest.mark.claim("limits")
def test_ids_have_at_most_400_characters(shared: Caller) -> None:
    assert shared.call("track", userId="x" * 400, event="e")["success"] is True
    assert shared.call("track", userId="x" * 401, event="e")["success"] is False


@pytest.mark.claim("limits")
def test_a_developer_may_make_one_call_a_second_per_user(start: Callable[..., Caller], clock: Clock) -> None:
    caller = start()
    assert caller.post("track", userId="a", event="e", devMode=True).status_code == 200
    assert caller.post("track", userId="b", event="e", devMode=True).status_code == 200
    refused = caller.post("track", userId="a", event="e", devMode=True)
    assert (refused.status_code, refused.json()["response"][0]["error"]["message"]) == (
        429,
        "Per device rate limit exceeded.",
    )
    assert caller.user("a")["events"]["e"]["count"] == 1
    clock.now += 1.0
    assert caller.post("track", userId="a", event="e", devMode=True).status_code == 200


def test_export_and_content_reads_ignore_dev_mode(start: Callable[..., Caller]) -> None:
    caller = start()
    for _ in range(2):
        assert caller.post("exportUser", "data_export", userId="a", devMode=True).status_code == 200


def test_a_switch_turns_on_checks_of_names(start: Callable[..., Caller]) -> None:
    strict = start(switches=Switches(strict_names=True))
    for name in ("", "a,b", "a|b", ".a", "-a", "a/", "12", "x" * 140, 'a"b', "a{b", "a\nb"):
        assert strict.call("setUserAttributes", userId="u", userAttributes={name: 1})["success"] is False
    assert (
        strict.call("setUserAttributes", userId="u", userAttributes={"FxA is verified": "a,b"})["success"]
        is True
    )


def test_a_switch_refuses_the_501st_name(start: Callable[..., Caller]) -> None:
    caller = start(switches=Switches(name_limit=2))
    assert caller.call("setUserAttributes", userId="u", userAttributes={"a": 1, "b": 1})["success"] is True
    assert caller.call("setUserAttributes", userId="u", userAttributes={"a": 2})["success"] is True
    assert caller.call("setUserAttributes", userId="u", userAttributes={"c": 1})["success"] is False
    assert caller.call("track", userId="u", event="c")["success"] is True


def test_the_limit_for_developers_can_apply_to_the_whole_app_or_be_off(start: Callable[..., Caller]) -> None:
    for limit, status in (("per_app", 429), ("off", 200)):
        caller = start(switches=Switches(dev_mode_limit=limit))  # type: ignore[arg-type]  # both are choices
        caller.post("track", userId="a", event="e", devMode=True)
        assert caller.post("track", userId="b", event="e", devMode="true").status_code == status


def test_dev_mode_in_a_multi_may_be_said_once_or_per_action(
    start: Callable[..., Caller], clock: Clock
) -> None:
    caller = start()
    action = {"action": "track", "userId": "a", "event": "e"}
    assert caller.post("multi", data=[action], devMode=True).status_code == 200
    assert caller.post("multi", data=[action | {"devMode": True}]).status_code == 429
    clock.now += 1.0
    assert caller.post("multi", data=[action | {"devMode": True}]).status_code == 200


def test_a_switch_refuses_dev_mode_with_the_production_key(
    start: Callable[..., Caller],
) -> None:
    caller = start(switches=Switches(dev_mode_with_production_key=False))
    refused = caller.call("track", userId="a", event="e", devMode=True)
    assert refused["error"]["message"].startswith("Development mode requested but not permitted")
    assert caller.call("track", "development", userId="a", event="e", devMode=True)["success"] is True


def test_a_switch_treats_sdks_like_other_clients(start: Callable[..., Caller]) -> None:
    caller = start(switches=Switches(sdk_exempt=False))
    data = [{"action": "track", "userId": "u", "event": "e"}] * 501
    assert caller.post("multi", data=data, sdkVersion="5.0.0").status_code == 403
