"""What the API says is told, but for sensitive values that it quotes."""

from __future__ import annotations

import pytest

from leanplum_sync.wire.action import Action
from leanplum_sync.wire.envelope import Answered, RefusalKind, Refused, Unreadable
from leanplum_sync.wire.outcome import ActionOutcome, Outcome
from leanplum_sync.wire.quiet import WITHHELD, quiet

SENSITIVE = frozenset({"email", "vip", "size", "interests"})


def told(message: str, arguments: dict[str, object], name: str = "setUserAttributes") -> str:
    outcomes = (ActionOutcome(Outcome.REJECTED, message),)
    answer = quiet(Answered(outcomes), [Action(name, {"userId": "u1", **arguments})], SENSITIVE)
    assert isinstance(answer, Answered)
    return answer.outcomes[0].message


@pytest.mark.parametrize(
    ("message", "attributes"),
    [
        ("ada@example.com is no email", {"email": "ada@example.com"}),
        (r'"ADA\u0040EXAMPLE.COM"'.replace(r"\u0040", "@"), {"email": "ada@example.com"}),
        ("ada%40example.com, ada example com", {"email": "ada@example.com"}),
        ("can't take climbing for u1", {"interests": ["golf", "climbing"]}),
        ("12.5 is not whole", {"size": 12.5}),
        ("4711 is too much", {"size": 4711.0}),
        ("'7' is no size", {"size": 7}),
        ("true is no text", {"vip": True}),
        ("ada@example.com is no text", {"contact": "ada@example.com", "email": None}),
    ],
)
def test_a_sentence_that_quotes_a_sensitive_value_is_withheld(
    message: str, attributes: dict[str, object]
) -> None:
    assert told(message, {"userAttributes": attributes}) == WITHHELD


@pytest.mark.parametrize(
    ("message", "attributes"),
    [
        ("User not found; request skipped.", {"email": "ada@example.com"}),
        ("gold is no tier", {"tier": "gold"}),
        ("17 users are too many", {"size": 7}),
        ("The API gave no reason.", {"email": ""}),
        ("none is none", {"email": None}),
    ],
)
def test_other_sentences_are_told(message: str, attributes: dict[str, object]) -> None:
    assert told(message, {"userAttributes": attributes}) == message


def test_push_tokens_and_values_of_a_message_are_covered() -> None:
    assert (
        told("bad token AB12CD34", {"iosPushToken": "ab12cd34", "deviceId": "d1"}, "setDeviceAttributes")
        == WITHHELD
    )
    assert (
        told("no device d1", {"iosPushToken": "ab12cd34", "deviceId": "d1"}, "setDeviceAttributes")
        == "no device d1"
    )
    assert told("no ada@example.com", {"values": {"email": "ada@example.com"}}, "sendMessage") == WITHHELD


def test_what_is_said_of_the_whole_call_is_covered() -> None:
    actions = [Action("setUserAttributes", {"userId": "u1", "userAttributes": {"email": "ada@example.com"}})]
    for answer in (
        Refused(400, "no ada@example.com", RefusalKind.BUG),
        Unreadable("HTTP 500: ada@example.com"),
    ):
        assert "example" not in repr(quiet(answer, actions, SENSITIVE))
        assert "example" in repr(quiet(answer, actions, frozenset()))
