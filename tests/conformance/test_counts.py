"""The counts: tests take them for the truth, so each is checked against what was really sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .conftest import Caller

_SEEDS = ({"message": {"id": 7}}, {"userId": "u"}, {"userId": "v"})


def _track(user_id: str) -> dict[str, Any]:
    return {"action": "track", "userId": user_id, "event": "e"}


def _set(user_id: str) -> dict[str, Any]:
    return {"action": "setUserAttributes", "userId": user_id, "userAttributes": {"a": 1}}


@pytest.mark.claim("plan-cost", "ledger")
@pytest.mark.parametrize(
    ("requests_", "lookups"),
    [
        ([[_track("u")], [_set("u")]], 2),
        ([[_track("u"), _set("u")], [_track("v"), _set("v")]], 2),
        ([[_track("u"), _set("u"), _track("v"), _set("v")]], 2),
        ([[_track("u"), _track("v")], [_set("u"), _set("v")]], 4),
        ([[_track("u")] * 500], 1),
    ],
)
def test_each_unique_user_of_a_request_is_billed_once(
    start: Callable[..., Caller], requests_: list[list[dict[str, Any]]], lookups: int
) -> None:
    caller = start(_SEEDS)
    for actions in requests_:
        caller.multi(*actions)
    assert caller.counts()["billableLookups"] == {"total": lookups, "reads": 0, "writes": lookups}


@pytest.mark.claim("ledger")
def test_reads_and_writes_are_billed_apart_and_deletes_not_at_all(start: Callable[..., Caller]) -> None:
    caller = start(_SEEDS)
    caller.multi(
        *[{"action": "exportUser", "userId": name} for name in ("u", "u", "v", "nobody")], key="data_export"
    )
    caller.call("deleteUser", "development", userId="u")
    caller.call("sendMessage", userId="v", messageId=7)
    assert caller.counts()["billableLookups"] == {"total": 4, "reads": 3, "writes": 1}


def test_refused_calls_are_not_billed(start: Callable[..., Caller]) -> None:
    caller = start(faults="429:times=1")
    caller.multi(_track("u"))
    caller.multi(*[_track(f"u{n}") for n in range(51)])
    counts = caller.counts()
    assert counts["billableLookups"]["total"] == 0
    assert counts["rejectedRequests"] == {"403": 1, "429": 1}
    assert (counts["writes"], counts["effects"]) == (52, {})


def test_requests_and_the_actions_in_them_are_counted(start: Callable[..., Caller]) -> None:
    caller = start(_SEEDS)
    caller.multi(_track("u"), _track("u"), _set("v"), {"action": "nonsense"}, {"action": "track"})
    caller.user("u")
    counts = caller.counts()
    assert counts["requests"] == {"total": 2, "byAction": {"exportUser": 1, "multi": 1}}
    assert counts["actions"] == {"exportUser": 1, "nonsense": 1, "setUserAttributes": 1, "track": 3}
    assert counts["writes"] == 4
    assert counts["effects"] == {"setUserAttributes": 1, "track": 2}


def test_sends_and_increments_are_counted_per_user(start: Callable[..., Caller]) -> None:
    caller = start(_SEEDS)
    for user_id in ("u", "u", "v"):
        caller.call("sendMessage", userId=user_id, messageId=7)
        caller.call("setUserAttributes", userId=user_id, userAttributeValuesToIncrement={"n": 1})
    assert caller.counts()["sends"] == {"7": {"u": 2, "v": 1}}
    assert caller.counts()["increments"] == {"u": {"n": 2}, "v": {"n": 1}}
    totals = requests.get(f"{caller.url}/_emulator/counts", timeout=300).json()
    assert totals["sends"] == {"7": {"total": 3, "users": 2, "usersWithMoreThanOne": 1}}
    assert totals["increments"] == {"total": 3, "users": 2}


def test_a_reset_brings_back_the_seeds_and_zeroes_the_counts(start: Callable[..., Caller]) -> None:
    caller = start(_SEEDS)
    caller.multi(_set("u"), _set("x"))
    requests.post(f"{caller.url}/_emulator/reset", timeout=300)
    assert caller.counts()["requests"]["total"] == 0
    assert caller.user("u")["userAttributes"] == {}
    assert "warning" in caller.user("x")


def test_a_reset_of_the_counts_keeps_the_users(start: Callable[..., Caller]) -> None:
    caller = start(_SEEDS)
    caller.multi(_set("u"))
    requests.post(f"{caller.url}/_emulator/reset", params={"only": "counts"}, timeout=300)
    assert caller.counts()["effects"] == {}
    assert caller.user("u")["userAttributes"] == {"a": 1}
