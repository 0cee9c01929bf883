"""Laws of the emulator: whatever arrives, it answers; what it writes can be read; merging never loses ground."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searching import examples

from leanplum_sync import emulator
from leanplum_sync.emulator import Switches, dispatcher, faults, request
from leanplum_sync.emulator.csv_rows import rows
from leanplum_sync.emulator.errors import RefusedError
from leanplum_sync.emulator.methods import TABLE
from leanplum_sync.emulator.store import Store
from leanplum_sync.emulator.values import distinct, java_double, to_json

_NOW = 1_700_000_000.0
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_NAMES = [
    "userId",
    "deviceId",
    "userAttributes",
    "userAttributeValuesToAdd",
    "userAttributeValuesToRemove",
    "events",
    "userAttributeValuesToIncrement",
    "states",
    "created",
    "lastActive",
    "totalSessions",
    "devices",
    "newUserId",
    "unsubscribeChannelsToAdd",
    "unsubscribeCategoriesToAdd",
    "locale",
    "timezoneOffsetSeconds",
    "event",
    "value",
    "params",
    "messageId",
    "time",
    "state",
    "info",
    "disposition",
    "trafficSource",
    "id",
    "name",
    "importance",
    "vars",
    "filename",
    "data",
    "jobId",
    "startDate",
    "endDate",
    "dataType",
    "postbackUrl",
    "channels",
    "reqId",
    "createDisposition",
    "devMode",
    "iosPushToken",
    "gcsBucket",
    "file",
    "createJob",
    "callbackUrl",
    "channelId",
]
_PLAUSIBLE = st.sampled_from(["u", "d", "20231114", "UserActivity", "[a, b]", "{'a': 1}", "1.5", 7, True])
_ARGUMENTS = st.dictionaries(st.sampled_from(_NAMES), _PLAUSIBLE | _JSON, max_size=8)
_ACTIONS = st.builds(
    lambda name, arguments: arguments | {"action": name}, st.sampled_from(sorted(TABLE)), _ARGUMENTS
)


def _app() -> dispatcher.App:
    return dispatcher.App(emulator.APP_ID, {}, Switches(strict_names=True))


@settings(max_examples=examples(100))
@given(st.lists(_ACTIONS, min_size=1, max_size=4))
def test_any_arguments_of_any_actions_give_one_element_each(actions: list[dict[str, Any]]) -> None:
    key = min(TABLE[actions[0]["action"]].keys)
    store = Store(None)
    with store.transaction() as transaction:
        for single in (True, False):
            body = actions[0] if single else {"action": "multi", "data": actions}
            try:
                call = request.read("", "", orjson.dumps(body), Switches())
            except RefusedError:
                continue
            dispatcher.count_arrival(call, transaction)
            answer = dispatcher.carry_out(call, key, _app(), transaction, _NOW)
            assert len(answer.elements) == len(call.actions)
            for element in answer.elements:
                assert element["success"] is True or element["error"]["message"]
            orjson.loads(to_json(answer.elements))
    store.close()


_HUGE = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**64 - 1)
_SUMMARIES = st.dictionaries(
    st.sampled_from(["count", "countIncrement", "value", "valueIncrement", "firstTime"]), _HUGE, max_size=3
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"action": st.just("setUserAttributes")},
            optional={
                "userAttributes": st.fixed_dictionaries({"n": _HUGE}),
                "userAttributeValuesToIncrement": st.fixed_dictionaries({"n": _HUGE}),
                "events": st.fixed_dictionaries({"e": _SUMMARIES}),
                "totalSessions": _HUGE,
                "timeSpentInApp": _HUGE,
                "timezoneOffsetSeconds": _HUGE,
                "deviceId": st.just("d"),
                "newUserId": st.just("u"),
            },
        ),
        max_size=4,
    )
)
def test_numbers_of_any_size_can_be_kept(actions: list[dict[str, Any]]) -> None:
    data = [{"userId": "u"} | action if "deviceId" not in action else action for action in actions]
    call = request.read("", "", orjson.dumps({"action": "multi", "data": data}), Switches())
    store = Store(None)
    for _ in range(2):
        with store.transaction() as transaction:
            dispatcher.carry_out(call, "production", _app(), transaction, _NOW)
    for user in store.users():
        numbers = [number for entry in user.events.values() for number in entry.values()]
        assert None not in [*numbers, user.time_spent]  # what JSON makes of infinity
    store.close()


@given(
    query=st.text(max_size=40),
    content_type=st.sampled_from(
        ["", "application/json", "multipart/form-data; boundary=x", "text/csv", "text/plain"]
    ),
    body=st.binary(max_size=80) | _JSON.map(orjson.dumps),
)
def test_any_bytes_are_a_call_or_the_one_documented_error(query: str, content_type: str, body: bytes) -> None:
    try:
        call = request.read(f"action=multi&{query}", content_type, body, Switches())
    except RefusedError:
        return
    assert all(isinstance(arguments.given, dict) for arguments in call.actions)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_reads_back_as_itself(value: float) -> None:
    assert float(java_double(value)) == value
    assert re.fullmatch(r"-?\d+\.\d+|-?\d\.\d+E-?\d+", java_double(value))


@given(_JSON)
def test_what_is_written_is_json_of_the_same_value(value: Any) -> None:
    finite = orjson.loads(orjson.dumps(value))
    assert orjson.loads(to_json(finite)) == finite == orjson.loads(to_json(finite, java=False))


@given(st.lists(st.integers(0, 4) | st.sampled_from("01ab")))
def test_a_set_keeps_each_item_once_in_first_order(items: list[Any]) -> None:
    kept = distinct(items)
    assert distinct(kept) == kept
    assert {(type(item), item) for item in kept} == {(type(item), item) for item in items}
    assert [items.index(item) for item in kept] == sorted(items.index(item) for item in kept)


@given(
    st.text(max_size=30)
    | st.builds("{}:{}={}".format, st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
)
def test_any_text_is_faults_or_the_one_documented_error(text: str) -> None:
    try:
        assert faults.parse(faults.from_text(text)).faults is not None
    except emulator.EmulatorError as error:
        assert str(error).endswith(".")  # noqa: PT017 (both outcomes are right)


@given(st.text(max_size=60))
def test_any_csv_gives_rows_or_the_one_documented_error(text: str) -> None:
    try:
        assert all("action" in row for row in rows(text, "track"))
    except RefusedError:
        return


@pytest.mark.claim("times-move-outwards")
@settings(max_examples=examples(60))
@given(
    st.lists(st.tuples(st.integers(0, 2**31), st.integers(0, 2**31)), min_size=1, max_size=6),
)
def test_first_times_never_move_forth_and_last_times_never_back(summaries: list[tuple[int, int]]) -> None:
    store = Store(None)
    with store.transaction() as transaction:
        for first, last in summaries:
            action = {"action": "setUserAttributes", "userId": "u"}
            action |= {"events": {"e": {"firstTime": first, "lastTime": last}}}
            call = request.read("", "", orjson.dumps(action), Switches())
            dispatcher.carry_out(call, "production", _app(), transaction, _NOW)
        user = transaction.user("u")
        assert user is not None
        assert user.events["e"]["firstTime"] == min(first for first, _ in summaries)
        assert user.events["e"]["lastTime"] == max(last for _, last in summaries)
    store.close()
