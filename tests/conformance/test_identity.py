"""Who an action is about, whether a user is made, and how one becomes another."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from leanplum_sync.emulator import Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Caller, Clock

_SKIPPED = {"success": True, "warning": {"message": "User not found; request skipped."}}
_ARGUMENTS = {
    "track": {"event": "e"},
    "setDeviceAttributes": {"deviceId": "d-1"},
    "setTrafficSourceInfo": {"trafficSource": {"publisherName": "p"}},
    "sendMessage": {"messageId": 1},
    "startCampaign": {"campaignId": 1},
    "advance": {"state": "s"},
}
_CREATING = ["start", "track", "setUserAttributes", "setDeviceAttributes", "setTrafficSourceInfo"]
_NOT_CREATING = [
    "advance",
    "getVars",
    "heartbeat",
    "pauseSession",
    "pauseState",
    "resumeSession",
    "resumeState",
]
_NOT_CREATING += ["sendMessage", "startCampaign", "stop"]


@pytest.mark.claim("who-is-created")
@pytest.mark.parametrize("action", _CREATING)
def test_these_make_a_missing_user_unless_told_never_to(start: Callable[..., Caller], action: str) -> None:
    caller, arguments = start(), _ARGUMENTS.get(action, {})
    assert caller.call(action, userId="u", createDisposition="CreateNever", **arguments) == _SKIPPED
    assert caller.user("u") == _SKIPPED
    caller.call(action, userId="u", **arguments)
    assert caller.user("u")["userId"] == "u"


@pytest.mark.claim("who-is-created")
@pytest.mark.parametrize("action", _NOT_CREATING)
def test_these_skip_a_missing_user(start: Callable[..., Caller], action: str) -> None:
    caller = start()
    assert caller.call(action, "development", userId="u", **_ARGUMENTS.get(action, {})) == _SKIPPED
    assert caller.user("u") == _SKIPPED


def test_neither_user_nor_device_is_an_error_with_404(shared: Caller) -> None:
    answer = shared.post("setUserAttributes", userAttributes={"a": 1})
    assert answer.status_code == 404
    assert answer.json()["response"][0]["error"] == {"message": "Invalid app/user combination"}


def test_a_device_nobody_logged_in_on_is_a_user_of_its_own(shared: Caller) -> None:
    shared.call("setUserAttributes", deviceId="anon-1", userAttributes={"a": 1})
    user = shared.user("anon-1")
    assert (user["userId"], user["userAttributes"], user["devices"]) == (
        "anon-1",
        {"a": 1},
        [{"deviceId": "anon-1"}],
    )


def test_user_and_device_together_link_them_and_the_device_then_stands_for_the_user(shared: Caller) -> None:
    shared.call("setUserAttributes", userId="link-1", deviceId="link-d", userAttributes={"a": 1})
    shared.call("setUserAttributes", deviceId="link-d", userAttributes={"b": 2})
    user = shared.user("link-1")
    assert user["userAttributes"] == {"a": 1, "b": 2}
    assert user["devices"] == [{"deviceId": "link-d"}]


def test_a_blank_user_id_leaves_it_to_the_device(shared: Caller) -> None:
    shared.call("setUserAttributes", userId="", deviceId="blank-d", userAttributes={"a": 1})
    assert shared.user("blank-d")["userAttributes"] == {"a": 1}


def test_a_shared_device_stands_for_the_user_named_with_it_last(shared: Caller) -> None:
    for user_id in ("share-1", "share-2"):
        shared.call("setDeviceAttributes", userId=user_id, deviceId="share-d", deviceModel="m")
    shared.call("setDeviceAttributes", deviceId="share-d", deviceModel="n")
    models = [shared.user(user_id)["devices"][0]["deviceModel"] for user_id in ("share-1", "share-2")]
    assert models == ["m", "n"]


def test_create_never_can_add_a_device_to_a_known_user_unless_switched_off(
    start: Callable[..., Caller],
) -> None:
    for adds in (True, False):
        caller = start(({"userId": "u"},), switches=Switches(create_never_adds_devices=adds))
        never = {"createDisposition": "CreateNever"}
        caller.call("setDeviceAttributes", userId="u", deviceId="d", iosPushToken="ab", **never)
        assert caller.user("u")["devices"] == ([{"deviceId": "d", "iosPushToken": "ab"}] if adds else [])


def test_logging_in_merges_the_anonymous_user_into_the_known_user(shared: Caller) -> None:
    known = {"plan": "free", "tags": ["a"]}
    shared.call(
        "setUserAttributes", userId="login", userAttributes=known, events={"e": {"count": 2, "firstTime": 50}}
    )
    shared.call(
        "setUserAttributes",
        deviceId="login-d",
        userAttributes={"plan": "paid", "tags": ["b"], "extra": 1},
        events={"e": {"count": 3, "firstTime": 10, "lastTime": 99}},
    )
    shared.call("setUserAttributes", deviceId="login-d", newUserId="login")
    user = shared.user("login")
    assert user["userAttributes"] == {"plan": "free", "tags": ["a", "b"], "extra": 1}
    assert user["events"]["e"] == {"count": 5, "firstTime": 10.0, "lastTime": 99.0}
    assert user["devices"] == [{"deviceId": "login-d"}]
    assert shared.user("login-d") == _SKIPPED


def test_registering_gives_the_anonymous_user_the_new_id(shared: Caller) -> None:
    shared.call("setUserAttributes", deviceId="reg-d", userAttributes={"a": 1})
    shared.call("setUserAttributes", deviceId="reg-d", newUserId="reg")
    assert shared.user("reg")["userAttributes"] == {"a": 1}
    assert shared.user("reg-d") == _SKIPPED
    shared.call("setUserAttributes", deviceId="reg-d", userAttributes={"b": 2})
    assert shared.user("reg")["userAttributes"] == {"a": 1, "b": 2}


def test_switching_users_merges_nothing(shared: Caller) -> None:
    shared.call("setUserAttributes", userId="sw-1", userAttributes={"a": 1})
    shared.call("setUserAttributes", userId="sw-1", newUserId="sw-2")
    assert shared.user("sw-1")["userAttributes"] == {"a": 1}
    assert shared.user("sw-2")["userAttributes"] == {}


def test_switching_users_ends_the_session_and_begins_another(start: Callable[..., Caller]) -> None:
    caller = start(({"userId": "new", "userAttributes": {"b": 2}},))
    caller.call("start", userId="old", deviceId="d")
    caller.call("setUserAttributes", userId="old", deviceId="d", newUserId="new")
    assert caller.call("track", userId="old", event="e")["isOffline"] is True
    assert "isOffline" not in caller.call("track", userId="new", event="e")
    user = caller.user("new")
    assert (user["userAttributes"], user["totalSessions"], user["devices"]) == (
        {"b": 2},
        1,
        [{"deviceId": "d"}],
    )


def test_switching_to_a_user_who_is_there_already_ends_their_session_too(
    start: Callable[..., Caller], clock: Clock
) -> None:
    caller = start()
    for user_id in ("one", "other"):
        caller.call("start", userId=user_id, deviceId="d")
    clock.now += 100
    caller.call("setUserAttributes", userId="one", deviceId="d", newUserId="other")
    user = caller.user("other")
    assert (user["totalSessions"], user["timeSpentInApp"]) == (2, 100.0)


def test_a_users_bucket_is_computed_from_the_id(shared: Caller) -> None:
    shared.call("setUserAttributes", userId="123456")
    assert shared.user("123456")["userBucket"] == 358
    shared.call("setUserAttributes", userId="bucket")
    assert shared.user("bucket")["userBucket"] == int(hashlib.md5(b"bucket").hexdigest(), 16) % 1000


def test_a_deleted_user_is_gone_immediately_and_a_second_delete_is_skipped(shared: Caller) -> None:
    shared.call("setUserAttributes", userId="del", deviceId="del-d", userAttributes={"a": 1})
    assert shared.call("deleteUser", "development", userId="del") == {"success": True}
    assert shared.user("del") == _SKIPPED
    assert shared.call("deleteUser", "development", userId="del") == _SKIPPED
    shared.call("setUserAttributes", deviceId="del-d", userAttributes={"b": 2})
    assert shared.user("del") == _SKIPPED


def test_delete_by_device_only_works_for_devices_never_logged_in(shared: Caller) -> None:
    shared.call("setUserAttributes", deviceId="del-anon")
    shared.call("setUserAttributes", userId="del-2", deviceId="del-known")
    assert shared.call("deleteUser", "development", deviceId="del-anon") == {"success": True}
    assert shared.call("deleteUser", "development", deviceId="del-known")["success"] is False
    assert shared.user("del-2")["userId"] == "del-2"


def test_delete_works_in_a_multi_and_by_get(shared: Caller) -> None:
    shared.call("setUserAttributes", userId="del-m")
    assert shared.multi({"action": "deleteUser", "userId": "del-m"}, key="development") == [{"success": True}]


@pytest.mark.claim("blocked")
def test_writes_to_a_blocked_user_are_refused_and_not_restored_by_unblocking(shared: Caller) -> None:
    shared.call("setUserAttributes", userId="blk", userAttributes={"a": 1})
    assert shared.call("block", userId="blk") == {"success": True}
    refused = shared.post("setUserAttributes", userId="blk", userAttributes={"b": 2})
    assert refused.status_code == 451
    assert refused.json()["response"][0]["error"] == {"message": "Unavailable For Legal Reasons"}
    assert shared.user("blk") == _SKIPPED
    assert shared.call("unblock", "development", userId="blk") == {"success": True}
    shared.call("setUserAttributes", userId="blk", userAttributes={"b": 2})
    assert shared.user("blk")["userAttributes"] == {"b": 2}


@pytest.mark.claim("merged-created")
def test_who_remains_of_a_merge_was_created_when_the_first_of_the_two_was(shared: Caller) -> None:
    for anonymous, known in ((1_000, 2_000), (2_000, 1_000)):
        device, user_id = f"old-d-{anonymous}", f"old-u-{anonymous}"
        shared.call("setUserAttributes", deviceId=device, created=anonymous)
        shared.call("setUserAttributes", userId=user_id, created=known)
        shared.call("setUserAttributes", deviceId=device, newUserId=user_id)
        assert shared.user(user_id)["created"] == 1_000.0
