"""Faults on request: what the client sees, and what was done all the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests
from shell import Served
from waiting import wait_for

from leanplum_sync import emulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Caller, Clock

_TRACK = {"action": "track", "userId": "u", "event": "e"}


def _done(caller: Caller) -> int:
    """Return how often the event took effect."""
    return caller.counts()["effects"].get("track", 0)


def _track(caller: Caller, **options: Any) -> requests.Response:
    body = {"appId": emulator.APP_ID, "clientKey": emulator.KEYS["production"], **_TRACK}
    return requests.post(f"{caller.url}/api", json=body, timeout=options.pop("timeout", 300))


def _set_faults(caller: Caller, given: Any) -> requests.Response:
    if isinstance(given, str):
        return requests.post(f"{caller.url}/_emulator/faults", data=given.encode(), timeout=300)
    return requests.post(f"{caller.url}/_emulator/faults", json=given, timeout=300)


@pytest.mark.claim("fault-drop")
@pytest.mark.parametrize(("fault", "done"), [("cut-before", 0), ("cut-after", 1)])
def test_a_cut_connection_leaves_no_answer(start: Callable[..., Caller], fault: str, done: int) -> None:
    caller = start(faults=f"{fault}:times=1")
    with pytest.raises(requests.ConnectionError):
        _track(caller)
    assert _done(caller) == done
    assert caller.counts()["writes"] == 1
    assert _track(caller).status_code == 200


@pytest.mark.claim("fault-drop")
def test_a_call_may_be_half_done_and_cut(start: Callable[..., Caller]) -> None:
    caller = start(faults="cut-half:times=1")
    with pytest.raises(requests.ConnectionError):
        caller.multi(_TRACK, _TRACK, _TRACK, _TRACK)
    assert _done(caller) == 2
    assert caller.counts()["writes"] == 4


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_status_comes_instead_of_the_work(start: Callable[..., Caller], status: int) -> None:
    caller = start(faults=f"{status}:times=1")
    answer = _track(caller)
    assert (answer.status_code, _done(caller)) == (status, 0)
    assert answer.headers["Content-Type"].startswith("application/json" if status < 500 else "text/html")
    assert caller.counts()["rejectedRequests"] == {str(status): 1}


@pytest.mark.claim("fault-after")
def test_a_status_may_come_after_the_work(start: Callable[..., Caller]) -> None:
    caller = start(faults="503:when=after,times=1")
    answer = _track(caller)
    assert (answer.status_code, _done(caller)) == (503, 1)
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("fault", ["late-answer", "latency"])
def test_the_work_is_done_though_the_client_gave_up(start: Callable[..., Caller], fault: str) -> None:
    caller = start(faults=f"{fault}:seconds=86400")
    with pytest.raises(requests.ReadTimeout):
        _track(caller, timeout=(300, 0.1))
    if fault == "latency":
        assert _done(caller) == 0
        _set_faults(caller, "")
    wait_for(lambda: _done(caller) == 1)


@pytest.mark.parametrize("fault", ["late-answer", "latency"])
def test_a_delayed_call_continues_when_the_faults_are_replaced(
    start: Callable[..., Caller], fault: str
) -> None:
    caller = start(faults=f"{fault}:seconds=86400")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(_track, caller)
        wait_for(Served(caller.url).holds)
        assert not answer.done()
        _set_faults(caller, "503:action=advance")
        assert answer.result().status_code == 200
    assert _done(caller) == 1


def test_queued_work_is_done_after_the_connection_is_gone(start: Callable[..., Caller]) -> None:
    caller = start(faults="queued:seconds=0.01,times=1")
    with pytest.raises(requests.ConnectionError):
        _track(caller)
    wait_for(lambda: _done(caller) == 1)


def test_queued_work_is_not_done_before_its_time(start: Callable[..., Caller]) -> None:
    caller = start(faults="queued:seconds=86400")
    with pytest.raises(requests.ConnectionError):
        _track(caller)
    assert _done(caller) == 0
    _set_faults(caller, "")
    wait_for(lambda: _done(caller) == 1)


def test_queued_work_is_done_before_the_emulator_stops(tmp_path: Path, start: Callable[..., Caller]) -> None:
    state = tmp_path / "state.db"
    with (
        emulator.running(state=state, faults="queued:seconds=600") as running,
        pytest.raises(requests.ConnectionError),
    ):
        requests.post(
            f"{running.url}/api",
            json={"appId": emulator.APP_ID, "clientKey": emulator.KEYS["production"], **_TRACK},
            timeout=300,
        )
    assert _done(start(state=state)) == 1


def test_a_truncated_body_can_not_be_read(start: Callable[..., Caller]) -> None:
    caller = start(faults="truncated:times=1")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        _track(caller)
    assert _done(caller) == 1


@pytest.mark.claim("fault-short")
def test_a_short_answer_lacks_its_last_elements(start: Callable[..., Caller]) -> None:
    caller = start(faults="short:elements=2,times=1")
    assert len(caller.multi(_TRACK, _TRACK, _TRACK)) == 1
    assert _done(caller) == 3


@pytest.mark.claim("fault-reorder")
def test_a_reordered_answer_has_the_same_elements_elsewhere(start: Callable[..., Caller]) -> None:
    actions = [_TRACK | {"reqId": str(n)} for n in range(5)]
    orders = [
        [element["reqId"] for element in start(faults="reordered; seed=3").multi(*actions)] for _ in range(2)
    ]
    assert orders[0] == orders[1]
    assert sorted(orders[0]) == ["0", "1", "2", "3", "4"] != orders[0]


@pytest.mark.claim("clock")
def test_the_servers_clock_can_be_ahead(start: Callable[..., Caller]) -> None:
    caller = start(faults="skew:seconds=172800,action=multi")
    (element,) = caller.multi(_TRACK, time=1_700_000_000)
    assert element["warning"]["message"] == "Device clock skew detected (2 days behind). Rewriting timestamp."


@pytest.mark.claim("clock")
def test_a_clock_that_is_ahead_shows_in_the_date_of_the_answer(
    start: Callable[..., Caller], clock: Clock
) -> None:
    clock.now = 1_700_000_000.7
    dates = [
        start(faults=faults).post("track", userId="u", event="e").headers.get("Date")
        for faults in (
            "",
            "skew:seconds=172800",
            "skew:seconds=172800; status:status=503",
            "skew:seconds=1e300",
        )
    ]
    late = "Thu, 16 Nov 2023 22:13:20 GMT"
    assert dates == ["Tue, 14 Nov 2023 22:13:20 GMT", late, late, "Fri, 31 Dec 9999 23:59:59 GMT"]


def test_an_answer_may_be_a_web_page(start: Callable[..., Caller]) -> None:
    answer = _track(start(faults="html"))
    assert (answer.status_code, answer.text[:6]) == (200, "<html>")


def test_a_call_can_be_skipped(start: Callable[..., Caller]) -> None:
    caller = start(faults="skipped:times=1")
    (element,) = _track(caller).json()["response"]
    assert (element["success"], element["warning"]["message"]) == (True, "Scripted warning; request skipped.")
    (element,) = _track(caller).json()["response"]
    assert "warning" not in element


def test_an_answer_can_have_both_success_and_an_error(start: Callable[..., Caller]) -> None:
    (element,) = _track(start(faults="success-and-error")).json()["response"]
    assert (element["success"], element["error"]) == (True, {"message": "Scripted error."})


def test_signs_of_a_migration_can_be_shown(start: Callable[..., Caller]) -> None:
    assert set(_track(start(faults="migrated")).json()) == {"response", "migrateState"}
    (element,) = _track(start(faults="host-mismatch")).json()["response"]
    assert (element["success"], element["error"]["message"]) == (
        False,
        "App endpoint configuration mismatch.",
    )
    assert element["apiHost"]


def test_a_fault_strikes_its_action_and_user_only_after_some_and_so_often(
    start: Callable[..., Caller],
) -> None:
    caller = start(faults="429:action=track,user=u,after=1,times=2")
    caller.call("setUserAttributes", userId="u")
    caller.call("track", userId="v", event="e")
    statuses = [caller.post("multi", data=[_TRACK]).status_code for _ in range(5)]
    assert statuses == [200, 429, 429, 200, 200]
    assert caller.counts()["faults"] == {"status": 2}
    (told,) = requests.get(f"{caller.url}/_emulator/faults", timeout=300).json()["faults"]
    assert (told["matched"], told["struck"]) == (5, 2)


def test_the_same_seed_gives_the_same_faults(start: Callable[..., Caller]) -> None:
    def struck(seed: int) -> list[int]:
        caller = start(faults=f"500:probability=0.5; seed={seed}")
        return [_track(caller).status_code for _ in range(20)]

    first = struck(1)
    assert first == struck(1) != struck(2)
    assert set(first) == {200, 500}


@pytest.mark.parametrize(
    "given",
    ["429:times=1", [{"fault": "status", "status": 429, "times": 1}], {"fault": 429, "times": 1}],
    ids=["text", "list", "object"],
)
def test_faults_can_be_set_while_it_runs(start: Callable[..., Caller], given: Any) -> None:
    caller = start()
    assert _set_faults(caller, given).status_code == 200
    assert [_track(caller).status_code for _ in range(2)] == [429, 200]
    _set_faults(caller, [{"fault": "500"}])
    _set_faults(caller, [])
    assert _track(caller).status_code == 200


def test_what_is_told_of_faults_can_be_set_again(start: Callable[..., Caller]) -> None:
    caller = start(faults="cut-after:action=track,times=3; latency:seconds=0.5; seed=7")
    told = requests.get(f"{caller.url}/_emulator/faults", timeout=300).json()
    bare = [
        {key: value for key, value in fault.items() if key not in ("matched", "struck")}
        for fault in told["faults"]
    ]
    assert _set_faults(caller, [*bare, {"seed": told["seed"]}]).json() == told


def test_faults_come_from_yaml_or_json_lines(start: Callable[..., Caller], tmp_path: Path) -> None:
    (tmp_path / "faults.yaml").write_text("- {fault: 429, times: 1}\n- seed: 4\n")
    (tmp_path / "faults.jsonl").write_text('{"fault": "429", "times": 1}\n\n{"seed": 4}\n')
    for name in ("faults.yaml", "faults.jsonl"):
        caller = start(faults=str(tmp_path / name))
        assert [_track(caller).status_code for _ in range(2)] == [429, 200]


def test_a_reset_brings_back_the_faults_of_the_start(start: Callable[..., Caller]) -> None:
    caller = start(faults="429:times=1")
    assert _track(caller).status_code == 429
    requests.post(f"{caller.url}/_emulator/reset", timeout=300)
    assert _track(caller).status_code == 429


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("explode", "no such fault 'explode'"),
        ("latency:seconds=soon", "seconds must be a number"),
        ("latency:second=1", "no such option 'second'"),
        ("latency:1", "'1' is not NAME=VALUE"),
        ("200", "status must be 400 to 599"),
        ("500:probability=2", "probability must be 0 to 1"),
        ("500:times=-1", "times must not be negative"),
        ("500:when=never", "when must be 'before' or 'after'"),
        ("seed=x", "seed must be a number"),
    ],
)
def test_a_bad_fault_is_one_clear_sentence(start: Callable[..., Caller], text: str, sentence: str) -> None:
    with pytest.raises(emulator.EmulatorError, match=sentence):
        emulator.create_app(faults=text)
    caller = start()
    answer = _set_faults(caller, text)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("faults.yaml", "- {fault: [", "is not YAML"),
        ("faults.yaml", "- just text", "entry 1: expected an object"),
        ("faults.jsonl", '{"fault": "429"}\n{oops', r"faults\.jsonl:2: not a line of JSON"),
        ("faults.jsonl", '{"fault": "429", "when": 1}', r"faults\.jsonl:1: when must be"),
    ],
)
def test_a_bad_faults_file_is_one_clear_sentence(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(emulator.EmulatorError, match=sentence):
        emulator.create_app(faults=tmp_path / name)


def test_a_faults_file_that_is_not_there_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(emulator.EmulatorError, match="can't be read"):
        emulator.create_app(faults=tmp_path / "none.yaml")
