"""Messages: listing and sending them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leanplum_sync.emulator import Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Caller

_ID = 4500000000000001
_MESSAGE = {
    "id": _ID,
    "name": "Order shipped",
    "created": 1.6e9,
    "active": True,
    "messageType": "Push Notification",
}
_SEEDS = (
    {"message": _MESSAGE},
    {"message": {"id": 2, "name": "Targeted", "active": True, "messageType": "Email", "targeting": ["u1"]}},
    {"message": {"id": 3, "name": "Off", "active": False, "messageType": "Email"}},
    {
        "message": {
            "id": 4,
            "name": "Triggered",
            "active": True,
            "messageType": "Email",
            "delivery": "triggered",
        }
    },
    {"message": {"id": 5, "name": "Inside", "active": True, "messageType": "In-app Message"}},
    {"message": {"id": 6, "name": "Draft", "active": False, "draft": True, "messageType": "Email"}},
    {"userId": "u1"},
    {"userId": "u2"},
)
_SENT = {"success": True, "result": "Message sent", "messagesSent": 1}
_NO_USER = {"success": True, "warning": {"message": "User not found; request skipped."}}
_NO_MESSAGE = {"success": True, "warning": {"message": "Message entity not found"}}


@pytest.mark.claim("warning-texts")
@pytest.mark.parametrize(
    ("user", "message", "element"),
    [
        ("u1", _ID, _SENT),
        ("u1", str(_ID), _SENT),
        ("u9", _ID, _NO_USER),
        ("u1", 7, _NO_MESSAGE),
        ("u1", "seven", _NO_MESSAGE),
        ("u9", 7, _NO_USER),
        ("u1", 2, _SENT),
        ("u2", 2, {"success": True, "messagesSent": 0}),
        ("u1", 3, {"success": True, "messagesSent": 0}),
        ("u1", 4, {"success": True, "messagesSent": 0}),
        ("u1", 5, {"success": True, "messagesSent": 0}),
    ],
)
def test_a_send_is_answered_as_recorded_and_counted_if_sent(
    start: Callable[..., Caller], user: str, message: Any, element: dict[str, Any]
) -> None:
    caller = start(_SEEDS)
    assert caller.call("sendMessage", userId=user, messageId=message) == element
    is_sent = element.get("messagesSent") == 1
    assert caller.counts()["sends"] == ({str(message): {user: 1}} if is_sent else {})
    assert caller.counts()["effects"] == ({"sendMessage": 1} if is_sent else {})


def test_force_sends_outside_the_targeting(start: Callable[..., Caller]) -> None:
    assert start(_SEEDS).call("sendMessage", userId="u2", messageId=2, force=True) == _SENT


def test_sending_again_sends_again(start: Callable[..., Caller]) -> None:
    caller = start(_SEEDS)
    for _ in range(2):
        caller.call("sendMessage", userId="u1", messageId=_ID, values={"a": 1})
    assert caller.counts()["sends"] == {str(_ID): {"u1": 2}}


def test_sends_in_one_multi_each_have_their_element(start: Callable[..., Caller]) -> None:
    actions = [{"action": "sendMessage", "userId": name, "messageId": _ID} for name in ("u1", "u9", "u2")]
    assert start(_SEEDS).multi(*actions) == [_SENT, _NO_USER, _SENT]


def test_a_send_by_device_reaches_its_user(start: Callable[..., Caller]) -> None:
    caller = start((*_SEEDS, {"userId": "u3", "devices": [{"deviceId": "d3"}]}))
    assert caller.call("sendMessage", deviceId="d3", messageId=_ID) == _SENT
    assert caller.counts()["sends"] == {str(_ID): {"u3": 1}}


def test_values_may_be_json_text(start: Callable[..., Caller]) -> None:
    assert start(_SEEDS).call("sendMessage", userId="u1", messageId=_ID, values='{"foo":"bar"}') == _SENT


def test_create_if_needed_makes_the_user_to_send_to(start: Callable[..., Caller]) -> None:
    caller = start(_SEEDS)
    made = {"userId": "u9", "messageId": _ID, "createDisposition": "CreateIfNeeded"}
    assert caller.call("sendMessage", **made) == _SENT
    assert caller.user("u9")["userId"] == "u9"


@pytest.mark.parametrize(
    ("switches", "user", "message", "expected"),
    [
        (Switches(idle_message="warn"), "u1", 3, "warning"),
        (Switches(idle_message="refuse"), "u1", 3, "error"),
        (Switches(untargeted="warn"), "u2", 2, "warning"),
        (Switches(untargeted="send"), "u2", 2, "messagesSent"),
    ],
)
def test_switches_decide_the_answer_if_no_message_is_sent(
    start: Callable[..., Caller], switches: Switches, user: str, message: int, expected: str
) -> None:
    element = start(_SEEDS, switches=switches).call("sendMessage", userId=user, messageId=message)
    assert element.get(expected)


def test_messages_are_listed_without_drafts_and_without_what_only_the_emulator_knows(
    start: Callable[..., Caller],
) -> None:
    caller = start(_SEEDS)
    assert [one["id"] for one in caller.call("getMessages", "content_read_only")["messages"]] == [
        2,
        4,
        _ID,
        5,
    ]
    every = caller.call("getMessages", "content_read_only", recent=False, includeDrafts=True)["messages"]
    assert {one["id"] for one in every} == {_ID, 2, 3, 4, 5, 6}
    assert not any({"delivery", "targeting", "draft"} & one.keys() for one in every)


@pytest.mark.claim("scalars-coerced")
def test_a_message_is_found_by_its_id_as_a_number_or_text(start: Callable[..., Caller]) -> None:
    caller = start(_SEEDS)
    for message_id in (_ID, str(_ID)):
        assert caller.call("getMessage", "content_read_only", id=message_id) == {
            "success": True,
            "message": _MESSAGE,
        }


def test_every_message_has_the_fields_that_were_always_seen(start: Callable[..., Caller]) -> None:
    (message,) = start(({"message": {"id": 1}},)).call("getMessages", "content_read_only")["messages"]
    assert message.keys() == {"id", "name", "created", "active", "messageType"}


@pytest.mark.parametrize("message_id", [7, 6])
def test_a_missing_message_and_a_draft_are_404(start: Callable[..., Caller], message_id: int) -> None:
    answer = start(_SEEDS).post("getMessage", "content_read_only", id=message_id)
    assert answer.status_code == 404
    assert answer.json()["response"] == [{"success": False, "error": {"message": "Message not found."}}]


def test_reading_messages_is_not_billed(start: Callable[..., Caller]) -> None:
    caller = start(_SEEDS)
    caller.call("getMessages", "content_read_only")
    assert caller.counts()["billableLookups"]["total"] == 0


def test_a_campaign_sends_its_messages(start: Callable[..., Caller]) -> None:
    caller = start((*_SEEDS, {"campaign": {"id": 9, "messages": [_ID, 2]}}))
    assert caller.call("startCampaign", "development", userId="u1", campaignId=9) == {"success": True}
    assert caller.counts()["sends"] == {str(_ID): {"u1": 1}, "2": {"u1": 1}}
    assert caller.call("startCampaign", "development", userId="nobody", campaignId=9) == _NO_USER
