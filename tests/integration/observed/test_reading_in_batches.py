"""Users read many at a time: the snapshot is the same as by reading each alone, whatever the API makes of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import requests
from files import ndjson
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync import emulator
from leanplum_sync.address import Subject
from leanplum_sync.client.calls import Calls
from leanplum_sync.client.credentials import EMULATOR_KEYS, Connection, KeyClass, Keys
from leanplum_sync.client.http import HttpTransport
from leanplum_sync.client.reader import Reader
from leanplum_sync.clock import SystemClock
from leanplum_sync.emulator.switches import Switches
from leanplum_sync.errors import RateLimitedError
from leanplum_sync.observed import read
from leanplum_sync.observed.crew import Crew
from leanplum_sync.operations.pull import PullReport, pull
from leanplum_sync.progress import SilentProgress
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.envelope import Answered, RefusalKind, Refused, Unreadable
from leanplum_sync.wire.outcome import ActionOutcome, Outcome
from leanplum_sync.wire.user_batch import UserBatch, read_user_batch

KEYS = Keys.of({KeyClass.DATA_EXPORT: EMULATOR_KEYS[KeyClass.DATA_EXPORT]})
USERS = 60
MISSING = [Subject.user("nobody"), Subject.user("no one")]
SUBJECTS = [*(Subject.user(f"u{number}") for number in range(USERS)), *MISSING, Subject.device("D1")]


class NoWaiting(SystemClock):
    def sleep(self, seconds: float) -> None:
        pass


def pulled(url: str, into: Path, *, together: int, subjects: Sequence[Subject] = SUBJECTS) -> PullReport:
    with HttpTransport(is_local=True) as transport:
        return pull(
            Reader(Calls(Connection.to_emulator(url), KEYS, transport, NoWaiting())),
            subjects,
            into,
            concurrency=2,
            requests_per_second=None,
            max_age_seconds=3600,
            clock=SystemClock(),
            progress=SilentProgress(),
            together=together,
        )


def content(path: Path) -> dict[Subject, Mapping[str, Json]]:
    return {entry.subject: entry.element for entry in read(path)}


def counts(url: str) -> Any:
    return requests.get(f"{url}/_emulator/counts", timeout=300).json()


def make_fail(url: str, faults: str) -> None:
    requests.post(f"{url}/_emulator/faults", data=faults, timeout=300).raise_for_status()


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    path = tmp_path / "seed.ndjson"
    users: list[dict[str, Any]] = [
        {"userId": f"u{number}", "created": 1.6e9, "userAttributes": {"n": number, "list": ["a", "b"]}}
        for number in range(USERS)
    ]
    users[7]["devices"] = [{"deviceId": "D1"}]
    path.write_text(ndjson(*users))
    return path


@pytest.fixture
def alone(seed: Path, tmp_path: Path) -> dict[Subject, Mapping[str, Json]]:
    with emulator.running(seeds=[seed]) as app:
        pulled(app.url, tmp_path / "alone.ndjson", together=1)
    return content(tmp_path / "alone.ndjson")


@pytest.mark.parametrize("is_supported", [True, False])
def test_the_snapshot_is_the_same_whether_the_api_reads_users_in_batches_or_not(
    seed: Path, tmp_path: Path, alone: dict[Subject, Mapping[str, Json]], is_supported: bool
) -> None:
    switches = Switches(export_user_in_multi=is_supported)
    with emulator.running(seeds=[seed], switches=switches) as app:
        report = pulled(app.url, tmp_path / "seen.ndjson", together=50)
        received = counts(app.url)["requests"]["total"]
    assert content(tmp_path / "seen.ndjson") == alone
    assert (report.read, report.missing, report.failed) == (len(SUBJECTS), 2, 0)
    if is_supported:
        assert (received, report.again) == (2, 0)
    else:
        assert len(SUBJECTS) < received <= len(SUBJECTS) + 2


@pytest.mark.parametrize(
    "fault",
    [
        "short:action=multi,times=1",
        "reordered:action=multi,times=1",
        "html:action=multi,times=1",
        "truncated:action=multi,times=1",
        "cut-after:action=multi,times=1",
        "status:action=multi,status=500,times=1",
        "status:action=multi,status=403,times=1",
        "status:action=multi,status=429,times=2",
        "success-and-error:action=multi,times=1",
    ],
)
def test_whatever_goes_wrong_with_a_batch_its_users_are_read_alone(
    seed: Path, tmp_path: Path, alone: dict[Subject, Mapping[str, Json]], fault: str
) -> None:
    with emulator.running(seeds=[seed]) as app:
        make_fail(app.url, fault)
        report = pulled(app.url, tmp_path / "seen.ndjson", together=50)
    assert content(tmp_path / "seen.ndjson") == alone
    assert report.read == len(SUBJECTS)


@pytest.mark.parametrize("fault", ["status:status=502", "cut-after:", "html:"])
def test_one_bad_answer_does_not_end_reading_in_batches_and_three_in_a_row_do(
    seed: Path, tmp_path: Path, alone: dict[Subject, Mapping[str, Json]], fault: str
) -> None:
    once, always = tmp_path / "once.ndjson", tmp_path / "always.ndjson"
    with emulator.running(seeds=[seed]) as app:
        make_fail(app.url, f"{fault},action=multi,times=1".replace(":,", ":"))
        assert pulled(app.url, once, together=10).again == 10
        assert counts(app.url)["requests"]["byAction"] == {"multi": 7, "exportUser": 10}
        make_fail(app.url, f"{fault},action=multi".replace(":,", ":"))
        assert pulled(app.url, always, together=10).again == 30
        assert counts(app.url)["requests"]["byAction"] == {"multi": 7 + 3, "exportUser": 10 + len(SUBJECTS)}
    assert content(once) == content(always) == alone


def test_answers_in_another_order_are_not_believed(
    seed: Path, tmp_path: Path, alone: dict[Subject, Mapping[str, Json]]
) -> None:
    subjects = list(reversed(SUBJECTS))
    with emulator.running(seeds=[seed], switches=Switches(order="user_sorted")) as app:
        pulled(app.url, tmp_path / "seen.ndjson", together=50, subjects=subjects)
    assert content(tmp_path / "seen.ndjson") == alone


def test_a_rate_limit_that_stays_ends_the_pull_and_the_same_call_goes_on(
    seed: Path, tmp_path: Path, alone: dict[Subject, Mapping[str, Json]]
) -> None:
    path = tmp_path / "seen.ndjson"
    with emulator.running(seeds=[seed]) as app:
        make_fail(app.url, "status:action=multi,status=429,after=2")
        with pytest.raises(
            RateLimitedError, match=r"users are in the snapshot. Run the same command again to continue"
        ):
            pulled(app.url, path, together=10)
        kept = len(content(path))
        make_fail(app.url, "")
        report = pulled(app.url, path, together=10)
    assert 0 < kept < len(SUBJECTS)
    assert (report.reused, report.read) == (kept, len(SUBJECTS) - kept)
    assert content(path) == alone


class Late:
    """The first answer about several comes at once, the second a little after the interruption."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.is_asked_again, self.is_interrupted = threading.Event(), threading.Event()

    def export_users(self, subjects: Sequence[Subject], **_: Any) -> UserBatch:
        self.asked.append(len(subjects))
        if len(self.asked) > 1:
            self.is_asked_again.set()
            self.is_interrupted.wait(600)
            time.sleep(0.05)
        elements = tuple(element(subject, FOUND) for subject in subjects)
        return UserBatch(elements, works=True, was_billed=True)

    def export_user(self, subject: Subject, **_: Any) -> Any:
        raise AssertionError("nobody is to be read alone")


