"""Calls on one user at the same time: queued or refused, and always counted."""

from __future__ import annotations

import threading
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import requests
from shell import Served
from waiting import wait_for

from leanplum_sync import emulator
from leanplum_sync.emulator import Switches

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Caller

_HOLD_ONE = "latency:seconds=86400,times=1"


def _post(caller: Caller, **body: Any) -> int:
    return _answer(_begin(caller, body))[0]


def _begin(caller: Caller, body: dict[str, Any]) -> HTTPConnection:
    """Send a call without waiting for its answer."""
    login = {"appId": emulator.APP_ID, "clientKey": emulator.KEYS["production"]}
    connection = HTTPConnection(caller.url.removeprefix("http://"))
    connection.request("POST", "/api", orjson.dumps(login | body), {"Content-Type": "application/json"})
    return connection


def _answer(connection: HTTPConnection) -> tuple[int, Any]:
    with closing(connection), connection.getresponse() as answer:
        return answer.status, orjson.loads(answer.read())


def _has_arrived(caller: Caller) -> None:
    """Return when the emulator has seen everything that was sent before: it takes in what arrives in order."""
    for _ in range(3):
        requests.get(f"{caller.url}/_emulator/health", timeout=300).raise_for_status()


def _track(user_id: str) -> dict[str, Any]:
    return {"action": "track", "userId": user_id, "event": "e"}


def _multi(user_id: str) -> dict[str, Any]:
    return {"action": "multi", "data": [_track(user_id)]}


def _both(caller: Caller, first: dict[str, Any], second: dict[str, Any]) -> tuple[Any, Any]:
    """Return statuses and answers of two calls, the second made while the first is in flight."""
    held = _begin(caller, first)
    served = Served(caller.url)
    wait_for(served.holds)
    other = _begin(caller, second)
    _has_arrived(caller)
    served.release()
    return _answer(held), _answer(other)


def _second_while_first(caller: Caller, first: dict[str, Any], second: dict[str, Any]) -> tuple[int, int]:
    """Return the statuses of two calls, the second made while the first is in flight."""
    one, other = _both(caller, first, second)
    return one[0], other[0]


@pytest.mark.claim("user-locks")
@pytest.mark.parametrize(
    ("rule", "first", "second"),
    [
        ("queue_behind_multi", _track("u"), 429),
        ("queue_behind_multi", _multi("u"), 200),
        ("queue", _track("u"), 200),
        ("refuse", _multi("u"), 429),
        ("allow", _track("u"), 200),
    ],
)
def test_a_switch_decides_whether_a_second_call_for_a_user_is_queued_or_refused(
    start: Callable[..., Caller], rule: Any, first: dict[str, Any], second: int
) -> None:
    caller = start(switches=Switches(concurrent_calls=rule), faults=_HOLD_ONE)
    assert _second_while_first(caller, first, _track("u")) == (200, second)
    counts = caller.counts()
    assert counts["overlaps"] == {"times": 1, "users": {"u": 1}}
    assert counts["effects"]["track"] == (1 if second == 429 else 2)


@pytest.mark.claim("warning-texts")
def test_the_refusal_has_the_documented_text(start: Callable[..., Caller]) -> None:
    caller = start(switches=Switches(concurrent_calls="refuse"), faults=_HOLD_ONE)
    _, (status, answer) = _both(caller, _track("u"), _track("u"))
    text = "Request failed due to concurrent requests to the same profile ID"
    assert (status, answer["response"][0]["error"]["message"]) == (429, text)


def test_calls_on_different_users_do_not_wait_for_each_other(start: Callable[..., Caller]) -> None:
    caller = start(faults="latency:seconds=86400,times=1,user=u")
    held = _begin(caller, _track("u"))
    served = Served(caller.url)
    wait_for(served.holds)
    assert _post(caller, **_track("v")) == 200
    assert caller.counts()["effects"] == {"track": 1}
    served.release()
    assert _answer(held)[0] == 200
    assert caller.counts()["effects"] == {"track": 2}
    assert caller.counts()["overlaps"]["times"] == 0


def test_a_device_and_its_user_are_the_same_profile(start: Callable[..., Caller]) -> None:
    caller = start(({"userId": "u", "devices": [{"deviceId": "d"}]},), faults=_HOLD_ONE)
    by_device = {"action": "track", "deviceId": "d", "event": "e"}
    assert _second_while_first(caller, _track("u"), by_device) == (200, 429)


def test_two_processes_worth_of_emulators_lose_no_increment(
    start: Callable[..., Caller], tmp_path: Path
) -> None:
    callers = [
        start(state=tmp_path / "state.db", switches=Switches(concurrent_calls="queue")) for _ in range(2)
    ]

    def increment(caller: Caller) -> None:
        for _ in range(25):
            assert (
                _post(caller, action="setUserAttributes", userId="u", userAttributeValuesToIncrement={"n": 1})
                == 200
            )

    threads = [threading.Thread(target=increment, args=(caller,)) for caller in callers for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert callers[0].user("u")["userAttributes"] == {"n": 100}
    assert callers[1].counts()["increments"] == {"u": {"n": 100}}
