"""CSV import: as a job over a file in a bucket, and inline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
import requests

from leanplum_sync import emulator
from leanplum_sync.emulator import Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Caller

_JOB = {"createJob": True, "gcsBucket": "bucket", "file": "import.csv"}


def _import(caller: Caller, text: str, default_action: str = "setUserAttributes") -> dict[str, Any]:
    requests.put(f"{caller.url}/_emulator/buckets/bucket/import.csv", data=text.encode(), timeout=300)
    job = caller.call("multi", "development", defaultAction=default_action, **_JOB)
    return caller.call("getMultiResults", "development", jobId=job["jobId"])


def test_each_row_becomes_an_action_with_its_own_result_line(start: Callable[..., Caller]) -> None:
    caller = start()
    text = 'userId,userAttributes.Gender,userAttributes.Friends,created\nu1,f,"[Jimmy, Sara, Amy]",1500000000\n,x,,\n'
    result = _import(caller, text)
    assert result["state"] == "FINISHED"
    assert (result["data"]["successesCount"], result["data"]["failuresCount"]) == (1, 1)
    lines = requests.get(result["data"]["files"][0], timeout=300).content.splitlines()
    assert [orjson.loads(line)["success"] for line in lines] == [True, False]
    user = caller.user("u1")
    assert user["userAttributes"] == {"Gender": "f", "Friends": ["Jimmy", "Sara", "Amy"]}
    assert user["created"] == 1.5e9


def test_an_empty_cell_is_not_supplied(start: Callable[..., Caller]) -> None:
    caller = start(({"userId": "u1", "userAttributes": {"a": 1, "b": 2}},))
    _import(caller, "userId,userAttributes.a,userAttributes.b\nu1,,3\n")
    assert caller.user("u1")["userAttributes"] == {"a": 1, "b": 3}


def test_events_params_and_tokens_have_columns(start: Callable[..., Caller]) -> None:
    caller = start()
    _import(caller, "userId,events.Purchase.count,events.Purchase.firstTime\nu1,3,1500000000\n")
    assert caller.user("u1")["events"] == {"Purchase": {"count": 3, "firstTime": 1.5e9}}
    _import(caller, "userId,event,value,params.Level\nu1,Level,2.5,4\n", "track")
    assert caller.user("u1")["events"]["Level"]["value"] == 2.5
    _import(caller, "deviceId,userId,iosPushToken\nd1,u1,abcd\n", "setDeviceAttributes")
    assert caller.user("u1")["devices"] == [{"deviceId": "d1", "iosPushToken": "abcd"}]
    _import(caller, "userId,fullErasure\nu1,TRUE\n", "deleteUser")
    assert "warning" in caller.user("u1")


def test_an_action_column_wins_over_the_default(start: Callable[..., Caller]) -> None:
    caller = start()
    _import(caller, "userId,action,event\nu1,track,e\n")
    assert caller.user("u1")["events"]["e"]["count"] == 1


def test_a_byte_order_mark_spoils_the_first_column(start: Callable[..., Caller]) -> None:
    caller = start()
    assert _import(caller, "\ufeffuserId,userAttributes.a\nu1,1\n")["data"]["failuresCount"] == 1


def test_each_fifty_rows_bill_their_unique_users(start: Callable[..., Caller]) -> None:
    caller = start()
    _import(caller, "userId,userAttributes.a\n" + "".join(f"{'ab'[n % 2]},{n}\n" for n in range(101)))
    assert caller.counts()["billableLookups"] == {"total": 5, "reads": 0, "writes": 5}


@pytest.mark.claim("job-states")
def test_a_file_that_is_not_there_fails_the_job(start: Callable[..., Caller]) -> None:
    caller = start()
    job = caller.call("multi", "development", defaultAction="track", **_JOB)
    assert caller.call("getMultiResults", "development", jobId=job["jobId"]) == {
        "success": True,
        "state": "FAILED",
    }


def test_a_file_that_is_no_csv_fails_the_job_and_a_row_starts_no_other(start: Callable[..., Caller]) -> None:
    caller = start()
    assert _import(caller, "userId,params,params.a\nu,1,2\n", "track") == {"success": True, "state": "FAILED"}
    nested = _import(caller, "action,createJob,gcsBucket,file\nmulti,TRUE,bucket,import.csv\n")
    assert nested["data"]["failuresCount"] == 1


def test_a_job_needs_the_development_key(start: Callable[..., Caller]) -> None:
    assert start().post("multi", "production", **_JOB).status_code == 403


def _inline(caller: Caller, text: str, key: str = "development") -> requests.Response:
    query = {
        "action": "multi",
        "appId": emulator.APP_ID,
        "clientKey": emulator.KEYS[key],
        "defaultAction": "track",
    }
    headers = {"Content-Type": "text/csv"}
    return requests.post(f"{caller.url}/api", params=query, data=text.encode(), headers=headers, timeout=300)


def test_inline_csv_gets_one_answer_per_row_and_has_the_limits_of_a_multi(
    start: Callable[..., Caller],
) -> None:
    caller = start()
    assert _inline(caller, "userId,event\nu1,e\nu2,\n").json()["response"] == [
        {"success": True, "isOffline": True},
        {"success": False, "error": {"message": "'event' must be provided"}},
    ]
    assert _inline(caller, "userId,event\n" + "".join(f"u{n},e\n" for n in range(51))).status_code == 403
    assert _inline(caller, "userId,event\nu1,e\n", "production").status_code == 403


def test_a_switch_ignores_inline_csv(start: Callable[..., Caller]) -> None:
    caller = start(switches=Switches(inline_csv=False))
    assert _inline(caller, "userId,event\nu1,e\n").json() == {"response": []}
