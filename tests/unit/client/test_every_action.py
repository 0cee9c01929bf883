"""Every action of the catalogue can be called, with its own key and with arguments it knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from leanplum_sync.client import api
from leanplum_sync.client.client import Client
from leanplum_sync.client.credentials import EMULATOR_KEYS, Connection, Keys
from leanplum_sync.client.http import Request, Response
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import InvalidCallError, LeanplumSyncError
from leanplum_sync.wire.action import Action
from leanplum_sync.wire.catalogue import ACTIONS

PARAMS = {"Level": 1}

CALLS: dict[str, api.Call[Any] | Callable[[Client], object]] = {
    "start": api.start(
        "u1",
        device_id="d1",
        create=True,
        attributes={"a": 1},
        device={"systemName": "iOS"},
        location={"country": "SE"},
        background=False,
        include_defaults=True,
    ),
    "stop": api.stop("u1"),
    "pauseSession": api.pause_session("u1"),
    "resumeSession": api.resume_session(device_id="d1"),
    "heartbeat": api.heartbeat("u1"),
    "advance": api.advance("", "u1", info="i", params=PARAMS),
    "pauseState": api.pause_state("u1"),
    "resumeState": api.resume_state("u1"),
    "track": api.track(
        "Purchase",
        "u1",
        value=9.5,
        currency_code="SEK",
        info="i",
        time=1.7e9,
        params=PARAMS,
        message_id=5,
        disposition="passive",
    ),
    "setUserAttributes": api.set_user_attributes(
        "u1",
        attributes={"a": None},
        add={"b": "x"},
        remove={"b": "y"},
        increment={"c": 1},
        unsubscribe_channels=["Email"],
        resubscribe_channels=["Webhook", "Push Notification"],
        unsubscribe_categories=["1"],
        resubscribe_categories=["2"],
        events={"e": {"count": 1}},
        states={"s": {"count": 1}},
        devices=[{"deviceId": "d1"}],
        profile={"created": 1.6e9, "city": "Lund"},
        new_user_id="u2",
    ),
    "setDeviceAttributes": api.set_device_attributes("d1", user_id="u1", fields={"iosPushToken": "ab"}),
    "setTrafficSourceInfo": api.set_traffic_source_info({"publisherName": "p"}, "u1", time=1.7e9),
    "registerDevice": api.register_device("d1", "dev@example.com"),
    "deleteUser": api.delete_user("u1", full_erasure=True),
    "block": api.block("u1"),
    "unblock": api.unblock("u1"),
    "sendMessage": api.send_message(5, "u1", values={"name": "Ann"}, force=True),
    "startCampaign": api.start_campaign(5, "u1", values={"name": "Ann"}),
    "getMessage": api.get_message(5),
    "getMessages": api.get_messages(include_drafts=True, recent=False),
    "getUnsubscribeCategories": api.get_unsubscribe_categories(),
    "addAndroidNotificationChannel": api.add_android_notification_channel(
        "promo", "Promotions", settings={"description": "d", "default": True}
    ),
    "getAndroidNotificationChannels": api.get_android_notification_channels(),
    "deleteAndroidNotificationChannel": api.delete_android_notification_channel("promo"),
    "getAbTest": api.get_ab_test(5),
    "getAbTests": api.get_ab_tests(),
    "getVariant": api.get_variant(5),
    "getVars": api.get_vars("u1", include_defaults=False),
    "setVars": api.set_vars({"a": {"b": 1}}),
    "deleteVars": api.delete_vars(["a"]),
    "downloadFile": lambda client: client.download_file("a.png", Path("unused")),
    "uploadFile": lambda client: client.upload_file({"a.png": b"x"}),
    "addPostback": api.add_postback("https://hooks.example.com/", channels=["Email"]),
    "listPostbacks": api.list_postbacks(),
    "deletePostback": api.delete_postback(5),
    "exportUser": api.export_user("u1"),
    "exportUsers": api.export_users(audience="a", ab_test_id=5, attribute="b"),
    "exportData": api.export_data(
        "20261130", "20261201", export_format="csv", s3={"s3BucketName": "b", "compressData": True}
    ),
    "exportReport": api.export_report("UserActivity", "20261130", events=["e"]),
    "getExportResults": api.get_export_results("job"),
    "multi": api.import_csv("bucket", "file.csv", default_action="track"),
    "getMultiResults": api.get_multi_results("job"),
    "getNewsfeedMessages": api.get_newsfeed_messages(device_id="d1"),
    "markNewsfeedMessageAsRead": api.mark_newsfeed_message_as_read("5##1", "u1"),
    "deleteNewsfeedMessage": api.delete_newsfeed_message("5##1", "u1"),
    "restart": api.restart("u1"),
    "log": api.log("u1"),
    "trackGeofence": api.track_geofence("u1"),
    "getMigrateState": api.get_migrate_state(),
}


class Recorder:
    """A transport that keeps what it is given and answers with bare success."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def send(self, request: Request, before_write: Any = None) -> Response:
        self.requests.append(request)
        return Response(200, b'{"response":[{"success":true}]}')


