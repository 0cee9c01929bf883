"""The batch: order, mixed outcomes, correlation, statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leanplum_sync.emulator import Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Caller

_NO_USER = {"success": False, "error": {"message": "Invalid app/user combination"}}


def _set(user_id: str, **attributes: Any) -> dict[str, Any]:
    return {"action": "setUserAttributes", "userId": user_id, "userAttributes": attributes}


def test_there_is_one_element_per_action_in_order(shared: Caller) -> None:
    elements = shared.multi(
        {"action": "track", "userId": "o-2", "event": "e"},
        {"action": "track", "userId": "o-2", "event": "e"},
        _set("o-1", a=1),
    )
    assert elements == [{"success": True, "isOffline": True}] * 2 + [{"success": True}]


def test_an_empty_multi_has_an_empty_answer(shared: Caller) -> None:
    answer = shared.post("multi", data=[])
    assert (answer.status_code, answer.json()) == (200, {"response": []})


def test_a_failing_action_leaves_the_others_done(shared: Caller) -> None:
    answer = shared.post(
        "multi", data=[_set("p-1", a=1), {"action": "track", "event": "e"}, _set("p-2", a=2)]
    )
    assert answer.status_code == 404
    assert answer.json()["response"] == [{"success": True}, _NO_USER, {"success": True}]
    assert shared.user("p-2")["userAttributes"] == {"a": 2}


@pytest.mark.claim("warning-texts")
def test_a_bad_value_fails_its_action_with_status_200(shared: Caller) -> None:
    bad = {"action": "setUserAttributes", "userId": "b-1", "events": {"e1": {"firstTime": "2010-01-01"}}}
    answer = shared.post("multi", data=[bad | {"userAttributes": {"a": 1}}, _set("b-2", a=1)])
    assert answer.status_code == 200
    assert answer.json()["response"] == [
        {"success": False, "error": {"message": "event 'e1' firstTime is invalid."}},
        {"success": True},
    ]
    assert "userId" not in shared.user("b-1")


def test_actions_of_one_user_take_effect_in_order(shared: Caller) -> None:
    shared.multi(_set("s-1", a=1), _set("s-1", a=2, b=1), _set("s-1", b=None))
    assert shared.user("s-1")["userAttributes"] == {"a": 2}


def test_a_multi_does_not_nest(shared: Caller) -> None:
    (element,) = shared.multi({"action": "multi", "data": [_set("n-1", a=1)]})
    assert element["error"] == {"message": "Action not found"}


def test_req_ids_come_back(shared: Caller) -> None:
    elements = shared.multi(_set("r-1", a=1) | {"reqId": "one"}, {"action": "nonsense", "reqId": "two"})
    assert [element["reqId"] for element in elements] == ["one", "two"]


def test_the_same_uuid_and_req_id_are_carried_out_once(shared: Caller) -> None:
    action = {"action": "track", "userId": "d-1", "event": "e", "reqId": "r"}
    first, second = (shared.multi(action, uuid="batch-1") for _ in range(2))
    assert first == second
    assert shared.user("d-1")["events"]["e"]["count"] == 1
    shared.multi(action, uuid="batch-2")
    shared.multi(action)
    assert shared.user("d-1")["events"]["e"]["count"] == 3


def test_a_repeated_batch_gets_the_answers_it_got_before(start: Callable[..., Caller]) -> None:
    caller = start()
    actions = [_set("d-2", a=1), _set("nobody", a=1) | {"createDisposition": "CreateNever"}, _set("d-2", a=2)]
    batch = [action | {"reqId": str(n)} for n, action in enumerate(actions)]
    first = caller.multi(*batch, uuid="batch-3")
    assert [element["reqId"] for element in first] == ["0", "1", "2"]
    assert "warning" in first[1]
    caller.multi(_set("d-2", a=3))
    assert caller.multi(*batch, uuid="batch-3") == first
    assert caller.user("d-2")["userAttributes"] == {"a": 3}


def test_a_refused_key_is_not_refused_again_once_the_right_key_sends_the_same_batch(
    start: Callable[..., Caller],
) -> None:
    caller = start()
    action = {"action": "track", "userId": "d-3", "event": "e", "reqId": "r"}
    (refused,) = caller.multi(action, uuid="batch-4", key="data_export")
    assert refused["error"] == {"message": "Invalid access key"}
    (carried_out,) = caller.multi(action, uuid="batch-4")
    assert carried_out["success"]
    (refused,) = caller.multi(action, uuid="batch-4", key="data_export")
    assert refused["error"] == {"message": "Invalid access key"}
    assert caller.user("d-3")["events"]["e"]["count"] == 1


def test_a_switch_carries_out_duplicates(start: Callable[..., Caller]) -> None:
    caller = start(switches=Switches(duplicates="carry_out"))
    for _ in range(2):
        caller.multi({"action": "track", "userId": "u", "event": "e", "reqId": "r"}, uuid="b")
    assert caller.user("u")["events"]["e"]["count"] == 2


def test_a_switch_groups_answers_by_user(start: Callable[..., Caller]) -> None:
    caller = start(switches=Switches(order="user_sorted"))
    elements = caller.multi(
        _set("123456", a=1),
        {"action": "track", "userId": "12345", "event": "e"},
        {"action": "track", "userId": "54321", "event": "e"},
    )
    assert ["isOffline" in element for element in elements] == [True, False, True]


def test_a_switch_keeps_200_for_a_failed_action(start: Callable[..., Caller]) -> None:
    caller = start(switches=Switches(failed_action_status="always_200"))
    assert caller.post("multi", data=[{"action": "track", "event": "e"}]).status_code == 200


def test_export_user_works_inside_a_multi_unless_switched_off(start: Callable[..., Caller]) -> None:
    seed = ({"userId": "u1", "userAttributes": {"a": 1}},)
    data = [{"action": "exportUser", "userId": name} for name in ("u1", "u2")]
    found, lost = start(seed).multi(*data, key="data_export")
    assert (found["userId"], found["userAttributes"]) == ("u1", {"a": 1})
    assert lost["warning"] == {"message": "User not found; request skipped."}
    barred = start(seed, switches=Switches(export_user_in_multi=False)).multi(*data, key="data_export")
    assert [element["success"] for element in barred] == [False, False]


def test_switches_make_time_and_version_required(start: Callable[..., Caller]) -> None:
    strict = start(switches=Switches(time_required=True, api_version_required=True))
    assert strict.post("multi", data=[]).status_code == 400
    assert strict.post("multi", data=[], time=1_700_000_000).status_code == 200
    assert strict.post("multi", data=[], time=1_700_000_000, apiVersion="1.0.5").status_code == 400


def test_the_text_for_too_many_actions_can_be_chosen(start: Callable[..., Caller]) -> None:
    caller = start(switches=Switches(oversized_text="Too big."))
    assert caller.multi(*[_set("u", a=1)] * 501) == [{"success": False, "error": {"message": "Too big."}}]
