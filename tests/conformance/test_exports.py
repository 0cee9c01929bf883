"""Exports: jobs, their files, their quotas."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

import orjson
import pytest
import requests

from leanplum_sync.emulator import Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Caller, Clock


def _export(caller: Caller, action: str, **arguments: Any) -> dict[str, Any]:
    return caller.call(action, "data_export", **arguments)


def _result(caller: Caller, job: dict[str, Any]) -> dict[str, Any]:
    return _export(caller, "getExportResults", jobId=job["jobId"])


def _today(clock: Clock) -> str:
    return datetime.fromtimestamp(clock.now, timezone(timedelta(hours=-8))).strftime("%Y%m%d")


def _busy(start: Callable[..., Caller], clock: Clock) -> Caller:
    caller = start()
    caller.call("start", userId="u", deviceId="d", systemName="iOS", userAttributes={"vip": True, "n": 1.5e9})
    caller.call("track", userId="u", event="e", value=2, params={"Level": 1})
    caller.call("advance", userId="u", state="Menu")
    caller.call("track", userId="u", event="f", info="i")
    clock.now += 60
    caller.call("stop", userId="u")
    caller.call("track", userId="v", event="alone")
    return caller


def test_users_are_exported_as_a_csv_without_a_header(start: Callable[..., Caller]) -> None:
    users = (
        {"userId": "b", "userAttributes": {"vip": True}},
        {"userId": "a", "userAttributes": {"x": "1,2"}},
    )
    caller = start(users)
    job = _export(caller, "exportUsers")
    assert job["jobId"].startswith("export_users_")
    result = _result(caller, job)
    assert (result["state"], result["fields"]) == ("FINISHED", ["userId"])
    assert requests.get(result["files"][0], timeout=300).text == "a\nb\n"
    valued = _result(caller, _export(caller, "exportUsers", userAttribute="vip"))
    assert requests.get(valued["files"][0], timeout=300).text == "b,True\n"


def test_users_are_exported_with_their_variant(start: Callable[..., Caller]) -> None:
    test = {"id": 5, "name": "t", "active": True, "variants": [{"id": 9, "name": "B", "percent": 100}]}
    caller = start(({"userId": "a"}, {"abTest": test}))
    result = _result(caller, _export(caller, "exportUsers", abTestId=5))
    assert requests.get(result["files"][0], timeout=300).text == "a,9,B\n"
    assert caller.post("exportUsers", "data_export", abTestId=6).status_code == 404


def test_sessions_and_offline_events_are_exported_as_json_lines(
    start: Callable[..., Caller], clock: Clock
) -> None:
    caller = _busy(start, clock)
    result = _result(caller, _export(caller, "exportData", startDate=_today(clock)))
    body = requests.get(result["files"][0], timeout=300).content
    assert (result["state"], result["numSessions"], result["numBytes"]) == ("FINISHED", 2, len(body))
    session, alone = (orjson.loads(line) for line in body.splitlines())
    assert (session["userId"], session["deviceId"], session["systemName"], session["isSession"]) == (
        "u",
        "d",
        "iOS",
        True,
    )
    assert (session["time"], session["duration"]) == ("1.7E9", 60.0)
    assert session["userAttributes"] == {"vip": "True", "n": "1.5E9"}
    assert [state.get("name") for state in session["states"]] == [None, "Menu"]
    first, second = (state["events"][0] for state in session["states"])
    assert (first["name"], first["value"], first["parameters"], first["time"]) == (
        "e",
        2.0,
        {"Level": 1},
        "1.7E9",
    )
    assert (second["name"], second["info"]) == ("f", "i")
    assert -(2**63) <= first["eventId"] < 2**63
    assert (alone["isSession"], alone["duration"]) == (False, 0.0)


def test_sessions_are_exported_as_six_csv_tables(start: Callable[..., Caller], clock: Clock) -> None:
    caller = _busy(start, clock)
    result = _result(caller, _export(caller, "exportData", startDate=_today(clock), exportFormat="csv"))
    tables = {}
    for url in result["files"]:
        name = url.rpartition("-output")[2].removesuffix("-0")
        tables[name] = list(csv.DictReader(io.StringIO(requests.get(url, timeout=300).text)))
    assert set(tables) == {"sessions", "states", "events", "eventparameters", "experiments", "userattributes"}
    assert [(row["userId"], row["isSession"]) for row in tables["sessions"]] == [
        ("u", "True"),
        ("v", "False"),
    ]
    assert [row["eventName"] for row in tables["events"]] == ["e", "f", "alone"]
    assert [(row["name"], row["value"]) for row in tables["eventparameters"]] == [("Level", "1")]
    events = {row["eventId"] for row in tables["events"]}
    assert {row["eventId"] for row in tables["eventparameters"]} <= events


def test_a_session_nobody_stopped_is_exported_once_it_timed_out(
    start: Callable[..., Caller], clock: Clock
) -> None:
    caller = start()
    caller.call("start", userId="u")
    day = _today(clock)
    assert _result(caller, _export(caller, "exportData", startDate=day))["numSessions"] == 0
    clock.now += 7200
    assert _result(caller, _export(caller, "exportData", startDate=day))["numSessions"] == 1
    assert caller.user("u")["timeSpentInApp"] == 0.0


@pytest.mark.claim("quotas")
def test_missing_or_old_data_is_refused_without_using_quota(
    start: Callable[..., Caller], clock: Clock
) -> None:
    caller = start(switches=Switches(export_data_a_day=1, empty_export="not_found"))
    answer = caller.post("exportData", "data_export", startDate=_today(clock))
    assert (answer.status_code, answer.json()["response"][0]["error"]["message"]) == (
        404,
        "No matching data found.",
    )
    old = caller.post("exportData", "data_export", startDate="20200101")
    assert old.status_code == 200
    assert old.json()["response"][0]["error"]["message"] == "You cannot export data older than 60 days"
    caller.call("track", userId="u", event="e")
    assert "jobId" in _export(caller, "exportData", startDate=_today(clock))


@pytest.mark.claim("quotas")
@pytest.mark.parametrize(
    ("action", "switches", "arguments"),
    [
        ("exportUsers", Switches(export_users_a_day=2), {}),
        (
            "exportReport",
            Switches(export_reports_a_day=2),
            {"startDate": "20231101", "dataType": "UserActivity"},
        ),
    ],
)
def test_exports_have_a_daily_quota(
    start: Callable[..., Caller], clock: Clock, action: str, switches: Switches, arguments: dict[str, str]
) -> None:
    caller = start(switches=switches)
    outcomes = [_export(caller, action, **arguments)["success"] for _ in range(3)]
    assert outcomes == [True, True, False]
    clock.now += 86_400
    assert _export(caller, action, **arguments)["success"] is True


@pytest.mark.claim("quotas")
def test_the_quotas_by_default_are_the_documented_ones() -> None:
    switches = Switches()
    quotas = (switches.export_users_a_day, switches.export_data_a_day, switches.export_reports_a_day)
    assert quotas == (40, 24, 100)


def test_a_report_on_messages_requires_a_message_id(start: Callable[..., Caller]) -> None:
    caller = start(({"report": {"dataType": "MessageResults", "data": {"sent": 3}}},))
    asked = {"startDate": "20231101", "dataType": "MessageResults"}
    assert _export(caller, "exportReport", **asked)["success"] is False
    job = _export(caller, "exportReport", messageId=1, **asked)
    assert _result(caller, job) == {
        "success": True,
        "jobId": job["jobId"],
        "state": "FINISHED",
        "data": {"sent": 3},
    }


@pytest.mark.claim("job-states")
def test_a_job_is_pending_then_running_then_finished(start: Callable[..., Caller], clock: Clock) -> None:
    caller = start(switches=Switches(job_seconds=30))
    job = _export(caller, "exportUsers")
    states = []
    for _ in range(3):
        states.append(_result(caller, job)["state"])
        clock.now += 30
    assert states == ["PENDING", "RUNNING", "FINISHED"]


def test_an_unknown_job_returns_404(shared: Caller) -> None:
    assert shared.post("getExportResults", "data_export", jobId="export_1_1").status_code == 404


def test_exports_are_not_billed(start: Callable[..., Caller]) -> None:
    caller = start(({"userId": "u"},))
    _export(caller, "exportUsers")
    assert caller.counts()["billableLookups"]["total"] == 0


def test_a_bucket_of_its_own_is_never_reached(start: Callable[..., Caller], clock: Clock) -> None:
    caller = _busy(start, clock)
    job = _export(
        caller, "exportData", startDate=_today(clock), s3BucketName="b", s3AccessId="i", s3AccessKey="k"
    )
    assert _result(caller, job)["s3CopyStatus"] == "FAILED"


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("exportData", {}),
        ("exportData", {"startDate": "2023-11-14"}),
        ("exportData", {"startDate": "20231114", "exportFormat": "xml"}),
        ("exportReport", {"startDate": "20231114"}),
        ("exportReport", {"startDate": "20231114", "dataType": "Weather"}),
    ],
)
def test_an_export_asked_for_wrongly_is_refused(
    start: Callable[..., Caller], clock: Clock, action: str, arguments: dict[str, str]
) -> None:
    caller = _busy(start, clock)
    assert _export(caller, action, **arguments)["success"] is False


def test_start_and_end_time_narrow_an_export(start: Callable[..., Caller], clock: Clock) -> None:
    caller = _busy(start, clock)
    narrow = {"startDate": _today(clock), "startTime": clock.now - 1, "endTime": clock.now + 1}
    assert _result(caller, _export(caller, "exportData", **narrow))["numSessions"] == 1


@pytest.mark.parametrize(("value", "cell"), [(1.5e9, "1.5E9"), (["a", 1], '"[""a"",1]"'), ("x,y", '"x,y"')])
def test_values_in_the_users_export(start: Callable[..., Caller], value: Any, cell: str) -> None:
    caller = start(({"userId": "u", "userAttributes": {"a": value}},))
    result = _result(caller, _export(caller, "exportUsers", userAttribute="a"))
    assert requests.get(result["files"][0], timeout=300).text == f"u,{cell}\n"


_SPECIAL: Final = (
    {"userId": "a", "userAttributes": {"t": 'x,"y"'}},
    {"userId": "b", "userAttributes": {"t": "z"}},
)
_NINE: Final = tuple({"userId": f"u{number}", "userAttributes": {"t": "x"}} for number in range(9))


def _exported(caller: Caller, **arguments: Any) -> str:
    result = _result(caller, _export(caller, "exportUsers", **(arguments or {"userAttribute": "t"})))
    return requests.get(result["files"][0], timeout=300).text


@pytest.mark.parametrize(("rows", "content"), [("with_attribute", "b,z\n"), ("every_user", "a,\nb,z\n")])
def test_users_without_the_attribute_are_left_out_or_listed_with_an_empty_value(
    start: Callable[..., Caller], rows: Any, content: str
) -> None:
    users = ({"userId": "a"}, {"userId": "b", "userAttributes": {"t": "z"}})
    assert _exported(start(users, switches=Switches(export_users_rows=rows))) == content


@pytest.mark.parametrize(
    ("quoting", "content"),
    [
        ("minimal", 'a,"x,""y"""\nb,z\n'),
        ("all", '"a","x,""y"""\n"b","z"\n'),
        ("backslash", 'a,x\\,\\"y\\"\nb,z\n'),
        ("none", 'a,x,"y"\nb,z\n'),
    ],
)
def test_an_export_of_users_is_quoted_in_any_of_four_ways(
    start: Callable[..., Caller], quoting: Any, content: str
) -> None:
    assert _exported(start(_SPECIAL, switches=Switches(export_users_quoting=quoting))) == content