def test_the_client_has_a_call_for_every_action() -> None:
    assert CALLS.keys() == ACTIONS.keys()


@pytest.mark.claim("post-json", "key-by-action")
@pytest.mark.parametrize("name", CALLS)
def test_each_call_goes_out_under_its_name_with_the_key_of_its_class(name: str) -> None:
    recorder = Recorder()
    client = Client(
        Connection("http://127.0.0.1:1", "app_x"), Keys.of(EMULATOR_KEYS), recorder, SystemClock()
    )  # type: ignore[arg-type]  # it sends; it does not stream
    made = CALLS[name]
    try:
        client.call(made) if isinstance(made, api.Call) else made(client)
    except LeanplumSyncError:
        assert name in (
            "getMessage",
            "getMessages",
            "downloadFile",
            *(n for n in CALLS if "xport" in n or "ulti" in n),
        )
    (request,) = recorder.requests
    assert request.url.endswith(f"/api?action={name}")
    assert EMULATOR_KEYS[ACTIONS[name].key_class].encode() in request.body
    if isinstance(made, api.Call):
        sent = orjson.loads(request.body).keys() - {"appId", "clientKey", "apiVersion"}
        assert sent <= ACTIONS[name].arguments.keys()


@pytest.mark.claim("keys-hidden")
@pytest.mark.parametrize("name", CALLS)
def test_a_call_does_not_show_its_arguments(name: str) -> None:
    made = CALLS[name]
    if isinstance(made, api.Call):
        assert repr(made) == f"Call({name})"


@pytest.mark.claim("creation-said")
def test_who_may_be_created_is_always_said() -> None:
    for made in CALLS.values():
        if isinstance(made, api.Call) and ACTIONS[made.action.name].create_disposition:
            expected = "CreateIfNeeded" if made.action.name == "start" else "CreateNever"
            assert made.action.arguments["createDisposition"] == expected


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: api.track("Purchase"), "track needs a userId, a deviceId, or both"),
        (lambda: api.heartbeat(""), "heartbeat needs a userId"),
        (
            lambda: api.set_device_attributes("", fields={"systemName": "iOS"}),
            "setDeviceAttributes needs deviceId",
        ),
        (lambda: api.set_device_attributes("d1", fields={"color": "red"}), "doesn't take color"),
        (lambda: api.track("Purchase", 5), "userId must be a string"),  # type: ignore[arg-type]  # the point
        (lambda: api.send_message("5", "u1"), "messageId must be a whole number"),  # type: ignore[arg-type]  # the point
        (lambda: api.track(None, "u1"), "track needs event"),  # type: ignore[arg-type]  # the point
    ],
)
def test_what_the_api_would_refuse_is_refused_before_it_is_sent(
    make: Callable[[], object], sentence: str
) -> None:
    with pytest.raises(InvalidCallError, match=sentence):
        make()


def batch_of(calls: list[api.Call[Any]], **options: Any) -> None:
    client = Client(
        Connection("http://127.0.0.1:1", "app_x"), Keys.of(EMULATOR_KEYS), Recorder(), SystemClock()
    )  # type: ignore[arg-type]  # as above
    client.batch(calls, **options)


@pytest.mark.claim("one-class-a-batch", "batches-by-user")
@pytest.mark.parametrize(
    ("calls", "sentence"),
    [
        ([], "at least one"),
        ([api.track("e", f"u{number}") for number in range(51)], "at most 50 users, not 51"),
        ([api.track("e", "u1")] * 501, "at most 500 actions, not 501"),
        ([api.track("e", "u1"), api.export_user("u1")], "data export and production keys"),
        ([api.import_csv("b", "f")], "multi can't be part of a batch"),
    ],
)
def test_a_batch_that_the_api_would_refuse_is_refused_before_it_is_sent(
    calls: list[api.Call[Any]], sentence: str
) -> None:
    with pytest.raises(InvalidCallError, match=sentence):
        batch_of(calls)


def test_any_action_can_be_called_by_the_names_of_the_api() -> None:
    made = api.action("track", {"event": "e", "userId": "u1", "devMode": True, "value": None})
    assert made.action == Action("track", {"event": "e", "userId": "u1", "devMode": True})
    with pytest.raises(InvalidCallError, match="There is no action createMessage"):
        api.action("createMessage", {})
    with pytest.raises(InvalidCallError, match="devMode must be true or false"):
        api.action("track", {"event": "e", "userId": "u1", "devMode": "yes"})
