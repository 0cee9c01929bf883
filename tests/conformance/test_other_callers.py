"""What Leanplum's SDKs, other public clients and the newest recordings do: each test names its evidence."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import requests

from leanplum_sync import emulator
from leanplum_sync.emulator import Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Caller, Clock

_SKIPPED = {"success": True, "warning": {"message": "User not found; request skipped."}}


def _sdk_login(caller: Caller, device: str, user_id: str) -> None:
    """Do what the Android, iOS and JavaScript SDKs do: the device id is the user id until somebody logs in."""
    whose = {"userId": device, "deviceId": device}
    caller.call("start", **whose, userAttributes={"seen": "onboarding", "name": "?"})
    caller.call("setUserAttributes", **whose, newUserId=user_id, userAttributes={"name": "Ann"})


def test_a_user_whose_id_is_the_device_id_is_anonymous_and_can_register(shared: Caller) -> None:
    """Evidence: source of the Android, iOS and JavaScript SDKs."""
    _sdk_login(shared, "D1", "ann")
    user = shared.user("ann")
    assert user["userAttributes"] == {"seen": "onboarding", "name": "Ann"}
    assert user["devices"] == [{"deviceId": "D1"}]
    assert shared.user("D1") == _SKIPPED


def test_a_user_whose_id_is_the_device_id_logs_in_to_a_known_user(shared: Caller) -> None:
    """Evidence: as above. What the call itself sets wins over what either user had."""
    shared.call("setUserAttributes", userId="ann-2", userAttributes={"name": "Anna", "tier": "gold"})
    _sdk_login(shared, "D2", "ann-2")
    assert shared.user("ann-2")["userAttributes"] == {"name": "Ann", "tier": "gold", "seen": "onboarding"}
    assert shared.user("D2") == _SKIPPED


def test_a_user_made_without_the_device_is_anonymous_once_the_sdk_sends_both(shared: Caller) -> None:
    """Evidence: as above. An import by user id may come before the SDK's first call."""
    shared.call("setUserAttributes", userId="D3", userAttributes={"imported": 1})
    shared.call("setUserAttributes", userId="D3", deviceId="D3", newUserId="ann-3")
    assert shared.user("ann-3")["userAttributes"] == {"imported": 1}
    assert shared.user("D3") == _SKIPPED


def test_a_seeded_user_whose_id_is_that_of_a_device_is_anonymous(start: Callable[..., Caller]) -> None:
    """Evidence: as above. exportUser shows such a user with both ids."""
    caller = start(({"userId": "D", "devices": [{"deviceId": "D"}], "userAttributes": {"a": 1}},))
    caller.call("setUserAttributes", deviceId="D", newUserId="ann")
    assert caller.user("ann")["userAttributes"] == {"a": 1}
    dumped = [
        orjson.loads(line) for line in requests.get(f"{caller.url}/_emulator/dump", timeout=300).iter_lines()
    ]
    assert [(one["userId"], one.get("anonymous")) for one in dumped] == [("ann", None)]


def test_attributes_set_while_switching_users_go_to_the_new_user(start: Callable[..., Caller]) -> None:
    """
    Evidence: iOS SDK, "updates a user id with a dictionary of attributes"; RudderStack's identify.

    Nobody recorded it.
    """
    for owner, mine, theirs in (("new", "Ann", "Bob"), ("old", "Bob", None)):
        caller = start(
            ({"userId": "A", "userAttributes": {"name": "Ann"}},),
            switches=Switches(beside_new_user_id=owner),  # type: ignore[arg-type]  # both are choices
        )
        caller.call("setUserAttributes", userId="A", newUserId="B", userAttributes={"name": "Bob"})
        assert [caller.user(one)["userAttributes"].get("name") for one in "AB"] == [mine, theirs]


def _exported(caller: Caller, clock: Clock, **arguments: Any) -> requests.Response:
    day = datetime.fromtimestamp(clock.now, timezone(timedelta(hours=-8))).strftime("%Y%m%d")
    return caller.post("exportData", "data_export", startDate=day, **arguments)


def test_exported_sessions_have_numbers_and_name_the_sdk(start: Callable[..., Caller], clock: Clock) -> None:
    """Evidence: a sample file that the vendor gave to a public client."""
    test = {"id": 5, "name": "t", "active": True, "variants": [{"id": 9, "name": "B", "percent": 100}]}
    caller = start(({"abTest": test},))
    who = {"userId": "u", "deviceId": "d"}
    sdk = {"client": "android", "sdkVersion": "7.6.1"}
    caller.call("start", **who, **sdk, timezoneOffsetSeconds=-28800)
    clock.now += 30
    caller.call("track", **who, event="Purchase")
    caller.call("track", **who, event="Purchase")
    clock.now += 30
    caller.call("stop", **who)
    job = _exported(caller, clock).json()["response"][0]["jobId"]
    (url,) = caller.call("getExportResults", "data_export", jobId=job)["files"]
    session = requests.get(url, timeout=300).json()
    assert (session["client"], session["sdkVersion"]) == ("android", "7.6.1")
    assert session["experiments"] == [{"id": 5, "variantId": 9}]
    assert (session["duration"], session["timezoneOffsetSeconds"]) == (60.0, -28800)
    assert isinstance(session["userBucket"], int)
    assert [type(session[name]) for name in ("sessionId", "firstRun", "time")] == [str, str, str]
    events = session["states"][0]["events"]
    assert [event.get("timeUntilFirstForUser") for event in events] == [30.0, None]


