"""Which messages the events of a plan may send is told by what getMessages shows, and doubts count."""

from __future__ import annotations

from typing import Any

import pytest

from leanplum_sync.address import Subject
from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.planner.triggers import Trigger, TriggerCounter, started_since
from leanplum_sync.problem import Place
from leanplum_sync.wire.message import Message, read_message

HERE = Place("specs/a.yaml", 7, 5)


def message(number: int = 1, **fields: Any) -> Message:
    return read_message(
        {"id": number, "name": f"m{number}", "active": True, "messageType": "Email", **fields}
    )


def event(user: str, name: str, kind: ChangeKind = ChangeKind.EVENT) -> Change:
    return Change(Subject.user(user), "Events/it", kind, name, None, {}, HERE, HERE)


def counted(*messages: Message, users: dict[str, list[Change]]) -> tuple[int, tuple[Trigger, ...]]:
    counter = TriggerCounter(messages)
    return sum(counter.include(changes) for changes in users.values()), counter.triggers()


@pytest.mark.parametrize(
    ("shown", "is_triggered"),
    [
        ("Purchase", True),
        ("purchase, Rate", True),
        (["Start", {"event": "Purchase"}], True),
        ({"Purchase": 1}, True),
        ("Repurchase", True),
        ("Start", False),
        ("", False),
    ],
)
def test_a_trigger_is_any_text_with_the_name_of_the_event(shown: Any, is_triggered: bool) -> None:
    total, found = counted(message(serverTriggers=shown), users={"u1": [event("u1", "Purchase")]})
    assert total == len(found) == is_triggered


@pytest.mark.parametrize("shown", [{}, {"serverTriggers": None}, {"serverTriggers": True}])
def test_a_message_whose_triggers_are_not_shown_may_be_triggered_by_anything(shown: Any) -> None:
    total, (found,) = counted(message(**shown), users={"u1": [event("u1", "Purchase")]})
    assert total == 1
    assert not found.is_known


def test_messages_in_the_app_and_idle_ones_are_not_triggered() -> None:
    idle, in_app = message(active=False, serverTriggers="Purchase"), message(2, messageType="In-app Message")
    assert counted(idle, in_app, users={"u1": [event("u1", "Purchase")]}) == (0, ())


def test_each_user_counts_once_a_message_and_totals_trigger_nothing() -> None:
    users = {
        "u1": [event("u1", "Purchase"), event("u1", "Purchase"), event("u1", "Rate")],
        "u2": [event("u2", "Rate")],
        "u3": [event("u3", "Purchase", ChangeKind.EVENT_TOTAL)],
    }
    total, found = counted(
        message(1, serverTriggers="Purchase, Rate"), message(2, serverTriggers="Purchase"), users=users
    )
    assert total == 2
    assert [(each.message, each.events, each.users, each.samples) for each in found] == [
        (1, ("Purchase", "Rate"), 2, ("u1", "u2")),
        (2, ("Purchase",), 1, ("u1",)),
    ]


def test_a_message_that_was_started_later_is_told_and_one_that_was_counted_is_not() -> None:
    planned = (Trigger(1, "m1", ("Purchase",), 5), Trigger(2, "m2", (), 5))
    one, two = message(1, serverTriggers="Purchase"), message(2)
    assert started_since(planned, ["Purchase"], [one, two]) == ()
    assert started_since(planned, ["Purchase", "Rate"], [message(1, serverTriggers="Rate"), two]) != ()
    three = message(3, serverTriggers="Purchase")
    assert started_since(planned, ["Purchase"], [one, two, three]) == (three,)
    assert started_since(planned, ["Rate"], [three]) == ()