class Interrupts(SilentProgress):
    def __init__(self, late: Late) -> None:
        self._late = late

    def track(self, what: str, total: int | None, unit: str) -> Any:
        return nullcontext(self)

    def skip(self, steps: int = 1) -> None:
        pass

    def advance(self, steps: int = 1) -> None:
        self._late.is_asked_again.wait(600)
        self._late.is_interrupted.set()
        raise KeyboardInterrupt


def interrupted(into: Path) -> Late:
    late = Late()
    with pytest.raises(KeyboardInterrupt):
        pull(
            late,
            [Subject.user(f"u{number}") for number in range(60)],
            into,
            concurrency=1,
            requests_per_second=None,
            max_age_seconds=3600,
            clock=SystemClock(),
            progress=Interrupts(late),
            together=10,
        )
    return late


def test_what_is_asked_for_when_a_pull_is_interrupted_is_waited_for_and_kept(tmp_path: Path) -> None:
    late = interrupted(tmp_path / "seen.ndjson")
    assert late.asked == [10, 10]
    assert len(content(tmp_path / "seen.ndjson")) == 20


def test_who_interrupts_once_more_waits_for_nothing_and_keeps_what_came(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def wait(_crew: Any, _seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Crew, "wait", wait)
    interrupted(tmp_path / "seen.ndjson")
    assert len(content(tmp_path / "seen.ndjson")) == 10


def test_a_batch_is_of_nothing_but_reads_with_the_key_that_cannot_write(
    monkeypatch: pytest.MonkeyPatch, seed: Path, tmp_path: Path
) -> None:
    bodies: list[Any] = []
    send = HttpTransport.send

    def watched(self: HttpTransport, request: Any, *rest: Any) -> Any:
        bodies.append(json.loads(request.body))
        return send(self, request, *rest)

    monkeypatch.setattr(HttpTransport, "send", watched)
    with emulator.running(seeds=[seed]) as app:
        pulled(app.url, tmp_path / "seen.ndjson", together=50)
    assert {body["clientKey"] for body in bodies} == {EMULATOR_KEYS[KeyClass.DATA_EXPORT]}
    assert {action["action"] for body in bodies for action in body["data"]} == {"exportUser"}
    assert max(len(body["data"]) for body in bodies) == 50


FOUND, GONE, FAILED = "found", "gone", "failed"
WARNING = {"message": "User not found; request skipped."}


def element(subject: Subject, kind: str) -> dict[str, Json]:
    match kind:
        case "found":
            return {"success": True, "userId": subject.id, "userAttributes": {"n": subject.id}}
        case "gone":
            return {"success": True, "warning": WARNING}
        case _:
            return {"success": False, "error": {"message": "No."}}


@given(
    st.lists(st.sampled_from([FOUND, GONE, FAILED]), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_in_whatever_order_elements_come_nobody_gets_what_is_anothers(
    kinds: list[str], randomness: Any
) -> None:
    subjects = [Subject.user(f"u{number}") for number in range(len(kinds))]
    true = [element(*each) for each in zip(subjects, kinds, strict=True)]
    shuffled = randomness.sample(true, len(true))
    outcomes = (ActionOutcome(Outcome.DONE),) * len(true)
    batch = read_user_batch(Answered(outcomes, tuple(shuffled)), subjects)
    assert all(told in (None, alone) for told, alone in zip(batch.elements, true, strict=True))
    in_order = read_user_batch(Answered(outcomes, tuple(true)), subjects)
    assert [told is not None for told in in_order.elements] == [
        kind == FOUND or (kind == GONE and FAILED not in kinds) for kind in kinds
    ]


@pytest.mark.parametrize(
    ("answer", "was_billed"),
    [
        (Refused(403, "Too many.", RefusalKind.BUG), False),
        (Refused(403, "Invalid access key", RefusalKind.KEY), False),
        (Answered((ActionOutcome(Outcome.DONE),) * 2, ({"success": True}, {"success": True})), True),
        (Answered((ActionOutcome(Outcome.DONE),) * 2, ({"success": True, "warning": "Huh?"},) * 2), True),
    ],
)
def test_an_answer_that_names_nobody_is_not_asked_for_again(answer: Any, was_billed: bool) -> None:
    subjects = [Subject.user("a"), Subject.user("b")]
    assert read_user_batch(answer, subjects) == UserBatch((None, None), works=False, was_billed=was_billed)


def test_an_answer_that_says_nothing_does_not_say_that_the_api_refuses() -> None:
    subjects = [Subject.user("a"), Subject.user("b")]
    nothing = UserBatch((None, None), works=True, was_billed=True)
    assert read_user_batch(Unreadable("No list."), subjects) == nothing
    mixed = (element(subjects[0], GONE), element(subjects[1], FAILED))
    assert read_user_batch(Answered((ActionOutcome(Outcome.DONE),) * 2, mixed), subjects) == nothing
