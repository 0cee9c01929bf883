"""How arguments may arrive: any verb, any place, any of the forms that clients and SDKs are known to send."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
import requests

from leanplum_sync import emulator
from leanplum_sync.emulator import Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Caller

_LOGIN = {"appId": emulator.APP_ID, "clientKey": emulator.KEYS["production"], "apiVersion": "1.0.6"}
_EXPORT = {"appId": emulator.APP_ID, "clientKey": emulator.KEYS["data_export"], "apiVersion": "1.0.6"}
_SET = {"action": "setUserAttributes", "userAttributes": {"tier": "gold"}}


def _elements(answer: requests.Response) -> list[dict[str, Any]]:
    return answer.json()["response"]


@pytest.mark.claim("get-and-post")
def test_a_read_by_get_has_all_arguments_in_the_query(shared: Caller) -> None:
    shared.call("setUserAttributes", userId="get-1", userAttributes={"a": 1})
    answer = requests.get(
        f"{shared.url}/api", params={"action": "exportUser", "userId": "get-1", **_EXPORT}, timeout=300
    )
    assert _elements(answer)[0]["userAttributes"] == {"a": 1}


@pytest.mark.claim("get-and-post")
def test_a_write_by_get_works_too(shared: Caller) -> None:
    query = {"action": "setUserAttributes", "userId": "get-2", "userAttributes": '{"a": 1}', **_LOGIN}
    assert _elements(requests.get(f"{shared.url}/api", params=query, timeout=300)) == [{"success": True}]
    assert shared.user("get-2")["userAttributes"] == {"a": 1}


@pytest.mark.claim("get-and-post")
def test_a_read_by_post_works_too(shared: Caller) -> None:
    assert shared.user("nobody") == {
        "success": True,
        "warning": {"message": "User not found; request skipped."},
    }


@pytest.mark.claim("arguments-anywhere")
def test_arguments_may_be_split_between_query_and_body(shared: Caller) -> None:
    query = {"action": "multi", "devMode": "false", "time": "1700000000", **_LOGIN}
    body = {"data": [{"userId": "split-1", **_SET}]}
    assert requests.post(f"{shared.url}/api", params=query, json=body, timeout=300).status_code == 200
    assert shared.user("split-1")["userAttributes"] == {"tier": "gold"}


@pytest.mark.claim("arguments-anywhere")
def test_the_body_wins_over_the_query(shared: Caller) -> None:
    query = {"userId": "loser", **_LOGIN}
    requests.post(f"{shared.url}/api", params=query, json={"userId": "winner", **_SET}, timeout=300)
    assert "userAttributes" in shared.user("winner")
    assert "userAttributes" not in shared.user("loser")


@pytest.mark.claim("arguments-anywhere")
def test_empty_query_arguments_nulls_and_unknown_ones_are_as_if_absent(shared: Caller) -> None:
    body = {"userId": "null-1", "deviceId": None, "create_date": "x", "segment": "", **_SET, **_LOGIN}
    answer = requests.post(f"{shared.url}/api?segment&ab_test_id", json=body, timeout=300)
    assert _elements(answer) == [{"success": True}]
    assert shared.user("null-1")["devices"] == []


@pytest.mark.claim("bodies")
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/octet-stream", "application/x-www-form-urlencoded"]
)
def test_a_json_body_is_known_by_its_looks_not_its_label(shared: Caller, content_type: str) -> None:
    body = json.dumps({"userId": f"label-{content_type}", **_SET, **_LOGIN})
    requests.post(f"{shared.url}/api", data=body, headers={"Content-Type": content_type}, timeout=300)
    assert shared.user(f"label-{content_type}")["userAttributes"] == {"tier": "gold"}


@pytest.mark.claim("bodies")
def test_a_form_body_with_json_text_in_data_works_as_the_android_sdk_sends_it(shared: Caller) -> None:
    data = json.dumps(
        {"data": [{"userId": "form-1", "userAttributes": '{"tier": "gold"}', "action": _SET["action"]}]}
    )
    body = urlencode({"action": "multi", "data": data, "time": "1700000000", **_LOGIN})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert _elements(requests.post(f"{shared.url}/api", data=body, headers=headers, timeout=300))[0][
        "success"
    ]
    assert shared.user("form-1")["userAttributes"] == {"tier": "gold"}


@pytest.mark.claim("bodies")
@pytest.mark.parametrize(
    "wrap",
    [
        lambda data: data,
        json.dumps,
        lambda data: {"data": data},
        lambda data: json.dumps({"data": data}),
        lambda data: json.dumps({"data": json.dumps(data)}),
    ],
    ids=["list", "text", "object", "text of an object", "text of an object of text"],
)
def test_data_of_a_multi_may_be_wrapped_once_more(shared: Caller, wrap: Any) -> None:
    assert shared.post("multi", data=wrap([{"userId": "wrapped", **_SET}])).json() == {
        "response": [{"success": True}]
    }


@pytest.mark.claim("bodies")
def test_a_multipart_body_works_for_any_action(shared: Caller) -> None:
    fields = {
        "action": "setUserAttributes",
        "userId": "parts-1",
        "userAttributes": '{"tier": "gold"}',
        **_LOGIN,
    }
    parts = {name: (None, value) for name, value in fields.items()}
    assert _elements(requests.post(f"{shared.url}/api", files=parts, timeout=300)) == [{"success": True}]
    assert shared.user("parts-1")["userAttributes"] == {"tier": "gold"}


@pytest.mark.claim("lenient-lists")
def test_lists_and_objects_may_be_written_with_bare_words(shared: Caller) -> None:
    query = {"action": "setUserAttributes", "userId": "bare-1", **_LOGIN}
    query |= {"userAttributes": "{'Interests': ['Technology', 'Music']}"}
    query |= {"unsubscribeChannelsToAdd": "[Push Notification, Email]"}
    requests.get(f"{shared.url}/api", params=query, timeout=300)
    user = shared.user("bare-1")
    assert user["userAttributes"] == {"Interests": ["Technology", "Music"]}
    assert user["unsubscribeChannels"] == ["Push Notification", "Email"]


@pytest.mark.claim("scalars-coerced")
def test_numbers_as_ids_become_text(shared: Caller) -> None:
    shared.call("setUserAttributes", userId=123456, userAttributes={"a": 1})
    assert shared.user("123456")["userId"] == "123456"


def test_api_version_may_be_missing(shared: Caller) -> None:
    body = {"userId": "v-1", **_SET, "appId": emulator.APP_ID, "clientKey": emulator.KEYS["production"]}
    assert _elements(requests.post(f"{shared.url}/api", json=body, timeout=300)) == [{"success": True}]


def test_a_body_that_is_not_json_is_answered_not_dropped(shared: Caller) -> None:
    answer = requests.post(f"{shared.url}/api", data="{oops", timeout=300)
    assert answer.status_code == 400
    assert _elements(answer)[0]["success"] is False


def test_headers_are_those_of_the_api(shared: Caller) -> None:
    answer = shared.post("track", userId="h-1", event="e")
    assert answer.headers["Content-Type"] == "application/json;charset=utf-8"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.claim("java-doubles")
def test_doubles_are_formatted_like_java(shared: Caller) -> None:
    values = {"big": 1.5e9, "plain": 10.5, "whole": 3.0, "tiny": 0.0001, "int": 25}
    shared.call("setUserAttributes", userId="j-1", created=1439353028.87, userAttributes=values)
    text = shared.post("exportUser", "data_export", userId="j-1").text
    assert '"created":1.43935302887E9' in text
    assert '"userAttributes":{"big":1.5E9,"plain":10.5,"whole":3.0,"tiny":1.0E-4,"int":25}' in text
    assert '"timeSpentInApp":0.0' in text


@pytest.mark.claim("limits")
def test_a_url_has_at_most_2083_characters(shared: Caller) -> None:
    for length, status in ((1500, 200), (2083, 414)):
        query = {"action": "setUserAttributes", "userId": "url-1", "locale": "x" * length, **_LOGIN}
        assert requests.get(f"{shared.url}/api", params=query, timeout=300).status_code == status


def test_each_answer_has_a_trace_id_of_its_own(shared: Caller) -> None:
    traces = {
        shared.post("track", userId="t-1", event="e").headers["X-Cloud-Trace-Context"] for _ in range(2)
    }
    assert len(traces) == 2


def test_a_switch_refuses_bare_words(start: Callable[..., Caller]) -> None:
    caller = start(switches=Switches(lenient_syntax=False))
    assert caller.call("setUserAttributes", userId="u", userAttributes="{'a': 1}")["success"] is False
    assert caller.call("setUserAttributes", userId="u", userAttributes='{"a": 1}')["success"] is True


@pytest.mark.parametrize(
    "wrong",
    [
        {"userId": {"a": 1}},
        {"userAttributes": [1]},
        {"created": True},
        {"created": "1e999"},
        {"locale": ["de"]},
        {"events": {"e": 1}},
        {"events": {"e": {"count": {}}}},
    ],
    ids=str,
)
def test_arguments_of_the_wrong_type_are_refused_not_failed_at(shared: Caller, wrong: dict[str, Any]) -> None:
    answer = shared.post("setUserAttributes", **{"userId": "wrong-1", **wrong})
    assert answer.status_code in (200, 404)
    assert answer.json()["response"][0]["success"] is False


@pytest.mark.parametrize("data", ["nonsense", 7, {"other": []}], ids=str)
def test_data_that_is_no_list_is_refused_or_empty(shared: Caller, data: Any) -> None:
    answer = shared.post("multi", data=data)
    assert answer.status_code in (200, 400)
    assert "success" not in answer.text or answer.json()["response"][0]["success"] is False


def test_a_multi_of_things_that_are_no_actions_answers_each(shared: Caller) -> None:
    elements = shared.post("multi", data=[1, None, "x"]).json()["response"]
    assert [element["error"]["message"] for element in elements] == ["Action not found"] * 3


def test_a_form_without_a_boundary_is_refused(shared: Caller) -> None:
    headers = {"Content-Type": "multipart/form-data"}
    answer = requests.post(f"{shared.url}/api", data=b"--x\r\n", headers=headers, timeout=300)
    assert (answer.status_code, _elements(answer)[0]["success"]) == (400, False)
