"""What an answer proves: the table in docs/delivery.md, row by row."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from leanplum_sync.bounds import ANSWER_PARTS
from leanplum_sync.errors import UnexpectedResponseError
from leanplum_sync.wire.action import Action
from leanplum_sync.wire.envelope import (
    Answered,
    BatchAnswer,
    RefusalKind,
    Refused,
    Unreadable,
    moved_host,
    moved_sentence,
    read_batch_answer,
    read_elements,
    read_outcome,
    sentence,
)
from leanplum_sync.wire.outcome import ActionOutcome, Outcome

DONE = ActionOutcome(Outcome.DONE)
OK = {"success": True}
SKEW = "Device clock skew detected (2 days behind). Rewriting timestamp."


def failed(message: str) -> dict[str, Any]:
    return {"success": False, "error": {"message": message}}


def warned(message: str, **more: Any) -> dict[str, Any]:
    return {"success": True, "warning": {"message": message}, **more}


def answer(
    *elements: Any, to: int | None = None, status: int = 200, action: str = "setUserAttributes"
) -> BatchAnswer:
    count = len(elements) if to is None else to
    actions = [Action(action, {"userId": f"u{number}"}) for number in range(count)]
    body = orjson.dumps({"response": elements})
    return read_batch_answer(status, body, actions, [f"id{number}" for number in range(count)])


def outcomes(*elements: Any, **options: Any) -> list[ActionOutcome]:
    read = answer(*elements, **options)
    assert isinstance(read, Answered)
    return list(read.outcomes)


def test_success_without_a_warning_is_done() -> None:
    assert outcomes(OK, {"success": True, "isOffline": True}) == [DONE, DONE]


@pytest.mark.claim("body-before-status")
def test_elements_are_judged_one_by_one_even_with_an_http_error() -> None:
    mixed = outcomes(OK, failed("Invalid app/user combination"), status=404)
    assert mixed == [DONE, ActionOutcome(Outcome.REJECTED, "Invalid app/user combination")]


def test_success_with_an_error_is_rejected() -> None:
    assert outcomes({"success": True, "error": {"message": "no"}}, OK)[0] == ActionOutcome(
        Outcome.REJECTED, "no"
    )


@pytest.mark.parametrize("error", [{}, "", {"message": 3}])
def test_an_error_without_words_is_still_an_error(error: Any) -> None:
    assert outcomes({"success": True, "error": error}, OK)[0].outcome is Outcome.REJECTED


@pytest.mark.claim("outcome-of-each")
@pytest.mark.parametrize(
    "message",
    [
        SKEW,
        "Past event detected (400 days ago). Rewriting timestamp.",
        SKEW.upper(),
        "Anomaly detected: time skew.",
    ],
)
def test_an_advisory_warning_comes_with_an_action_that_was_done(message: str) -> None:
    assert outcomes(warned(message), OK)[0] == ActionOutcome(Outcome.DONE, message, advisory=True)


@pytest.mark.claim("unknown-warning")
@pytest.mark.parametrize("message", ["User not found; request skipped.", "Something new.", ""])
def test_any_other_warning_means_skipped(message: str) -> None:
    assert outcomes(warned(message), OK)[0].outcome is Outcome.SKIPPED


@pytest.mark.parametrize(
    "element",
    [
        {"success": True, "ignored": True},
        {"success": True, "warning": {"message": SKEW, "ignored": True}},
        warned(SKEW, ignored=True),
        warned("Outside a session", messagesSent=1, ignored=True),
    ],
)
def test_an_ignored_action_is_skipped_wherever_the_mark_stands(element: Any) -> None:
    assert outcomes(element, OK)[0].outcome is Outcome.SKIPPED


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ({"success": True, "messagesSent": 1}, Outcome.DONE),
        ({"success": True, "messagesSent": 0}, Outcome.SKIPPED),
        ({"success": True}, Outcome.DONE),
        (warned(SKEW, messagesSent=1), Outcome.DONE),
        (warned(SKEW, messagesSent=0), Outcome.SKIPPED),
        (warned("Message entity not found"), Outcome.SKIPPED),
        # A message that was counted has gone, whatever the warning: skipped would send it again.
        (warned("Something new.", messagesSent=1), Outcome.DONE),
        # No number at all: nothing says that none was sent.
        ({"success": True, "messagesSent": True}, Outcome.DONE),
    ],
)
def test_a_send_is_done_when_a_message_was_queued(element: Any, expected: Outcome) -> None:
    assert outcomes(element, action="sendMessage")[0].outcome is expected


def test_only_sends_are_judged_by_the_messages_sent() -> None:
    assert outcomes({"success": True, "messagesSent": 0})[0].outcome is Outcome.DONE


@pytest.mark.claim("outcome-of-each")
@pytest.mark.parametrize("elements", [[], [OK], [OK, OK, OK]])
def test_another_number_of_elements_than_actions_proves_nothing(elements: list[Any]) -> None:
    assert isinstance(answer(*elements, to=2), Unreadable)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (403, "Too many users", RefusalKind.BUG),
        (400, "Anything", RefusalKind.BUG),
        (200, "Anything", RefusalKind.BUG),
        (429, "Anything", RefusalKind.RATE_LIMITED),
        (408, "Anything", RefusalKind.RATE_LIMITED),
        (200, "Request failed due to concurrent requests to the same profile ID", RefusalKind.RATE_LIMITED),
        (403, "Invalid access key", RefusalKind.KEY),
        (404, "App not found: app_x", RefusalKind.KEY),
        (200, "Development mode requested but not permitted.", RefusalKind.KEY),
        (401, "Anything", RefusalKind.KEY),
    ],
)
def test_one_failing_element_for_many_actions_refuses_the_whole_call(
    status: int, message: str, kind: RefusalKind
) -> None:
    refused = answer(failed(message), to=3, status=status)
    assert isinstance(refused, Refused)
    assert (refused.kind, refused.status) == (kind, status)
    assert refused.message.startswith(message)


@pytest.mark.parametrize("actions", [1, 2])
def test_one_failing_element_of_a_failing_server_proves_nothing(actions: int) -> None:
    assert isinstance(answer(failed("Internal error"), to=actions, status=500), Unreadable)


@pytest.mark.parametrize("status", [200, 400, 404, 451])
def test_a_lone_action_refused_for_its_own_reason_is_rejected(status: int) -> None:
    assert outcomes(failed("event 'e' firstTime is invalid."), status=status)[0].outcome is Outcome.REJECTED


@pytest.mark.parametrize(
    ("message", "status", "kind"),
    [
        ("Invalid access key", 200, RefusalKind.KEY),
        ("invalid access key.", 403, RefusalKind.KEY),
        ("App not found", 404, RefusalKind.KEY),
        ("Development mode requested but not permitted", 200, RefusalKind.KEY),
        ("Too Many Requests.", 429, RefusalKind.RATE_LIMITED),
        ("No.", 403, RefusalKind.KEY),
    ],
)
def test_a_lone_action_can_meet_a_refusal_of_the_call(message: str, status: int, kind: RefusalKind) -> None:
    refused = answer(failed(message), status=status)
    assert isinstance(refused, Refused)
    assert refused.kind is kind


def test_elements_are_matched_by_the_request_ids_they_echo() -> None:
    swapped = outcomes({**failed("second"), "reqId": "id1"}, {**OK, "reqId": "id0"})
    assert swapped == [DONE, ActionOutcome(Outcome.REJECTED, "second")]


@pytest.mark.parametrize("echoed", [("id0", "id0"), ("id0", "other"), ("id0", None), ("id0", 1)])
def test_request_ids_that_do_not_match_prove_nothing(echoed: tuple[Any, Any]) -> None:
    assert isinstance(answer(*({**OK, "reqId": request_id} for request_id in echoed)), Unreadable)


@pytest.mark.claim("body-before-status")
@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (429, b"<html>", RefusalKind.RATE_LIMITED),
        (403, b"<html>", RefusalKind.BUG),
        (500, b"<html>", None),
        (502, b"", None),
        (200, b"", None),
        (200, b'{"response":[{"success":true},{"succ', None),
        (302, b"", None),
        (404, b"not here", None),
    ],
)
def test_an_unreadable_body_leaves_the_judgement_to_the_status(
    status: int, body: bytes, expected: RefusalKind | None
) -> None:
    judged = read_batch_answer(status, body, [Action("track", {"userId": "u"})] * 2, ["a", "b"])
    match judged:
        case Refused():
            assert judged.kind is expected
        case _:
            assert isinstance(judged, Unreadable)
            assert expected is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"response":{}}',
        b'{"response":[1]}',
        b'{"response":[{}]}',
        b'{"response":[{"success":"true"}]}',
        b"\xff",
        b"[" * 5000,
    ],
)
def test_a_body_of_another_shape_is_an_unexpected_response(body: bytes) -> None:
    with pytest.raises(UnexpectedResponseError, match="HTTP 200"):
        read_elements(200, body)


def test_unknown_keys_beside_the_response_are_left_alone() -> None:
    assert read_elements(200, b'{"migrateState":{"sha256":"x"},"response":[{"success":true,"new":1}]}') == (
        {"success": True, "new": 1},
    )


SEND = Action("sendMessage", {"userId": "u", "messageId": 1})
COUNT = Action("setUserAttributes", {"userId": "u", "userAttributeValuesToIncrement": {"visits": 1}})


@pytest.mark.parametrize("said", [{"error": {"message": "Late."}}, {"warning": {"message": "New."}}])
@pytest.mark.parametrize("success", [True, False])
def test_a_counted_message_has_gone_whatever_else_is_said(said: dict[str, Any], *, success: bool) -> None:
    element = {"success": success, "messagesSent": 1, **said}
    found = read_outcome(element, SEND)
    assert (found.outcome, found.advisory) == (Outcome.DONE, True)


@pytest.mark.parametrize("action", [SEND, COUNT])
def test_success_with_an_error_leaves_a_doubt_where_twice_does_harm(action: Action) -> None:
    element = {"success": True, "error": {"message": "Late."}}
    assert read_outcome(element, action).outcome is Outcome.IN_DOUBT


@pytest.mark.parametrize("count", [1, 3])
def test_a_server_that_sends_its_callers_away_proves_nothing(count: int) -> None:
    found = answer(*[failed("App endpoint configuration mismatch.")] * count, to=3)
    assert isinstance(found, Unreadable)


def test_a_key_that_every_element_blames_refuses_the_whole_call() -> None:
    found = answer(*[failed("Invalid access key")] * 3, to=3)
    assert isinstance(found, Refused)
    assert found.kind is RefusalKind.KEY
    assert not isinstance(answer(failed("Invalid access key"), {"success": True}, to=2), Refused)


# What is said: people see these sentences, and act on them.

MOVED = failed("App endpoint configuration mismatch.")


@pytest.mark.parametrize(
    ("elements", "to", "status", "reason"),
    [
        ([OK], 2, 200, "The API returned HTTP 200 with 1 elements for 2 actions."),
        ([failed("Broken.")], 2, 503, "The API returned HTTP 503: Broken."),
        (
            [{**OK, "reqId": "x"}],
            1,
            200,
            "The API returned request ids that were not sent.",
        ),
        ([MOVED], 2, 200, moved_sentence("another host")),
        (
            [OK, {**MOVED, "apiHost": "eu.example.com"}],
            2,
            200,
            moved_sentence("eu.example.com"),
        ),
        (
            [{**MOVED, "apiHost": ""}],
            2,
            200,
            moved_sentence("another host"),
        ),
        (
            [{**MOVED, "apiHost": 7}],
            2,
            200,
            moved_sentence("another host"),
        ),
    ],
)
def test_an_answer_that_proves_nothing_says_why(elements: Any, to: int, status: int, reason: str) -> None:
    assert answer(*elements, to=to, status=status) == Unreadable(reason)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (429, Refused(429, "Too many requests.", RefusalKind.RATE_LIMITED)),
        (403, Refused(403, "The API returned HTTP 403 with a body that isn't JSON.", RefusalKind.BUG)),
        (502, Unreadable("The API returned HTTP 502 with a body that isn't JSON.")),
    ],
)
def test_an_unreadable_body_is_named_with_its_status(status: int, expected: BatchAnswer) -> None:
    assert read_batch_answer(status, b"<html>", [SEND, SEND], ["a", "b"]) == expected


def test_the_first_element_says_why_the_key_was_refused() -> None:
    blamed = [failed("Invalid access key: one"), failed("App not found: two")]
    assert answer(*blamed, status=403) == Refused(403, "Invalid access key: one", RefusalKind.KEY)


@pytest.mark.parametrize(
    ("element", "host"),
    [
        ({**failed("Please go elsewhere."), "apiHost": "eu.example.com"}, "eu.example.com"),
        ({"success": False, "apiHost": "eu.example.com:8443", "apiServlet": "api"}, "eu.example.com:8443"),
        ({**MOVED, "apiHost": "a b\n<script>"}, "another host"),
        (MOVED, "another host"),
        ({**OK, "apiHost": "eu.example.com"}, None),
        (failed("Message not found."), None),
    ],
)
def test_an_element_that_names_another_host_is_no_refusal_whatever_its_words(
    element: Any, host: str | None
) -> None:
    assert moved_host(element) == host
    for to in (1, 2):
        found = answer(element, to=to)
        assert (found == Unreadable(moved_sentence(host or ""))) is (host is not None)


def _of_parts(lists: int, objects: int) -> bytes:
    """Return an answer of one element, with so many lists and objects in all."""
    parts = [b"[]"] * (lists - 2) + [b"{}"] * (objects - 2)
    return b'{"response":[{"success":true,"states":[' + b",".join(parts) + b"]}]}"


@pytest.mark.parametrize("lists", [2, ANSWER_PARTS.most // 2, ANSWER_PARTS.most - 2])
def test_an_answer_of_more_lists_and_objects_than_the_bound_is_not_parsed(lists: int) -> None:
    assert len(read_elements(200, _of_parts(lists, ANSWER_PARTS.most - lists))) == 1
    body = _of_parts(lists, ANSWER_PARTS.most - lists + 1)
    assert read_batch_answer(200, body, [SEND, SEND], ["a", "b"]) == Unreadable(
        "The API returned HTTP 200 with more than 500,000 lists and objects."
    )


def test_the_elements_come_with_their_outcomes_in_the_order_of_the_actions() -> None:
    first, second = {**OK, "reqId": "id0", "isOffline": True}, {**OK, "reqId": "id1"}
    read = answer(second, first)
    assert isinstance(read, Answered)
    assert read.elements == (first, second)


@pytest.mark.parametrize(
    ("element", "said"),
    [
        ({"error": {"message": "A."}, "warning": {"message": "B."}}, "A."),
        ({"error": {}, "warning": {"message": "B."}}, "B."),
        ({"warning": "B."}, "B."),
        ({"error": 3}, "The API gave no reason."),
    ],
)
def test_the_reason_is_the_error_or_the_warning_or_that_there_is_none(
    element: dict[str, Any], said: str
) -> None:
    assert sentence(element) == said


@pytest.mark.parametrize(
    ("element", "action", "message"),
    [
        ({"success": True, "messagesSent": 1}, SEND, ""),
        ({**failed("Late."), "messagesSent": 1}, SEND, "Late."),
        ({"success": True, "error": {"message": "Late."}}, SEND, "Late."),
        (warned("Something new."), COUNT, "Something new."),
        ({"success": True, "ignored": True}, COUNT, "The API ignored the action."),
        (
            {"success": True, "messagesSent": 0},
            SEND,
            (
                "No message was sent: the user is outside the message's audience, or the message isn't active with "
                "manual delivery."
            ),
        ),
    ],
)
def test_an_outcome_carries_what_the_api_said_of_it(
    element: dict[str, Any], action: Action, message: str
) -> None:
    assert read_outcome(element, action).message == message


INCREMENT = Action("setUserAttributes", {"userId": "u", "userAttributeValuesToIncrement": {"visits": 1}})


@pytest.mark.parametrize("action", [SEND, INCREMENT], ids=["sends", "increments"])
@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (200, "Anything", None),
        (400, "Anything", None),
        (403, "Too many users", RefusalKind.BUG),
        (403, "Invalid access key", RefusalKind.KEY),
        (429, "Slow down", RefusalKind.RATE_LIMITED),
        (200, "Too many requests", RefusalKind.RATE_LIMITED),
    ],
)
def test_one_failing_element_for_what_must_not_happen_twice_needs_words_recorded_for_whole_calls(
    action: Action, status: int, message: str, expected: RefusalKind | None
) -> None:
    """A server that did the work and answered with one element would else be asked to do it again."""
    body = orjson.dumps({"response": [{"success": False, "error": {"message": message}}]})
    found = read_batch_answer(status, body, [action, action], ["1", "2"])
    if expected is None:
        assert isinstance(found, Unreadable)
        assert "one element for 2 actions" in found.reason
    else:
        assert isinstance(found, Refused)
        assert found.kind is expected
