"""Clocks: the client's only supplies differences, and is told when it is far off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leanplum_sync.emulator import Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Caller, Clock

_DAY, _YEAR = 86_400, 31_536_000


def _track(caller: Caller, user_id: str, envelope: float | None, when: float | None) -> dict[str, Any]:
    action = {"action": "track", "userId": user_id, "event": "e", "time": when}
    (element,) = caller.multi(action, time=envelope)
    return element


def _first_time(caller: Caller, user_id: str) -> float:
    return caller.user(user_id)["events"]["e"]["firstTime"]


@pytest.mark.claim("time-rules")
def test_an_event_is_as_long_ago_as_its_time_was_before_the_batchs(
    start: Callable[..., Caller], clock: Clock
) -> None:
    caller = start()
    late = clock.now - 56_426
    _track(caller, "same", late, late)
    _track(caller, "before", late, late - 100)
    _track(caller, "none", late, None)
    assert [_first_time(caller, name) for name in ("same", "before", "none")] == [
        clock.now,
        clock.now - 100,
        clock.now,
    ]


@pytest.mark.claim("warning-texts", "time-rules")
@pytest.mark.parametrize(
    ("behind", "days"), [(83_545, None), (86_400, 1), (87_342, 1), (736 * _DAY + 5, 736)]
)
def test_a_batch_a_day_late_is_told_so_and_stamped_now(
    start: Callable[..., Caller], clock: Clock, behind: int, days: int | None
) -> None:
    caller = start()
    element = _track(caller, "u", clock.now - behind, clock.now - behind - 100)
    text = f"Device clock skew detected ({days} days behind). Rewriting timestamp."
    assert element.get("warning") == (None if days is None else {"message": text})
    assert _first_time(caller, "u") == clock.now - (100 if days is None else 0)


@pytest.mark.claim("warning-texts", "time-rules")
@pytest.mark.parametrize(("age", "days"), [(_YEAR, None), (_YEAR + 600, 365), (_YEAR + 3 * _DAY, 368)])
def test_an_event_more_than_365_days_old_is_told_so_and_stamped_now(
    start: Callable[..., Caller], clock: Clock, age: int, days: int | None
) -> None:
    caller = start()
    element = _track(caller, "u", clock.now, clock.now - age)
    text = f"Past event detected ({days} days ago). Rewriting timestamp."
    assert element.get("warning") == (None if days is None else {"message": text})
    assert _first_time(caller, "u") == (clock.now - age if days is None else clock.now)


@pytest.mark.claim("time-rules")
def test_a_late_batch_hides_a_past_event_and_a_skip_hides_both(
    start: Callable[..., Caller], clock: Clock
) -> None:
    caller = start()
    late = clock.now - 2 * _DAY
    assert "clock skew" in _track(caller, "u", late, late - 2 * _YEAR)["warning"]["message"]
    skipped = {"action": "track", "userId": "x", "event": "e", "createDisposition": "CreateNever"}
    assert caller.multi(skipped, time=late)[0]["warning"]["message"] == "User not found; request skipped."


def test_a_warned_action_is_carried_out_all_the_same(start: Callable[..., Caller], clock: Clock) -> None:
    caller = start(({"message": {"id": 1}}, {"userId": "u"}))
    (element,) = caller.multi(
        {"action": "sendMessage", "userId": "u", "messageId": 1}, time=clock.now - 2 * _DAY
    )
    assert element == {
        "success": True,
        "result": "Message sent",
        "messagesSent": 1,
        "warning": {"message": "Device clock skew detected (2 days behind). Rewriting timestamp."},
    }
    assert caller.counts()["sends"] == {"1": {"u": 1}}


def test_an_error_and_a_clock_warning_can_share_an_element(
    start: Callable[..., Caller], clock: Clock
) -> None:
    action = {"action": "setUserAttributes", "userId": "u", "events": {"e1": {"lastTime": "yesterday"}}}
    (element,) = start().multi(action, time=clock.now - 736 * _DAY)
    assert element["error"] == {"message": "event 'e1' lastTime is invalid."}
    assert element["warning"] == {
        "message": "Device clock skew detected (736 days behind). Rewriting timestamp."
    }


def test_resetting_anomalies_gets_no_clock_warning(start: Callable[..., Caller], clock: Clock) -> None:
    action = {"action": "setUserAttributes", "userId": "u", "resetAnomalies": True}
    assert start().multi(action, key="development", time=clock.now - 9 * _DAY) == [{"success": True}]


def test_resetting_anomalies_needs_the_development_key(shared: Caller) -> None:
    assert (
        shared.call("setUserAttributes", userId="u", resetAnomalies=True)["error"]["message"]
        == "Invalid access key"
    )


def test_a_switch_adds_a_warning_if_the_clients_clock_is_ahead(
    start: Callable[..., Caller], clock: Clock
) -> None:
    ahead = clock.now + 2 * _DAY
    assert "warning" not in _track(start(), "u", ahead, None)
    assert (
        "2 days ahead"
        in _track(start(switches=Switches(future_clock="warn")), "u", ahead, None)["warning"]["message"]
    )


@pytest.mark.claim("scalars-coerced")
def test_a_time_may_be_text(start: Callable[..., Caller], clock: Clock) -> None:
    caller = start()
    caller.multi(
        {"action": "track", "userId": "u", "event": "e", "time": str(clock.now - 5)}, time=str(clock.now)
    )
    assert _first_time(caller, "u") == clock.now - 5


def test_a_time_that_is_no_number_is_refused(shared: Caller) -> None:
    assert shared.post("multi", data=[], time="noon").json()["response"][0]["success"] is False
