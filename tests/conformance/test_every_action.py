"""
What holds for each action alike: its key, its user, its required arguments, its name, and the limits.

The table is what the API's documentation tells, written here once more: a mistake in the program's own catalogue shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pytest

from leanplum_sync import emulator
from leanplum_sync.emulator import Switches
from leanplum_sync.wire.catalogue import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Caller, Clock

PRODUCTION = ("production", "development")
DEVELOPMENT = ("development",)
EXPORT = ("data_export",)
CONTENT = ("content_read_only",)
REFUSED = {"success": False, "error": {"message": "Invalid access key"}}
UNKNOWN = {"success": False, "error": {"message": "Action not found"}}
NOBODY = {"success": False, "error": {"message": "Invalid app/user combination"}}
SKIPPED = {"success": True, "warning": {"message": "User not found; request skipped."}}
BLOCKED = {"success": False, "error": {"message": "Unavailable For Legal Reasons"}}


@dataclass(frozen=True)
class Told:
    """
    *keys* are the classes that may. *user*: a missing one is made by default (``creates``), skipped but made on request
    (``skips``), or always skipped (``needs``); None for an action that is about nobody.
    """

    keys: tuple[str, ...]
    user: Literal["creates", "skips", "needs"] | None = None
    required: tuple[str, ...] = ()
    arguments: dict[str, Any] = field(default_factory=dict)
    in_multi: bool = True

    @property
    def key(self) -> str:
        return self.keys[0]


TOLD = {
    "start": Told(PRODUCTION, "creates"),
    "stop": Told(PRODUCTION, "skips"),
    "pauseSession": Told(PRODUCTION, "skips"),
    "resumeSession": Told(PRODUCTION, "skips"),
    "heartbeat": Told(PRODUCTION, "skips"),
    "advance": Told(PRODUCTION, "skips", ("state",), {"state": "s"}),
    "pauseState": Told(PRODUCTION, "skips"),
    "resumeState": Told(PRODUCTION, "skips"),
    "track": Told(PRODUCTION, "creates", ("event",), {"event": "e"}),
    "setUserAttributes": Told(PRODUCTION, "creates"),
    "setDeviceAttributes": Told(PRODUCTION, "creates", ("deviceId",), {"deviceId": "d", "systemName": "iOS"}),
    "setTrafficSourceInfo": Told(
        PRODUCTION, "creates", ("trafficSource",), {"trafficSource": {"publisherName": "p"}}
    ),
    "registerDevice": Told(
        DEVELOPMENT, None, ("deviceId", "email"), {"deviceId": "d", "email": "a@example.com"}
    ),
    "deleteUser": Told(DEVELOPMENT, "needs"),
    "block": Told(PRODUCTION, "needs"),
    "unblock": Told(PRODUCTION, "needs"),
    "sendMessage": Told(PRODUCTION, "skips", ("messageId",), {"messageId": 1}),
    "startCampaign": Told(DEVELOPMENT, "skips", ("campaignId",), {"campaignId": 1}),
    "getMessage": Told(CONTENT, None, ("id",), {"id": 1}),
    "getMessages": Told(CONTENT),
    "getUnsubscribeCategories": Told(CONTENT),
    # Its importance has a default, 3.
    "addAndroidNotificationChannel": Told(
        DEVELOPMENT, None, ("id", "name"), {"id": "c", "name": "n", "importance": 3}
    ),
    "getAndroidNotificationChannels": Told(PRODUCTION),
    "deleteAndroidNotificationChannel": Told(DEVELOPMENT, None, ("channelId",), {"channelId": "c"}),
    "getAbTest": Told(CONTENT, None, ("id",), {"id": 1}),
    "getAbTests": Told(CONTENT),
    "getVariant": Told(CONTENT, None, ("id",), {"id": 1}),
    "getVars": Told(PRODUCTION, "skips"),
    "setVars": Told(DEVELOPMENT, None, ("vars",), {"vars": {"a": 1}}),
    "deleteVars": Told(DEVELOPMENT, None, ("vars",), {"vars": ["a"]}),
    "downloadFile": Told(PRODUCTION, None, ("filename",), {"filename": "f"}, in_multi=False),
    "uploadFile": Told(DEVELOPMENT, in_multi=False),
    # Its type has a default, messageEvents.
    "addPostback": Told(
        EXPORT, None, ("postbackUrl",), {"type": "messageEvents", "postbackUrl": "http://127.0.0.1:9/"}
    ),
    "listPostbacks": Told(EXPORT),
    "deletePostback": Told(EXPORT, None, ("postbackId",), {"postbackId": 1}),
    "exportUser": Told(EXPORT, "needs"),
    "exportUsers": Told(EXPORT),
    "exportData": Told(EXPORT, None, ("startDate",), {"startDate": "20231114"}),
    "exportReport": Told(
        EXPORT, None, ("startDate", "dataType"), {"startDate": "20231114", "dataType": "UserActivity"}
    ),
    "getExportResults": Told(EXPORT, None, ("jobId",), {"jobId": "j"}),
    "multi": Told(
        DEVELOPMENT,
        None,
        ("gcsBucket", "file"),
        {"createJob": True, "gcsBucket": "b", "file": "f", "defaultAction": "track"},
        in_multi=False,
    ),
    "getMultiResults": Told(DEVELOPMENT, None, ("jobId",), {"jobId": "j"}),
    # Seen in SDKs only.
    "getNewsfeedMessages": Told((*CONTENT, *PRODUCTION), "needs"),
    "markNewsfeedMessageAsRead": Told(
        PRODUCTION, None, ("newsfeedMessageId",), {"newsfeedMessageId": "1##1"}
    ),
    "deleteNewsfeedMessage": Told(PRODUCTION, None, ("newsfeedMessageId",), {"newsfeedMessageId": "1##1"}),
    "restart": Told(PRODUCTION),
    "log": Told(PRODUCTION),
    "trackGeofence": Told(PRODUCTION),
    "getMigrateState": Told(PRODUCTION),
}
EVERY = sorted(TOLD)
ABOUT_USERS = [name for name in EVERY if TOLD[name].user is not None]
BATCHED = [name for name in EVERY if TOLD[name].in_multi]
REQUIRED = [(name, argument) for name in EVERY for argument in TOLD[name].required]


def about(name: str, user_id: str = "u") -> dict[str, Any]:
    """Return the arguments of a good call; about the user, if the action is about one."""
    user = {"userId": user_id} if TOLD[name].user is not None else {}
    # A device goes with one user.
    device = {"deviceId": f"device of {user_id}"} if "deviceId" in TOLD[name].arguments else {}
    return {**TOLD[name].arguments, **device, **user}


def without_users(caller: Caller) -> bool:
    return caller.session.get(f"{caller.url}/_emulator/dump", timeout=300).text == ""


def test_the_table_has_every_action() -> None:
    assert TOLD.keys() == ACTIONS.keys()
    assert sum(spec.documented for spec in ACTIONS.values()) == 42


def test_the_catalogue_says_the_same() -> None:
    users = {"creates": "CreateIfNeeded", "skips": "CreateNever", "needs": None, None: None}
    for name, told in TOLD.items():
        spec = ACTIONS[name]
        assert spec.key_class.value == told.key, name
        assert spec.create_disposition == users[told.user], name
        assert set(told.required) <= {*spec.required, "deviceId", "gcsBucket", "file"}, name
        assert {*told.arguments} <= spec.arguments.keys(), name


@pytest.mark.claim("key-classes")
@pytest.mark.parametrize("key", emulator.KEYS)
@pytest.mark.parametrize("name", EVERY)
def test_an_action_only_accepts_keys_of_its_classes(shared: Caller, name: str, key: str) -> None:
    answer = shared.post(name, key, **about(name, "keys"))
    is_refused = answer.status_code == 403 and answer.json()["response"] == [REFUSED]
    assert is_refused is (key not in TOLD[name].keys)


@pytest.mark.claim("key-classes")
@pytest.mark.parametrize("name", BATCHED)
def test_a_key_of_another_class_opens_no_action_in_a_multi_either(shared: Caller, name: str) -> None:
    wrong = next(key for key in emulator.KEYS if key not in TOLD[name].keys)
    assert shared.multi({"action": name, **about(name, "keys")}, key=wrong) == [REFUSED]
    assert shared.multi({"action": name, **about(name, "keys")}, key=TOLD[name].key) != [REFUSED]


@pytest.mark.claim("key-classes")
@pytest.mark.parametrize("name", EVERY)
def test_no_action_works_with_a_wrong_key_or_in_another_app(shared: Caller, name: str) -> None:
    wrong_key = shared.post(name, **about(name, "keys") | {"clientKey": "prod_wrong"})
    assert (wrong_key.status_code, wrong_key.json()["response"]) == (403, [REFUSED])
    wrong_app = shared.post(name, **about(name, "keys") | {"appId": "app_other"})
    assert wrong_app.status_code == 404
    assert wrong_app.json()["response"][0]["error"]["message"].startswith("App not found")


@pytest.mark.claim("who-is-created")
@pytest.mark.parametrize("name", ABOUT_USERS)
def test_a_missing_user_is_skipped_where_none_may_be_made(start: Callable[..., Caller], name: str) -> None:
    caller, told = start(), TOLD[name]
    never = {"createDisposition": "CreateNever"} if told.user != "needs" else {}
    for given in (about(name) | never, about(name) if told.user != "creates" else about(name) | never):
        answer = caller.post(name, told.key, **given)
        assert (answer.status_code, answer.json()["response"]) == (200, [SKIPPED])
        if told.in_multi:
            assert caller.multi({"action": name, **given}, key=told.key) == [SKIPPED]
    assert without_users(caller)
    assert caller.counts()["effects"] == {}


@pytest.mark.claim("who-is-created")
@pytest.mark.parametrize("name", [name for name in ABOUT_USERS if TOLD[name].user != "needs"])
def test_a_missing_user_is_made_where_that_is_asked_for(start: Callable[..., Caller], name: str) -> None:
    caller, told = start(), TOLD[name]
    ask = {"createDisposition": "CreateIfNeeded"} if told.user == "skips" else {}
    assert caller.call(name, told.key, **about(name) | ask) != SKIPPED
    # Reading variables makes nobody; states are refused outside a session; an unknown message sends to nobody.
    is_made = name not in ("getVars", "advance", "sendMessage", "startCampaign")
    assert without_users(caller) is not is_made


@pytest.mark.claim("warning-texts")
@pytest.mark.parametrize("name", [name for name in ABOUT_USERS if name != "getVars"])
def test_an_action_about_nobody_is_an_error_with_404(shared: Caller, name: str) -> None:
    given = {
        argument: value for argument, value in about(name).items() if argument not in ("userId", "deviceId")
    }
    answer = shared.post(name, TOLD[name].key, **given)
    assert (answer.status_code, answer.json()["response"]) == (404, [NOBODY])


@pytest.mark.claim("missing-argument")
@pytest.mark.parametrize(("name", "argument"), REQUIRED)
def test_a_missing_argument_names_itself_and_nothing_is_done(
    start: Callable[..., Caller], name: str, argument: str
) -> None:
    told, seed = TOLD[name], ({"userId": "u"},)
    refused = [{"success": False, "error": {"message": f"'{argument}' must be provided"}}]
    for status in (200, 400):
        caller = start(seed, switches=Switches(missing_argument_status=status))  # type: ignore[arg-type]  # the two choices
        for absent in ({}, {argument: None}):
            given = {key: value for key, value in about(name).items() if key != argument} | absent
            answer = caller.post(name, told.key, **given)
            assert (answer.status_code, answer.json()["response"]) == (status, refused)
        assert caller.counts()["effects"] == {}
        if told.in_multi:
            answer = caller.post("multi", told.key, data=[{"action": name, **given}])
            assert (answer.status_code, answer.json()["response"]) == (200, refused)


@pytest.mark.claim("unknown-action")
@pytest.mark.parametrize("name", EVERY)
def test_names_of_actions_are_exact(shared: Caller, name: str) -> None:
    for wrong in (name.upper(), f"{name}2", f" {name}", name[:-1]):
        if wrong in TOLD:  # getMessages without its s
            continue
        answer = shared.post(wrong, TOLD[name].key, **about(name, "exact"))
        assert (answer.status_code, answer.json()["response"]) == (404, [UNKNOWN])
        assert shared.multi({"action": wrong, **about(name, "exact")}, key=TOLD[name].key) == [UNKNOWN]


@pytest.mark.claim("multi-limits")
@pytest.mark.parametrize("name", [name for name in ABOUT_USERS if TOLD[name].in_multi])
def test_any_action_counts_towards_the_users_of_a_multi(start: Callable[..., Caller], name: str) -> None:
    users = [{"userId": f"u{n}"} for n in range(51)]
    caller = start(tuple(users))
    data = [{"action": name, **about(name, user["userId"])} for user in users]
    refused = caller.post("multi", TOLD[name].key, data=data)
    assert (refused.status_code, len(refused.json()["response"])) == (403, 1)
    assert caller.counts()["effects"] == {}
    allowed = caller.post("multi", TOLD[name].key, data=data[:50])
    assert (allowed.status_code, len(allowed.json()["response"])) == (200, 50)


@pytest.mark.claim("multi-limits")
@pytest.mark.parametrize("name", BATCHED)
def test_any_action_counts_towards_the_actions_of_a_multi(start: Callable[..., Caller], name: str) -> None:
    caller = start(({"userId": "u"},))
    data = [{"action": name, **about(name)}] * 501
    refused = caller.post("multi", TOLD[name].key, data=data)
    assert (refused.status_code, len(refused.json()["response"])) == (403, 1)
    assert caller.counts()["effects"] == {}
    allowed = caller.post("multi", TOLD[name].key, data=data[:500])
    assert allowed.status_code != 403
    assert len(allowed.json()["response"]) == 500


@pytest.mark.claim("multi-limits")
@pytest.mark.parametrize("name", [name for name in EVERY if not TOLD[name].in_multi])
def test_these_have_no_place_in_a_multi_with_others(shared: Caller, name: str) -> None:
    mate = {"action": "setUserAttributes", "userId": "mate"}
    element, _ = shared.multi({"action": name, **about(name)}, mate, key="development")
    assert element["success"] is False


@pytest.mark.claim("limits")
@pytest.mark.parametrize("name", [name for name in ABOUT_USERS if name != "getVars"])
def test_no_action_takes_an_id_of_more_than_400_characters(shared: Caller, name: str) -> None:
    whose = "userId" if "deviceId" not in TOLD[name].arguments else "deviceId"
    fits = about(name) | {whose: "x" * 400, "createDisposition": "CreateNever"}
    too_long = fits | {whose: "x" * 401}
    assert shared.call(name, TOLD[name].key, **fits)["success"] is True
    assert shared.call(name, TOLD[name].key, **too_long)["success"] is False


@pytest.mark.claim("limits")
@pytest.mark.parametrize("name", EVERY)
def test_no_action_takes_a_url_of_more_than_2083_characters(shared: Caller, name: str) -> None:
    query = {"action": name, "appId": emulator.APP_ID, "clientKey": emulator.KEYS[TOLD[name].key]}
    for length, is_refused in ((1_000, False), (2_083, True)):
        answer = shared.session.get(
            f"{shared.url}/api", params=query | {"filler": "x" * length}, timeout=300, allow_redirects=False
        )
        assert (answer.status_code == 414) is is_refused


@pytest.mark.claim("limits")
@pytest.mark.parametrize(
    "name", [name for name in ABOUT_USERS if TOLD[name].keys in (PRODUCTION, DEVELOPMENT)]
)
def test_a_developers_call_comes_once_a_second_whatever_the_action(
    start: Callable[..., Caller], clock: Clock, name: str
) -> None:
    caller = start()
    given = about(name) | {"devMode": True}
    statuses = []
    for seconds in (0.0, 0.5, 1.0):
        clock.now += seconds
        statuses.append(caller.post(name, "development", **given).status_code)
    assert [status == 429 for status in statuses] == [False, True, False]


@pytest.mark.claim("blocked")
@pytest.mark.parametrize("name", ABOUT_USERS)
def test_a_blocked_user_takes_nothing_from_any_action(start: Callable[..., Caller], name: str) -> None:
    caller = start(({"userId": "u"},))
    caller.call("block", userId="u")
    answer = caller.post(name, TOLD[name].key, **about(name))
    match name:
        case "block" | "unblock":
            assert answer.json()["response"] == [{"success": True}]
        case "exportUser" | "getVars" | "getNewsfeedMessages":
            assert answer.json()["response"] == [SKIPPED]
        case _:
            assert (answer.status_code, answer.json()["response"]) == (451, [BLOCKED])
