"""Past events: their names in the journal, and the API's words about their times."""

from __future__ import annotations

import pytest

from leanplum_sync.wire.action import Action
from leanplum_sync.wire.envelope import read_outcome
from leanplum_sync.wire.event import event_delivery, has_wrong_time, import_of, under


def test_an_event_is_known_by_its_import() -> None:
    event = event_delivery("orders", "1001/a#b")
    assert import_of(event) == "orders"
    assert under("purchases", event) == event_delivery("purchases", "1001/a#b")


@pytest.mark.parametrize("delivery", ["orders", "spring/points#1", "consent/5a#b", "spring/#", "#"])
def test_no_other_delivery_is_an_event(delivery: str) -> None:
    assert import_of(delivery) == ""


@pytest.mark.parametrize(
    "warning",
    [
        "Device clock skew detected (2 days behind). Rewriting timestamp.",
        "Past event detected (400 days ago). Rewriting timestamp.",
        "Anomaly detected: time skew. User will be excluded from analytics.",
    ],
)
@pytest.mark.parametrize(("name", "is_event"), [("track", True), ("setUserAttributes", False)])
def test_a_warning_about_the_time_means_that_an_event_was_recorded_wrongly(
    warning: str, name: str, is_event: bool
) -> None:
    action = Action(name, {"userId": "u1"})
    outcome = read_outcome({"success": True, "warning": {"message": warning}}, action)
    assert has_wrong_time(action, outcome) is is_event
    assert not has_wrong_time(action, read_outcome({"success": True}, action))
    ignored = read_outcome({"success": True, "warning": {"message": warning, "ignored": True}}, action)
    assert not has_wrong_time(action, ignored)