def test_exporting_a_range_without_data_returns_a_job_or_404(
    start: Callable[..., Caller], clock: Clock
) -> None:
    """Evidence: five recordings of 2017 with 200 and a jobId; one of 2015 with 404."""
    caller = start()
    answer = _exported(caller, clock)
    assert answer.status_code == 200
    job = answer.json()["response"][0]["jobId"]
    result = caller.call("getExportResults", "data_export", jobId=job)
    assert (result["state"], result["numSessions"]) == ("FINISHED", 0)
    refused = _exported(start(switches=Switches(empty_export="not_found")), clock)
    assert (refused.status_code, refused.json()["response"][0]["error"]["message"]) == (
        404,
        "No matching data found.",
    )


def test_an_app_that_has_moved_returns_its_new_host(start: Callable[..., Caller]) -> None:
    """Evidence: fixtures of the iOS and JavaScript SDKs."""
    caller = start(faults="host-mismatch:text=Please go elsewhere.")
    (element,) = caller.multi({"action": "track", "userId": "u", "event": "e"})
    assert element == {
        "success": False,
        "apiHost": "api.example.com",
        "apiServlet": "api",
        "devServerHost": "dev.example.com",
        "error": {"message": "Please go elsewhere."},
    }


@pytest.mark.parametrize("name", ["params", "userAttributes"])
def test_an_empty_list_is_accepted_as_an_empty_object(shared: Caller, name: str) -> None:
    """Evidence: a PHP client, in whose JSON an empty array is ``[]``."""
    action = {"params": "track", "userAttributes": "setUserAttributes"}[name]
    assert shared.call(action, userId="php", event="e", **{name: []})["success"] is True
    assert shared.call(action, userId="php", event="e", **{name: [1]})["success"] is False


def test_multis_are_accepted_at_the_path_that_an_old_client_used(shared: Caller) -> None:
    """Evidence: a public client of 2015."""
    body = {"appId": emulator.APP_ID, "clientKey": emulator.KEYS["production"], "apiVersion": "1.0.6"}
    data = [{"action": "setUserAttributes", "userId": "batch", "userAttributes": {"a": 1}}]
    answer = requests.post(f"{shared.url}/api-batch?action=multi", json={**body, "data": data}, timeout=300)
    assert answer.json() == {"response": [{"success": True}]}
    assert shared.user("batch")["userAttributes"] == {"a": 1}


def test_messages_in_the_inbox_are_identified_only_by_their_keys(start: Callable[..., Caller]) -> None:
    """Evidence: fixtures of the Android SDK, and a public client."""
    message = {"newsfeedMessageId": "5##1", "messageId": 5, "isRead": False}
    caller = start(({"newsfeedMessage": message}, {"userId": "u"}))
    inbox = caller.call("getNewsfeedMessages", "content_read_only", userId="u")["newsfeedMessages"]
    assert inbox == {"5##1": {"messageId": 5, "isRead": False}}


def test_an_increment_given_as_text_is_skipped_or_applied(start: Callable[..., Caller]) -> None:
    """Evidence: a demonstration of Leanplum's sends text; OpenAPI says that what is no integer is skipped."""
    for switches, left, count in (
        (Switches(skipped_increment="warn"), 1, 0),
        (Switches(text_increments="count"), 4, 1),
    ):
        caller = start(({"userId": "u", "userAttributes": {"n": 1}},), switches=switches)
        answer = caller.call("setUserAttributes", userId="u", userAttributeValuesToIncrement={"n": "3"})
        assert ("warning" in answer) is (count == 0)
        assert caller.user("u")["userAttributes"] == {"n": left}
        assert caller.counts()["increments"] == ({"u": {"n": 1}} if count else {})


@pytest.mark.parametrize(
    ("switch", "unknown", "nobody"),
    [("recorded", 200, 404), ("by_class", 404, 404), ("always_200", 200, 200)],
)
def test_the_status_of_a_multi_depends_on_which_action_failed(
    start: Callable[..., Caller], switch: Any, unknown: int, nobody: int
) -> None:
    """Evidence: recordings: 404 for an action about nobody (2015), 200 for another failed action (2017)."""
    caller = start(switches=Switches(failed_action_status=switch))
    statuses = [
        caller.post("multi", data=[{"action": "setUserAttributes", "userId": "u"}, action]).status_code
        for action in ({"action": "fly", "userId": "u"}, {"action": "track", "event": "e"})
    ]
    assert statuses == [unknown, nobody]


_SYSTEMS = {"NONE": "lp", "EVENTS_UPLOAD_STARTED": "lp+ct", "SDK_TRAFFIC_STOPPED": "ct"}


@pytest.mark.parametrize("state", _SYSTEMS)
def test_the_app_reports_the_state_of_its_migration(start: Callable[..., Caller], state: Any) -> None:
    """Evidence: fixtures of the JavaScript SDK; source of the Android and iOS SDKs, which ask when the hash changes."""
    caller = start(switches=Switches(migrate_state=state))
    answer = caller.post("getMigrateState").json()
    (element,) = answer["response"]
    system = _SYSTEMS[state]
    assert (element["state"], element["sdk"]) == (state, system)
    assert element["api"] == {"profile": system, "events": system}
    has_begun = state != "NONE"
    assert ("migrateState" in answer) is has_begun
    assert not has_begun or answer["migrateState"] == {"sha256": element["sha256"]}
    assert caller.counts()["billableLookups"]["total"] == 0


def test_an_app_may_not_know_the_question_about_its_migration(start: Callable[..., Caller]) -> None:
    """Evidence: none; older servers can't know an action that came in 2022."""
    answer = start(switches=Switches(unlisted_actions=False)).call("getMigrateState")
    assert answer["error"] == {"message": "Action not found"}
