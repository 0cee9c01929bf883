"""A/B tests, variables, files, notification channels, unsubscribe categories, the inbox."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import requests

from leanplum_sync import emulator
from leanplum_sync.emulator import Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Caller

_TEST = {
    "id": 4500000000000002,
    "name": "Paywall copy",
    "active": True,
    "state": "active",
    "created": 1.6e9,
    "variants": [
        {"id": 10, "name": "Control", "percent": 0.0, "variables": []},
        {
            "id": 11,
            "name": "B",
            "percent": 100.0,
            "variables": [{"name": "paywall.title", "value": "Go Pro"}],
        },
    ],
    "details": {"createdBy": "a@example.com"},
}


def _dev(caller: Caller, action: str, **arguments: Any) -> dict[str, Any]:
    return caller.call(action, "development", **arguments)


def _vars(caller: Caller, **arguments: Any) -> Any:
    return caller.call("getVars", **arguments)["vars"]


def test_an_empty_app_has_no_tests(start: Callable[..., Caller]) -> None:
    assert start().call("getAbTests", "content_read_only") == {"success": True, "abTests": []}


def test_only_a_single_ab_test_is_returned_with_details(start: Callable[..., Caller]) -> None:
    caller = start(({"abTest": _TEST},))
    (listed,) = caller.call("getAbTests", "content_read_only")["abTests"]
    assert listed == {name: value for name, value in _TEST.items() if name != "details"}
    assert caller.call("getAbTest", "content_read_only", id=_TEST["id"]) == {"success": True, "abTest": _TEST}
    assert caller.call("getVariant", "content_read_only", id=11)["variant"] == _TEST["variants"][1]
    assert caller.post("getAbTest", "content_read_only", id=1).status_code == 404
    assert caller.post("getVariant", "content_read_only", id=1).status_code == 404


def test_dots_in_names_nest_variables_and_types_are_kept(start: Callable[..., Caller]) -> None:
    caller = start()
    given = {"paywall": {"title": "Go Pro"}, "max_items": 20, "paywall.size": [1, 2], "a\\.b": True}
    assert _dev(caller, "setVars", vars=given) == {"success": True}
    shown = {"paywall": {"title": "Go Pro", "size": [1, 2]}, "max_items": 20, "a.b": True}
    assert _vars(caller) == shown
    assert _dev(caller, "setVars", vars='{"max_items": 21}') == {"success": True}
    assert _vars(caller) == shown | {"max_items": 21}


def test_deleting_variables_returns_the_deleted_names(start: Callable[..., Caller]) -> None:
    caller = start()
    _dev(caller, "setVars", vars={"paywall": {"title": "x", "size": 1}, "max_items": 20})
    removed = _dev(caller, "deleteVars", vars=["paywall", "max_items", "absent"])["variablesRemoved"]
    assert sorted(removed) == ["max_items", "paywall.size", "paywall.title"]
    assert _vars(caller) == {}


def test_the_values_of_a_users_variant_override_the_defaults(start: Callable[..., Caller]) -> None:
    caller = start(
        ({"abTest": _TEST}, {"variable": {"name": "paywall.title", "value": "Buy"}}, {"userId": "u"})
    )
    element = caller.call("getVars", userId="u")
    assert (element["vars"], element["variants"]) == ({"paywall": {"title": "Go Pro"}}, [{"id": 11}])
    assert _vars(caller) == {"paywall": {"title": "Buy"}}
    assert {"regions", "messages", "interfaceRules", "interfaceEvents"} < element.keys()


def test_get_vars_is_billed_only_for_its_user(start: Callable[..., Caller]) -> None:
    caller = start(({"userId": "u"},))
    caller.call("getVars", userId="u")
    caller.call("getVars")
    assert caller.counts()["billableLookups"] == {"total": 1, "reads": 1, "writes": 0}


@pytest.mark.claim("limits")
def test_variables_have_room_for_a_megabyte(start: Callable[..., Caller]) -> None:
    assert _dev(start(), "setVars", vars={"big": "x" * 1_000_001})["success"] is False


def _upload(caller: Caller, fields: dict[str, str], files: dict[str, bytes]) -> dict[str, Any]:
    login = {"action": "uploadFile", "appId": emulator.APP_ID, "clientKey": emulator.KEYS["development"]}
    parts: dict[str, Any] = {name: (None, value) for name, value in (login | fields).items()}
    parts |= {name: (f"{name}.bin", content, "application/octet-stream") for name, content in files.items()}
    (element,) = requests.post(f"{caller.url}/api", files=parts, timeout=300).json()["response"]
    return element


def _download(caller: Caller, name: str) -> requests.Response:
    login = {"appId": emulator.APP_ID, "clientKey": emulator.KEYS["production"]}
    query = {"action": "downloadFile", "filename": name, **login}
    return requests.get(f"{caller.url}/api", params=query, timeout=300)


def test_a_file_is_uploaded_whole_and_downloaded_by_redirect(shared: Caller) -> None:
    content = bytes(range(256)) + b"\r\n--not the boundary"
    described = {"filename": "a b.bin", "size": str(len(content)), "hash": hashlib.md5(content).hexdigest()}
    assert _upload(shared, described, {"file": content}) == {"success": True}
    answer = _download(shared, "a b.bin")
    assert answer.content == content
    assert [step.status_code for step in answer.history] == [302]


def test_several_files_go_up_in_one_call(shared: Caller) -> None:
    data = orjson.dumps([{"filename": "one"}, {"filename": "two", "size": 3}]).decode()
    assert _upload(shared, {"data": data}, {"file0": b"1", "file1": b"222"}) == {"success": True}
    assert (_download(shared, "one").content, _download(shared, "two").content) == (b"1", b"222")


@pytest.mark.parametrize("wrong", [{"size": "9"}, {"hash": "0" * 32}, {"data": '[{"filename":"x"}]'}])
def test_a_file_not_as_described_is_refused(shared: Caller, wrong: dict[str, str]) -> None:
    assert _upload(shared, {"filename": "w", **wrong}, {"file": b"1"})["success"] is False
    assert _download(shared, "w").status_code == 404


@pytest.mark.claim("default-channel")
def test_the_first_channel_is_the_default_and_is_deleted_last(start: Callable[..., Caller]) -> None:
    caller = start()
    first = _dev(caller, "addAndroidNotificationChannel", id="promo", name="Promotions", importance=3)
    assert first == {
        "success": True,
        "channelCreated": True,
        "channelUpdated": False,
        "channelId": "promo",
        "name": "Promotions",
        "importance": 3,
    }
    _dev(caller, "addAndroidNotificationChannel", id="news", name="News", importance="2")
    assert _dev(caller, "deleteAndroidNotificationChannel", channelId="promo")["success"] is False
    again = _dev(caller, "addAndroidNotificationChannel", id="news", name="New", importance=5, default=True)
    assert (again["channelCreated"], again["channelUpdated"]) == (False, True)
    channels = caller.call("getAndroidNotificationChannels")["notificationChannels"]
    assert [(one["id"], one["name"], one["importance"], one["default"]) for one in channels] == [
        ("news", "New", 2, True),
        ("promo", "Promotions", 3, False),
    ]
    gone = {"success": True, "channelDeleted": True, "channelId": "promo"}
    assert _dev(caller, "deleteAndroidNotificationChannel", channelId="promo") == gone
    assert _dev(caller, "deleteAndroidNotificationChannel", channelId="promo")["success"] is False
    assert _dev(caller, "deleteAndroidNotificationChannel", channelId="news")["channelDeleted"] is True


def test_categories_are_listed(start: Callable[..., Caller]) -> None:
    caller = start(({"unsubscribeCategory": {"id": 1, "name": "Newsletter"}},))
    listed = caller.call("getUnsubscribeCategories", "content_read_only")["categories"]
    assert listed == [{"id": 1, "name": "Newsletter", "description": ""}]


def test_the_inbox_is_read_marked_and_deleted(start: Callable[..., Caller]) -> None:
    caller = start(({"newsfeedMessage": {"newsfeedMessageId": "5##1"}}, {"userId": "u"}))
    caller.call("markNewsfeedMessageAsRead", userId="u", newsfeedMessageId="5##1")
    inbox = caller.call("getNewsfeedMessages", "content_read_only", userId="u")["newsfeedMessages"]
    assert inbox == {"5##1": {"isRead": True}}
    caller.call("deleteNewsfeedMessage", userId="u", newsfeedMessageId="5##1")
    assert caller.call("getNewsfeedMessages", "content_read_only", userId="u")["newsfeedMessages"] == {}


@pytest.mark.parametrize("action", ["restart", "log", "trackGeofence"])
def test_actions_that_only_sdks_send_work_unless_switched_off(
    start: Callable[..., Caller], action: str
) -> None:
    assert start().call(action, userId="u") == {"success": True}
    refused = start(switches=Switches(unlisted_actions=False)).call(action, userId="u")
    assert refused["error"] == {"message": "Action not found"}
