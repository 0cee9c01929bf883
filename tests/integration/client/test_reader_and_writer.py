"""Reads are repeated, writes never are, and keys stay out of sight."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from leanplum_sync.address import Subject
from leanplum_sync.client.calls import Calls
from leanplum_sync.client.credentials import Connection, KeyClass, Keys
from leanplum_sync.client.reader import Reader
from leanplum_sync.client.writer import Writer
from leanplum_sync.errors import (
    ApiError,
    CredentialError,
    LeanplumSyncError,
    NoAnswerError,
    NotSentError,
    RateLimitedError,
    RejectedError,
    UnexpectedResponseError,
)
from leanplum_sync.wire.action import Action
from leanplum_sync.wire.envelope import Answered, RefusalKind, Refused, Unreadable

USER = Subject.user("u1")
FOUND = (200, b'{"response":[{"success":true,"userId":"u1","userAttributes":{}}]}')
BUSY = (429, b'{"response":[{"success":false,"error":{"message":"Too Many Requests."}}]}')
ACTIONS = [Action("setUserAttributes", {"userId": "u1"}), Action("track", {"userId": "u1", "event": "e"})]


def failing(status: int, message: str) -> tuple[int, bytes]:
    return status, orjson.dumps({"response": [{"success": False, "error": {"message": message}}]})


@pytest.mark.claim("retries")
@pytest.mark.parametrize(
    "first", [BUSY, (503, b"<html>"), (429, b""), "hangs up", "cuts off", failing(500, "Oops")]
)
def test_a_read_is_repeated_until_it_is_answered(misbehaving: Any, app: Any, watch: Any, first: Any) -> None:
    misbehaving.does(first, first, FOUND)
    assert Reader(Calls(*app)).export_user(USER)["userId"] == "u1"
    assert len(misbehaving.requests) == 3
    assert [1 <= watch.slept[0] <= 3, 2 <= watch.slept[1] <= 6] == [True, True]


@pytest.mark.claim("retries")
@pytest.mark.parametrize(
    ("what", "error"),
    [(BUSY, RateLimitedError), ((503, b""), NoAnswerError), ("hangs up", NoAnswerError)],
)
def test_a_read_gives_up_after_four_attempts(
    misbehaving: Any, app: Any, what: Any, error: type[Exception]
) -> None:
    misbehaving.does(what)
    with pytest.raises(error):
        Reader(Calls(*app)).export_user(USER)
    assert len(misbehaving.requests) == 4


def test_each_rate_limit_is_reported(misbehaving: Any, app: Any) -> None:
    misbehaving.does(BUSY, (503, b""), BUSY, FOUND)
    seen: list[str] = []
    Reader(Calls(*app)).export_user(USER, on_rate_limit=lambda: seen.append("429"))
    assert len(seen) == 2


@pytest.mark.parametrize(
    "answer", [failing(403, "Invalid access key"), failing(200, "invalid access key"), failing(401, "?")]
)
def test_a_refused_key_is_named_by_its_variable_and_asked_for_once(
    misbehaving: Any, app: Any, answer: Any
) -> None:
    misbehaving.does(answer)
    with pytest.raises(CredentialError, match=r"LEANPLUM_DATA_EXPORT_KEY.*data export") as caught:
        Reader(Calls(*app)).export_user(USER)
    assert "hunter2" not in str(caught.value)
    assert len(misbehaving.requests) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (failing(451, "Unavailable For Legal Reasons"), RejectedError),
        (failing(200, "No."), RejectedError),
        ((200, b'{"response":[{"success":true,"error":{"message":"No."}}]}'), RejectedError),
        ((200, b"<html>"), UnexpectedResponseError),
        ((200, b'{"response":[]}'), UnexpectedResponseError),
        ((302, b"", "Location: http://elsewhere.invalid/"), UnexpectedResponseError),
    ],
)
def test_a_definite_answer_is_not_asked_for_again(
    misbehaving: Any, app: Any, answer: Any, error: type[LeanplumSyncError]
) -> None:
    misbehaving.does(answer)
    with pytest.raises(error):
        Reader(Calls(*app)).export_user(USER)
    assert len(misbehaving.requests) == 1


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 408, 429, 451, 500, 503])
def test_no_error_of_a_read_shows_what_the_api_says_about_the_user(
    misbehaving: Any, app: Any, status: int
) -> None:
    misbehaving.does(failing(status, "Can't show ada@example.com."))
    reader = Reader(Calls(*app))
    with pytest.raises((ApiError, CredentialError), match="message is not shown") as caught:
        reader.export_user(USER)
    assert "ada@example.com" not in f"{caught.value} {vars(caught.value)}"


def test_no_error_of_a_read_of_several_users_shows_what_the_api_says(misbehaving: Any, app: Any) -> None:
    misbehaving.does(failing(429, "Too many requests for ada@example.com."))
    with pytest.raises(RateLimitedError, match=r"\(Too many requests\)") as caught:
        Reader(Calls(*app)).export_users([USER, Subject.user("u2")])
    assert "ada@example.com" not in f"{caught.value} {vars(caught.value)}"


def test_a_missing_message_is_none(misbehaving: Any, app: Any) -> None:
    misbehaving.does(failing(404, "Message not found."))
    assert Reader(Calls(*app)).message(5) is None


def test_a_message_refused_for_another_reason_is_an_error(misbehaving: Any, app: Any) -> None:
    misbehaving.does(failing(400, "Bad id."))
    with pytest.raises(RejectedError, match="Bad id"):
        Reader(Calls(*app)).message(5)


def test_messages_are_listed_with_drafts_and_finished_ones(misbehaving: Any, app: Any) -> None:
    listed = [
        {"id": 4500000000000001, "name": "Order", "created": 1.6e9, "active": True, "messageType": "Email"},
        {"id": 2, "name": "Draft", "active": False, "messageType": "Email", "state": "inactive"},
    ]
    misbehaving.does((200, orjson.dumps({"response": [{"success": True, "messages": listed}]})))
    first, second = Reader(Calls(*app)).messages()
    assert (first.id, first.name, first.active, first.type, first.state) == (
        4500000000000001,
        "Order",
        True,
        "Email",
        "",
    )
    assert (second.active, second.state) == (False, "inactive")
    sent = orjson.loads(misbehaving.requests[0].partition(b"\r\n\r\n")[2])
    assert (sent["includeDrafts"], sent["recent"]) == (True, False)


@pytest.mark.parametrize("messages", [None, {}, [{}], [1], [{"id": "x"}]])
def test_a_list_of_something_else_is_an_unexpected_response(
    misbehaving: Any, app: Any, messages: Any
) -> None:
    misbehaving.does((200, orjson.dumps({"response": [{"success": True, "messages": messages}]})))
    with pytest.raises(UnexpectedResponseError):
        Reader(Calls(*app)).messages()


def test_a_reader_has_no_way_to_write() -> None:
    assert {name for name in dir(Reader) if not name.startswith("_")} == {
        "ab_tests",
        "categories",
        "export_user",
        "export_users",
        "message",
        "messages",
        "migration",
    }


def test_a_read_without_its_key_sends_nothing(misbehaving: Any, app: Any) -> None:
    connection, _, transport, watch = app
    with pytest.raises(CredentialError, match="LEANPLUM_DATA_EXPORT_KEY is not set"):
        Reader(Calls(connection, Keys({}), transport, watch)).export_user(USER)
    assert misbehaving.requests == []


def sent(app: Any) -> Any:
    return Writer(Calls(*app)).send(ACTIONS, request_ids=["a", "b"], batch_id="batch")


@pytest.mark.claim("post-json", "batch-ids")
def test_a_batch_carries_its_key_in_the_body_and_ids_for_each_action(misbehaving: Any, app: Any) -> None:
    misbehaving.does((200, b'{"response":[{"success":true},{"success":true}]}'))
    assert isinstance(sent(app), Answered)
    head, _, body = misbehaving.requests[0].partition(b"\r\n\r\n")
    assert b"POST /api?action=multi HTTP/1.1" in head
    assert b"hunter2" not in head
    assert orjson.loads(body) == {
        "appId": "app_x",
        "clientKey": "prod_hunter2",
        "apiVersion": "1.0.6",
        "time": 1_700_000_000.0,
        "uuid": "batch",
        "data": [
            {"action": "setUserAttributes", "userId": "u1", "reqId": "a"},
            {"action": "track", "userId": "u1", "event": "e", "reqId": "b"},
        ],
    }


@pytest.mark.parametrize("what", ["hangs up", "resets", "cuts off"])
def test_a_batch_without_an_answer_is_never_sent_again(
    misbehaving: Any, app: Any, watch: Any, what: str
) -> None:
    misbehaving.does(what)
    with pytest.raises(NoAnswerError):
        sent(app)
    assert (len(misbehaving.requests), watch.slept) == (1, [])


def test_answers_to_a_batch_come_back_as_what_they_prove(misbehaving: Any, app: Any) -> None:
    misbehaving.does(BUSY, (500, b"<html>"), (200, b'{"response":[{"success":true}]}'))
    assert sent(app) == Refused(429, "Too Many Requests.", RefusalKind.RATE_LIMITED)
    assert isinstance(sent(app), Unreadable)
    assert isinstance(sent(app), Unreadable)


def test_a_body_can_be_built_before_it_is_sent(misbehaving: Any, app: Any) -> None:
    misbehaving.does((200, b'{"response":[{"success":true},{"success":true}]}'))
    writer = Writer(Calls(*app))
    body = writer.encode(ACTIONS, request_ids=["a", "b"], batch_id="batch")
    writer.send(ACTIONS, request_ids=["a", "b"], batch_id="batch", body=body)
    assert misbehaving.requests[0].endswith(body)


def test_a_writer_without_its_key_is_not_made(app: Any) -> None:
    connection, _, transport, watch = app
    with pytest.raises(CredentialError, match="LEANPLUM_PRODUCTION_KEY is not set"):
        Writer(Calls(connection, Keys({}), transport, watch))


def test_an_unreachable_host_is_not_sent(app: Any) -> None:
    _, keys, transport, watch = app
    with pytest.raises(NotSentError):
        Writer(Calls(Connection("http://no-such-host.invalid", "app_x"), keys, transport, watch)).send(
            ACTIONS, request_ids=["a", "b"], batch_id="batch"
        )


@pytest.mark.claim("key-by-action")
def test_key_classes_go_with_their_actions(misbehaving: Any, app: Any) -> None:
    connection, _, transport, watch = app
    keys = Keys.of({key_class: f"key of {key_class}" for key_class in KeyClass})
    misbehaving.does(FOUND, (200, b'{"response":[{"success":true,"messages":[]}]}'))
    reader = Reader(Calls(connection, keys, transport, watch))
    reader.export_user(USER)
    reader.messages()
    used = [orjson.loads(request.partition(b"\r\n\r\n")[2])["clientKey"] for request in misbehaving.requests]
    assert used == ["key of data_export", "key of content_read_only"]
