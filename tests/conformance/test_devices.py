"""Devices, their tokens, and what exportUser tells of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leanplum_sync.emulator import Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Caller

_TOKEN = "ab" * 32


def _devices(caller: Caller) -> list[dict[str, Any]]:
    return caller.user("u")["devices"]


@pytest.mark.parametrize(
    "field", ["iosPushToken", "gcmRegistrationId", "webPushSubscription", "huaweiPushRegId"]
)
def test_tokens_and_device_fields_read_back(start: Callable[..., Caller], field: str) -> None:
    caller = start()
    answer = caller.call("setDeviceAttributes", userId="u", deviceId="d", systemName="iOS", **{field: _TOKEN})
    assert answer == {"success": True}
    assert _devices(caller) == [{"deviceId": "d", "systemName": "iOS", field: _TOKEN}]
    caller.call("setDeviceAttributes", deviceId="d", **{field: "cd"})
    assert _devices(caller) == [{"deviceId": "d", "systemName": "iOS", field: "cd"}]
    caller.call("setDeviceAttributes", deviceId="d", **{field: ""})
    assert _devices(caller) == [{"deviceId": "d", "systemName": "iOS"}]


def test_a_device_id_is_required(shared: Caller) -> None:
    answer = shared.post("setDeviceAttributes", userId="u", iosPushToken=_TOKEN)
    assert answer.status_code == 200
    assert answer.json()["response"] == [
        {"success": False, "error": {"message": "'deviceId' must be provided"}}
    ]


def test_a_switch_returns_400_for_a_missing_argument(start: Callable[..., Caller]) -> None:
    caller = start(switches=Switches(missing_argument_status=400))
    assert caller.post("setDeviceAttributes", userId="u").status_code == 400


def test_a_call_without_device_fields_is_no_error(shared: Caller) -> None:
    assert shared.call("setDeviceAttributes", userId="bare", deviceId="bare-d") == {"success": True}


def test_nested_device_attributes_do_nothing_unless_switched(start: Callable[..., Caller]) -> None:
    nested = {"userId": "u", "deviceId": "d", "deviceAttributes": {"deviceModel": "m"}}
    ignoring, applying = start(), start(switches=Switches(nested_device_attributes="apply"))
    for caller in (ignoring, applying):
        assert caller.call("setDeviceAttributes", **nested) == {"success": True}
    assert _devices(ignoring) == [{"deviceId": "d"}]
    assert _devices(applying) == [{"deviceId": "d", "deviceModel": "m"}]


def test_listed_devices_are_merged_by_id_and_never_removed(start: Callable[..., Caller]) -> None:
    caller = start()
    for ids in (["a"], ["b", "a"], []):
        caller.call(
            "setUserAttributes", userId="u", devices=[{"deviceId": name, "deviceModel": "m"} for name in ids]
        )
    assert _devices(caller) == [{"deviceId": "a"}, {"deviceId": "b"}]


@pytest.mark.claim("null-device")
def test_a_listed_device_without_an_id_is_one_more_null_entry_each_time(start: Callable[..., Caller]) -> None:
    caller = start()
    for _ in range(2):
        caller.call("setUserAttributes", userId="u", devices=[{"device_id": "a"}])
    assert _devices(caller) == [{"deviceId": None}, {"deviceId": None}]


@pytest.mark.parametrize(
    ("details", "shown"),
    [
        ("by_source", [{"deviceId": "a", "deviceName": "n"}, {"deviceId": "b"}]),
        (
            "full",
            [{"deviceId": "a", "deviceModel": "m", "deviceName": "n"}, {"deviceId": "b", "deviceModel": "m"}],
        ),
        ("id_only", [{"deviceId": "a"}, {"deviceId": "b"}]),
    ],
)
def test_a_switch_decides_which_device_fields_are_shown(
    start: Callable[..., Caller], details: Any, shown: Any
) -> None:
    caller = start(switches=Switches(device_details=details))
    listed = [{"deviceId": name, "deviceModel": "m"} for name in ("a", "b")]
    caller.call("setUserAttributes", userId="u", devices=listed)
    caller.call("setDeviceAttributes", userId="u", deviceId="a", deviceName="n")
    assert _devices(caller) == shown


def test_a_switch_hides_push_tokens(start: Callable[..., Caller]) -> None:
    caller = start(switches=Switches(tokens_exported=False))
    caller.call("setDeviceAttributes", userId="u", deviceId="d", iosPushToken=_TOKEN, systemName="iOS")
    assert _devices(caller) == [{"deviceId": "d", "systemName": "iOS"}]


def test_a_device_is_registered_once(shared: Caller) -> None:
    registering = {"deviceId": "reg-1", "email": "a@example.com"}
    assert shared.call("registerDevice", "development", **registering) == {
        "success": True,
        "registered": True,
    }
    assert shared.call("registerDevice", "development", **registering) == {
        "success": True,
        "registered": False,
    }


@pytest.mark.claim("devices-stay")
def test_no_action_takes_a_device_from_a_user_who_remains(start: Callable[..., Caller]) -> None:
    caller = start(({"userId": "u", "devices": [{"deviceId": "d"}]}, {"userId": "other"}))
    for devices in ([], None, [{"deviceId": "e"}], [{"deviceId": "d", "appVersion": ""}]):
        caller.call("setUserAttributes", userId="u", devices=devices)
    for action in ("setDeviceAttributes", "start", "stop"):
        caller.call(action, userId="other", deviceId="d")
    caller.call("setUserAttributes", userId="u", deviceId="d", newUserId="another")
    caller.call("registerDevice", "development", deviceId="d", email="a@example.com")
    assert [device["deviceId"] for device in caller.user("u")["devices"]] == ["d", "e"]
