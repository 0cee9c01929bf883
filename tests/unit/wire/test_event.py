"""Which names in the journal belong to past events."""

from __future__ import annotations

import pytest

from leanplum_sync.wire.event import event_delivery, import_of, under


def test_an_event_is_known_by_its_import() -> None:
    event = event_delivery("orders", "1001/a#b")
    assert import_of(event) == "orders"
    assert under("purchases", event) == event_delivery("purchases", "1001/a#b")


@pytest.mark.parametrize("delivery", ["orders", "spring/points#1", "consent/5a#b", "spring/#", "#"])
def test_no_other_delivery_is_an_event(delivery: str) -> None:
    assert import_of(delivery) == ""
