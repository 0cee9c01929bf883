"""Calls on one user at the same time: queued or refused, and always counted."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests

from leanplum_sync import emulator
from leanplum_sync.emulator import Switches

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Caller

_SLOW = "latency:seconds=0.4,times=1"


def _post(caller: Caller, **body: Any) -> int:
    login = {"appId": emulator.APP_ID, "clientKey": emulator.KEYS["production"]}
    return requests.post(f"{caller.url}/api", json=login | body, timeout=30).status_code


def _track(user_id: str) -> dict[str, Any]:
    return {"action": "track", "userId": user_id, "event": "e"}


def _multi(user_id: str) -> dict[str, Any]:
    return {"action": "multi", "data": [_track(user_id)]}


def _second_while_first(caller: Caller, first: dict[str, Any], second: dict[str, Any]) -> tuple[int, int]:
    """Return the statuses of two calls, the second made while the first is under way."""
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(_post, caller, **first)
        url = f"{caller.url}/_emulator/faults"
        deadline = time.monotonic() + 20
        while not any(fault["struck"] for fault in requests.get(url, timeout=30).json()["faults"]):
            assert time.monotonic() < deadline
        status = _post(caller, **second)
        return slow.result(), status


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
def test_a_second_call_on_a_user_is_queued_or_refused_by_the_switch(
    start: Callable[..., Caller], rule: Any, first: dict[str, Any], second: int
) -> None:
    caller = start(switches=Switches(concurrent_calls=rule), faults=_SLOW)
    assert _second_while_first(caller, first, _track("u")) == (200, second)
    counts = caller.counts()
    assert counts["overlaps"] == {"times": 1, "users": {"u": 1}}
    assert counts["effects"]["track"] == (1 if second == 429 else 2)


@pytest.mark.claim("warning-texts")
def test_the_refusal_has_the_documented_text(start: Callable[..., Caller]) -> None:
    caller = start(switches=Switches(concurrent_calls="refuse"), faults=_SLOW)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: caller.url and _answer(caller), range(2)))
    refused = [answer for answer in answers if answer.status_code == 429]
    text = "Request failed due to concurrent requests to the same profile ID"
    assert [answer.json()["response"][0]["error"]["message"] for answer in refused] == [text]


def _answer(caller: Caller) -> requests.Response:
    login = {"appId": emulator.APP_ID, "clientKey": emulator.KEYS["production"]}
    return requests.post(f"{caller.url}/api", json=login | _track("u"), timeout=30)


def test_calls_on_different_users_do_not_wait_for_each_other(start: Callable[..., Caller]) -> None:
    caller = start(faults="latency:seconds=30,times=1,user=u")
    started = threading.Event()

    def stuck() -> None:
        started.set()
        with pytest.raises(requests.ReadTimeout):
            requests.post(
                f"{caller.url}/api",
                json={"appId": emulator.APP_ID, "clientKey": emulator.KEYS["production"], **_track("u")},
                timeout=1,
            )

    thread = threading.Thread(target=stuck)
    thread.start()
    started.wait()
    assert _post(caller, **_track("v")) == 200
    thread.join()
    assert caller.counts()["effects"] == {"track": 1}
    assert caller.counts()["overlaps"]["times"] == 0


def test_a_device_and_its_user_are_the_same_profile(start: Callable[..., Caller]) -> None:
    caller = start(({"userId": "u", "devices": [{"deviceId": "d"}]},), faults=_SLOW)
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
