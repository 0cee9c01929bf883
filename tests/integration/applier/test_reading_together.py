"""Looks, doubts and proof with one request for many users: the same finds, for the same lookups, whatever the API makes of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from types import ModuleType
from typing import Any

import pytest

from leanplum_sync.applier.ports import StopFlag
from leanplum_sync.client.calls import Calls
from leanplum_sync.client.credentials import EMULATOR_KEYS, Connection, Keys
from leanplum_sync.client.http import HttpTransport
from leanplum_sync.client.reader import Reader
from leanplum_sync.clock import SystemClock
from leanplum_sync.emulator import Switches
from leanplum_sync.errors import CredentialError, InterruptedRunError
from leanplum_sync.journal import read_journal
from leanplum_sync.journal.entry import BatchState, Fate
from leanplum_sync.operations.verify import Difference, verify
from leanplum_sync.progress import SilentProgress
from leanplum_sync.wire.user_batch import UserBatch, unread

TOGETHER = {"together": 50, "concurrency": 1}
ONLY_ALONE = Switches(duplicates="carry_out", export_user_in_multi=False)

# What goes wrong with the first request that reads, and how many of its three users are perhaps billed once more.
FAULTS = [
    ("cut-before:action=exportUser,times=1", 3),
    ("cut-after:action=exportUser,times=1", 3),
    ("short:action=exportUser,times=1", 3),
    ("reordered:action=exportUser,times=1", 0),
    ("html:action=exportUser,times=1", 3),
    ("status:action=exportUser,status=500,times=1", 3),
    ("success-and-error:action=exportUser,times=1", 3),
    ("status:action=exportUser,status=403,times=1", 0),
    ("status:action=exportUser,status=429,times=2", 0),
]


class NoWaiting(SystemClock):
    def sleep(self, seconds: float) -> None:
        pass


def requests_of(api: Any) -> Mapping[str, int]:
    found: Mapping[str, int] = api.counts()["requests"]["byAction"]
    return {name: found.get(name, 0) for name in ("multi", "exportUser")}


@pytest.fixture
def looking(world: ModuleType) -> dict[str, Any]:
    return {**TOGETHER, "recheck": world.Recheck.ON}


@pytest.fixture
def check(api: Any) -> Any:
    def look(plan: Any, sample: int | None = None, keys: Any = EMULATOR_KEYS, **given: Any) -> Any:
        with HttpTransport(is_local=True) as transport:
            connection = Connection.to_emulator(api.url)
            return verify(
                plan,
                Reader(Calls(connection, Keys.of(keys), transport, NoWaiting())),
                sample=sample,
                clock=SystemClock(),
                progress=SilentProgress(),
                **{"together": 50} | given,
            )

    return look


def test_a_batch_is_looked_at_with_one_request(
    run: Any, api: Any, world: ModuleType, looking: dict[str, Any]
) -> None:
    api.set("u000", tier="gold")
    api.set("u001", tier="platinum")
    receipt = run("attributes", settings=looking).go()
    assert requests_of(api) == {"multi": 4 + 4, "exportUser": 0}
    assert receipt.recheck_reads == api.counts()["billableLookups"]["reads"] == 12
    assert receipt.subjects == {Fate.DONE: 11, Fate.CONFLICTING: 1}
    assert receipt.actions[Fate.ALREADY] == 1
    assert api.user("u001")["userAttributes"]["tier"] == "platinum"


def test_without_the_switch_each_user_is_looked_at_alone(run: Any, api: Any, world: ModuleType) -> None:
    receipt = run("attributes", settings={"recheck": world.Recheck.ON}).go()
    assert requests_of(api) == {"multi": 4, "exportUser": 12}
    assert receipt.recheck_reads == 12


def test_a_doubt_is_looked_into_with_one_request(run: Any, api: Any) -> None:
    api.faults(
        "cut-after:action=setUserAttributes,times=1; cut-before:action=setUserAttributes,times=1,after=1"
    )
    receipt = run("attributes", settings=TOGETHER).go()
    assert receipt.complete
    assert requests_of(api) == {"multi": 5 + 2, "exportUser": 0}
    assert receipt.settle_reads == api.counts()["billableLookups"]["reads"] == 6


@pytest.mark.parametrize(("fault", "again"), FAULTS)
def test_whatever_goes_wrong_with_a_look_its_users_are_looked_at_alone_and_counted(
    fault: str, again: int, run: Any, api: Any, looking: dict[str, Any]
) -> None:
    api.faults(fault)
    receipt = run("everything", settings=looking, clock=NoWaiting()).go()
    assert receipt.complete
    assert receipt.recheck_reads == 12 + again
    counts = api.counts()
    assert counts["billableLookups"]["reads"] <= receipt.recheck_reads
    assert counts["overlaps"]["times"] == 0


@pytest.mark.parametrize(("fault", "again"), FAULTS)
def test_whatever_goes_wrong_with_looking_into_a_doubt_its_users_are_looked_at_alone_and_counted(
    fault: str, again: int, run: Any, api: Any
) -> None:
    api.faults(f"cut-after:action=setUserAttributes,times=1; {fault}")
    receipt = run("everything", settings=TOGETHER, clock=NoWaiting()).go()
    assert receipt.complete
    assert receipt.settle_reads == 3 + again


@pytest.mark.parametrize("together", [1, 2, 50])
@pytest.mark.parametrize("fault", ["html:", "status:status=429,"])
@pytest.mark.parametrize("doubt", ["", "cut-after:action=setUserAttributes,times=1; "])
def test_looks_that_end_in_an_error_are_counted_too(
    *, together: int, fault: str, doubt: str, run: Any, api: Any, looking: dict[str, Any], journal_path: Any
) -> None:
    settings = {"concurrency": 1} if doubt else looking
    api.faults(f"{doubt}{fault}action=exportUser,user=u001")
    receipt = run("attributes", settings=settings | {"together": together}, clock=NoWaiting()).go()
    assert receipt.batches[BatchState.IN_DOUBT if doubt else BatchState.PARKED] == 1
    billed = api.counts()["billableLookups"]["reads"]
    assert (receipt.settle_reads if doubt else receipt.recheck_reads) == billed
    assert billed >= 2 * (fault == "html:")
    api.faults("")
    assert run("attributes", settings=settings | {"resume": True}).go().complete


@pytest.mark.parametrize("switches", [ONLY_ALONE])
def test_an_api_that_reads_nobody_together_is_asked_to_once(
    run: Any, api: Any, looking: dict[str, Any]
) -> None:
    receipt = run("attributes", settings=looking).go()
    assert receipt.complete
    assert requests_of(api) == {"multi": 1 + 4, "exportUser": 12}
    assert receipt.recheck_reads == 12 + 3


def test_a_user_whom_the_api_refuses_to_show_stops_nobody_else(
    run: Any, api: Any, looking: dict[str, Any]
) -> None:
    api.faults("status:status=451,action=exportUser,user=u003")
    receipt = run("attributes", settings=looking).go()
    assert receipt.actions == {Fate.DONE: 11, Fate.REJECTED: 1} | {
        fate: 0 for fate in receipt.actions if fate not in (Fate.DONE, Fate.REJECTED)
    }
    assert receipt.recheck_reads == 12


def test_a_rate_limit_that_stays_parks_what_was_to_be_looked_at(
    run: Any, api: Any, looking: dict[str, Any]
) -> None:
    api.faults("status:status=429,action=exportUser")
    receipt = run("attributes", settings=looking, clock=NoWaiting()).go()
    assert receipt.actions[Fate.PARKED] == 12
    assert requests_of(api)["exportUser"] == 0
    api.faults("")
    assert run("attributes", settings={**looking, "resume": True}).go().complete


class Ending:
    """Its answers about several are lost, and after the first about one somebody asks the run to end."""

    def __init__(self, reader: Any, stop: StopFlag) -> None:
        self._reader, self._stop = reader, stop
        self.asked: list[str] = []

    def export_users(self, subjects: Sequence[Any], **_: Any) -> Any:
        return unread(subjects, works=True, was_billed=True)

    def export_user(self, subject: Any, **given: Any) -> Any:
        self.asked.append(subject.id)
        self._stop.request(15)
        return self._reader.export_user(subject, **given)


@pytest.mark.parametrize("of_doubt", [True, False])
def test_a_run_that_is_asked_to_end_reads_nobody_more(
    *, of_doubt: bool, run: Any, api: Any, world: ModuleType, looking: dict[str, Any], journal_path: Any
) -> None:
    if of_doubt:
        api.faults("cut-before:action=setUserAttributes")
    stop = StopFlag()
    readers: list[Ending] = []

    def wrapped(reader: Any) -> Ending:
        readers.append(Ending(reader, stop))
        return readers[0]

    settings = TOGETHER if of_doubt else looking
    plan = world.plan_for("attributes", users_per_batch=12)
    with pytest.raises(InterruptedRunError):
        run(plan=plan, settings=settings, stop=stop, wrap_reader=wrapped).go()
    assert readers[0].asked == ["u000"]
    with read_journal(journal_path) as journal:
        assert [entry.state for entry in journal.batches(1)] == [BatchState.IN_DOUBT] * of_doubt


def test_a_finished_run_is_proved_with_few_requests(
    run: Any, api: Any, world: ModuleType, check: Any
) -> None:
    plan = world.plan_for("everything")
    run(plan=plan).go()
    before = api.counts()["requests"]["byAction"]["multi"]
    found = check(plan, together=5)
    assert found.is_proof
    assert (found.checked, found.equal, found.again) == (12, 12, 0)
    assert requests_of(api) == {"multi": before + 3, "exportUser": 0}
    assert api.counts()["billableLookups"]["reads"] == 12


@pytest.mark.parametrize(("fault", "again"), [(fault, 12 * bool(again)) for fault, again in FAULTS])
def test_whatever_goes_wrong_with_reading_back_each_is_read_alone_and_counted(
    *, fault: str, again: int, run: Any, api: Any, world: ModuleType, check: Any
) -> None:
    plan = world.plan_for("attributes")
    run(plan=plan).go()
    api.set("u004", tier="platinum")
    api.faults(fault)
    found = check(plan)
    assert (found.checked, found.equal, found.unread, found.again) == (12, 11, 0, again)
    assert found.differing == (Difference(world.Subject.user("u004"), ("tier",)),)


@pytest.mark.parametrize("switches", [ONLY_ALONE])
def test_where_nobody_is_read_together_proof_goes_on_one_by_one(
    api: Any, world: ModuleType, check: Any
) -> None:
    found = check(world.plan_for("attributes"), together=3, concurrency=4)
    assert (found.checked, found.different, found.again) == (12, 12, 3)
    assert requests_of(api)["exportUser"] == 12


def test_who_can_not_be_read_back_is_no_proof(run: Any, api: Any, world: ModuleType, check: Any) -> None:
    plan = world.plan_for("attributes")
    run(plan=plan).go()
    api.faults("status:status=451,action=exportUser,user=u003")
    found = check(plan)
    assert (found.equal, found.unread, found.again) == (11, 1, 0)
    api.faults("status:status=429,action=exportUser")
    found = check(plan)
    assert (found.checked, found.unread) == (12, 12)
    assert not found.is_proof


class Held:
    """Answers about several: the first at once, the second when it is let go, and then without anybody in it."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.is_asked_again, self.is_let_go = threading.Event(), threading.Event()

    def export_users(self, subjects: Sequence[Any], **_: Any) -> UserBatch:
        self.asked.append(len(subjects))
        if len(self.asked) == 1:
            element = {"success": True, "userAttributes": {}}
            return UserBatch((element,) * len(subjects), works=True, was_billed=True)
        self.is_asked_again.set()
        self.is_let_go.wait(600)
        return unread(subjects, works=True, was_billed=True)

    def export_user(self, subject: Any, **_: Any) -> Any:
        self.asked.append(1)
        return {"success": True, "userAttributes": {}}