def test_an_export_of_users_can_be_shuffled(start: Callable[..., Caller]) -> None:
    in_order = _exported(start(_NINE))
    shuffled = _exported(start(_NINE, switches=Switches(export_users_order="shuffled")))
    assert in_order != shuffled
    assert in_order.splitlines() == sorted(shuffled.splitlines())


@pytest.mark.parametrize(("duplicates", "value"), [("same", "x"), ("contradicting", "")])
def test_an_export_of_users_can_repeat_rows(
    start: Callable[..., Caller], duplicates: Any, value: str
) -> None:
    lines = _exported(start(_NINE, switches=Switches(export_users_duplicates=duplicates))).splitlines()
    assert lines[9:] == [f"u0,{value}", f"u3,{value}", f"u6,{value}"]


def test_an_export_of_users_can_lack_rows(start: Callable[..., Caller]) -> None:
    lines = _exported(start(_NINE, switches=Switches(export_users_missing=True))).splitlines()
    assert lines == [f"u{number},x" for number in range(9) if number != 4]


def test_an_export_of_users_can_be_stale(start: Callable[..., Caller]) -> None:
    caller = start(_NINE[:1], switches=Switches(export_users_stale=True))
    shown = [_exported(caller)]
    for value in ("y", "z"):
        caller.call("setUserAttributes", userId="u0", userAttributes={"t": value})
        shown.append(_exported(caller))
    assert shown == ["u0,x\n", "u0,x\n", "u0,y\n"]


@pytest.mark.parametrize(
    ("truncated", "end"), [("no", "u8,x\n"), ("in_a_row", "u5,x\nu6,"), ("between_rows", "u5,x\n")]
)
def test_the_file_of_an_export_of_users_can_be_cut_off(
    start: Callable[..., Caller], truncated: Any, end: str
) -> None:
    caller = start(_NINE, switches=Switches(export_users_truncated=truncated, export_users_bytes=True))
    result = _result(caller, _export(caller, "exportUsers", userAttribute="t"))
    assert requests.get(result["files"][0], timeout=300).text.endswith(end)
    assert result["numBytes"] == 9 * len("u0,x\n")


def test_an_export_of_users_can_fail(start: Callable[..., Caller]) -> None:
    caller = start(_NINE, switches=Switches(export_users_outcome="FAILED"))
    assert _result(caller, _export(caller, "exportUsers"))["state"] == "FAILED"
