from __future__ import annotations

import json
from typing import Any

import pytest

from leanplum_sync.address import Subject
from leanplum_sync.kinds.field_values import android_token, ios_token, web_subscription
from leanplum_sync.wire.convert import ConversionError

APNS = "ab" * 32
WEB = {"endpoint": "https://push.example.com/1", "key": "BKey", "auth": "auth"}


def test_a_row_asks_for_the_token_and_fields_of_its_device(folder: Any) -> None:
    folder.write("specs/t.csv", f"d,u,t,m\nd1,u1,<{APNS.upper()}>,iPhone\nd2,,{APNS},\n")
    folder.spec(
        "PushTokens",
        "devices: {file: t.csv, id: d, user: u}\ntoken: {ios: {column: t}}\n"
        "attributes: {systemName: iOS, deviceModel: {column: m}}",
    )
    first, second = folder.wants()
    assert (first.subject, second.subject) == (Subject.user("u1"), Subject.device("d2"))
    assert [(each.device_id, each.name, each.value) for each in first.desires] == [
        ("d1", "iosPushToken", APNS),
        ("d1", "systemName", "iOS"),
        ("d1", "deviceModel", "iPhone"),
    ]
    assert [each.name for each in second.desires] == ["iosPushToken", "systemName"]
    assert str(first.desires[0].asked_at) == "specs/it.yaml:6:11"
    assert not first.create


def test_devices_of_several_platforms_stand_in_one_file(folder: Any) -> None:
    folder.write("specs/t.ndjson", "\n".join(json.dumps(row) for row in [
        {"d": "d1", "i": APNS},
        {"d": "d2", "a": "f" * 140},
        {"d": "d3", "w": WEB},
    ]))  # fmt: skip
    folder.spec(
        "PushTokens",
        "devices: {file: t.ndjson, id: d}\n"
        "token: {ios: {column: i}, android: {column: a}, web: {column: w}}\ncreateUsers: true",
    )
    wants = folder.wants()
    assert [[each.name for each in want.desires] for want in wants] == [
        ["iosPushToken"],
        ["gcmRegistrationId"],
        ["webPushSubscription"],
    ]
    assert json.loads(wants[2].desires[0].value) == WEB
    assert all(want.create for want in wants)


def test_a_malformed_token_is_a_problem_that_does_not_show_it(folder: Any) -> None:
    folder.spec(
        "PushTokens",
        "devices: {inline: [{id: d1, user: ' u', t: secret}], user: user}\ntoken: {ios: {column: t}}",
    )
    (problems,) = folder.wants()
    assert [problem.message for problem in problems] == [
        "the id in column user has spaces before or after it",
        "the value in column t is not an APNs token: an even number of hexadecimal digits, 64 or more",
    ]
    assert "secret" not in str(problems)


@pytest.mark.parametrize("token", [APNS, APNS.upper(), f"<{APNS[:8]} {APNS[8:]}>", "0f" * 80])
def test_ios_tokens_are_sent_as_plain_lower_case_digits(token: str) -> None:
    assert set(ios_token(token)) <= set("0123456789abcdef")


@pytest.mark.parametrize("token", ["", APNS[:-2], APNS + "a", "zz" * 32, f"{APNS}-", None, 5])
def test_ios_tokens_must_be_digits_in_pairs(token: Any) -> None:
    with pytest.raises(ConversionError):
        ios_token(token)


@pytest.mark.parametrize("token", ["f" * 19, "f" * 20 + " ", "a b" * 20, "f" * 4097, None, 5])
def test_android_tokens_have_a_length_and_no_blanks(token: Any) -> None:
    with pytest.raises(ConversionError):
        android_token(token)


def test_android_tokens_are_kept_as_they_are() -> None:
    token = "cXy_0-1:APA91b" + "Ab9_-" * 30
    assert android_token(token) == token


def test_a_web_subscription_as_text_is_kept_as_it_is() -> None:
    text = json.dumps(WEB, indent=1)
    assert web_subscription(text) == text


def test_a_web_subscription_as_a_mapping_becomes_compact_text() -> None:
    assert web_subscription({"auth": "auth", **WEB, "expirationTime": None}) == json.dumps(
        WEB, separators=(",", ":")
    )


@pytest.mark.parametrize(
    "value",
    [
        "not json",
        "[]",
        {"endpoint": "https://x", "keys": {"p256dh": "k", "auth": "a"}},
        {**WEB, "endpoint": "http://x"},
        {**WEB, "auth": ""},
        {**WEB, "key": 5},
        None,
    ],
)
def test_a_web_subscription_has_endpoint_key_and_auth(value: Any) -> None:
    with pytest.raises(ConversionError):
        web_subscription(value)