def test_who_interrupts_a_proof_waits_for_nothing_and_nobody_more_is_read(world: ModuleType) -> None:
    held = Held()
    let_go_before_the_end: list[bool] = []

    class Interrupts(SilentProgress):
        def track(self, what: str, total: int | None, unit: str) -> Any:
            return nullcontext(self)

        def skip(self, steps: int = 1) -> None:
            pass

        def advance(self, steps: int = 1) -> None:
            held.is_asked_again.wait(600)
            raise KeyboardInterrupt

    before = set(threading.enumerate())
    # Only ends a test that hangs.
    end = threading.Timer(300, lambda: (let_go_before_the_end.append(True), held.is_let_go.set()))
    end.start()
    with pytest.raises(KeyboardInterrupt):
        verify(
            world.plan_for("attributes"),
            held,
            sample=None,
            clock=SystemClock(),
            progress=Interrupts(),
            concurrency=1,
            together=3,
        )
    end.cancel()
    held.is_let_go.set()
    for thread in set(threading.enumerate()) - before:
        thread.join()
    assert not let_go_before_the_end
    assert held.asked == [3, 3]


def test_without_the_key_for_reading_nothing_is_proved(world: ModuleType, check: Any) -> None:
    with pytest.raises(CredentialError):
        check(world.plan_for("attributes"), keys={})
