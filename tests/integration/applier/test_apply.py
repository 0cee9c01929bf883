"""Whole runs against the emulator, which counts what took effect."""

from __future__ import annotations

import signal
import time
import uuid
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from receipts import adds_up

from leanplum_sync.applier.receipt import StopReason
from leanplum_sync.errors import CredentialError, InterruptedRunError, JournalLockedError, StalePlanError
from leanplum_sync.journal import open_journal, read_journal
from leanplum_sync.journal.entry import BatchState, DeliveryState, Fate, Resolution, RunState


def test_every_kind_of_change_takes_effect_exactly_once(run: Any, api: Any, world: ModuleType) -> None:
    receipt = run("everything").go()
    assert receipt.complete
    assert adds_up(receipt)
    assert receipt.state is RunState.FINISHED
    assert receipt.subjects == {Fate.DONE: 12}
    assert api.sends() == dict.fromkeys(world.USERS, 1)
    assert api.increments() == {user: {"visits": 1} for user in world.USERS}
    user = api.user("u003")
    assert user["userAttributes"] == {"tier": "gold", "visits": 6, "interests": ["running"]}
    assert receipt.lookups == api.counts()["billableLookups"]["writes"]


def test_a_second_apply_of_the_same_plan_sends_nothing(run: Any, api: Any) -> None:
    first = run("everything").go()
    before = api.counts()
    second = run("everything").go()
    assert api.counts() == before
    assert second.sent_now == 0
    assert second.run == first.run
    assert second.actions == first.actions


def test_a_new_plan_with_the_digest_of_a_finished_one_is_carried_out(
    run: Any, api: Any, world: ModuleType
) -> None:
    run("attributes").go()
    api.set("u001", tier="silver")
    again = world.plan_for("attributes", created_at=world.SystemClock().now() + 1)
    receipt = run(plan=again).go()
    assert receipt.run == 2
    assert api.user("u001")["userAttributes"]["tier"] == "gold"


def test_another_plan_never_sends_what_the_journal_knows_as_delivered(
    run: Any, api: Any, world: ModuleType
) -> None:
    run("sends").go()
    other = world.plan_for("sends", users_per_batch=5, digest="e" * 64)
    receipt = run(plan=other).go()
    assert receipt.actions[Fate.ALREADY] == 12
    assert receipt.requests == 0
    assert api.sends() == dict.fromkeys(world.USERS, 1)


@pytest.mark.claim("never-twice")
def test_what_another_run_holds_is_in_doubt_until_a_person_decides_there(
    run: Any, api: Any, world: ModuleType, journal_path: Path
) -> None:
    api.faults("cut-before:action=sendMessage,times=1")
    held = run("sends", settings={"concurrency": 1}).go()
    other = world.plan_for("sends", users_per_batch=5, digest="e" * 64)
    receipt = run(plan=other).go()
    assert (receipt.actions[Fate.IN_DOUBT], receipt.actions[Fate.ALREADY]) == (3, 9)
    assert (receipt.state, receipt.needs_person, adds_up(receipt)) == (RunState.PARTIAL, True, True)
    assert {entry.fate for entry in receipt.exceptions} == {Fate.IN_DOUBT}
    assert all(f"resolve {held.run}" in entry.message for entry in receipt.exceptions)
    with open_journal(journal_path) as journal, journal.acquire("app_emulator", "sandbox") as lease:
        first = next(entry.action for entry in held.exceptions)
        journal.resolve(lease, held.run, Resolution.DONE, sequence=1, actions=[first])
        journal.resolve(lease, held.run, Resolution.AGAIN, sequence=1)
    receipt = run(plan=other).go()
    assert receipt.complete
    assert (receipt.actions[Fate.DONE], receipt.actions[Fate.ALREADY]) == (2, 10)
    assert api.sends() == dict.fromkeys(world.USERS[1:], 1)


def test_one_rejected_row_does_not_stop_the_rest_and_its_send_is_not_sent(
    run: Any, api: Any, world: ModuleType
) -> None:
    api.faults("success-and-error:action=setUserAttributes,user=u000,times=1")
    receipt = run("everything", settings={"rejections_limit": 100}).go()
    # The fault puts an error on every element of the batch that holds u000: three users.
    assert receipt.subjects[Fate.REJECTED] == 3
    assert receipt.actions[Fate.NOT_SENT] > 0
    assert adds_up(receipt)
    assert set(api.sends()) == set(world.USERS[3:])


def test_users_the_api_does_not_know_are_skipped_and_may_be_asked_for_again(
    run: Any, api: Any, world: ModuleType, journal_path: Path
) -> None:
    plan = world.plan_for("sends", ["u001", "nobody"])
    receipt = run(plan=plan).go()
    assert receipt.actions[Fate.SKIPPED] == 1
    (exception,) = receipt.exceptions
    assert exception.subject.id == "nobody"
    assert "User not found" in exception.message
    with read_journal(journal_path) as journal:
        known = journal.known("app_emulator", [world.Subject.user("u001"), world.Subject.user("nobody")])
    assert [bool(known[subject].delivered) for subject in known] == [True, False]


@pytest.mark.claim("resend-the-rest")
def test_a_lost_answer_about_attributes_is_settled_by_reading(run: Any, api: Any) -> None:
    api.faults(
        "cut-after:action=setUserAttributes,times=1; cut-before:action=setUserAttributes,times=1,after=1"
    )
    receipt = run("attributes").go()
    assert receipt.complete
    assert receipt.settle_reads == 6
    # One of the two batches had taken effect, and wasn't written again.
    assert receipt.requests == 4 + 1
    assert all(api.user(user)["userAttributes"]["tier"] == "gold" for user in ("u000", "u003", "u011"))


@pytest.mark.claim("never-twice")
def test_a_lost_answer_about_a_send_is_held_and_never_sent_again(
    run: Any, api: Any, journal_path: Path
) -> None:
    api.faults("cut-after:action=sendMessage,times=1; cut-before:action=sendMessage,times=1,after=1")
    receipt = run("sends").go()
    assert receipt.actions[Fate.HELD] == 6
    assert receipt.needs_person
    assert receipt.state is RunState.PARTIAL
    again = run("sends", settings={"resume": True}).go()
    assert again.sent_now == 0
    assert max(api.sends().values()) == 1
    with read_journal(journal_path) as journal:
        assert len(list(journal.deliveries(states=[DeliveryState.HELD]))) == 6


def test_what_is_held_goes_out_when_a_person_says_so_and_only_then(
    run: Any, api: Any, world: ModuleType, journal_path: Path
) -> None:
    api.faults("cut-before:action=sendMessage,times=1")
    held = run("sends", settings={"concurrency": 1}).go()
    assert held.batches[BatchState.HELD] == 1
    with open_journal(journal_path) as journal, journal.acquire("app_emulator", "sandbox") as lease:
        first = next(entry.action for entry in held.exceptions)
        assert journal.resolve(lease, held.run, Resolution.DONE, sequence=1, actions=[first]) == 1
        assert journal.resolve(lease, held.run, Resolution.AGAIN, sequence=1) == 2
    receipt = run("sends", settings={"resume": True}).go()
    assert receipt.complete
    assert set(api.sends()) == set(world.USERS[1:])


@pytest.mark.claim("never-twice")
@pytest.mark.parametrize("fault", ["cut-after", "cut-before"])
def test_an_increment_in_doubt_is_never_done_twice(run: Any, api: Any, world: ModuleType, fault: str) -> None:
    api.faults(f"{fault}:action=setUserAttributes,times=1")
    receipt = run("increments", settings={"concurrency": 1}).go()
    assert adds_up(receipt)
    if fault == "cut-after":
        assert receipt.complete
    else:
        assert receipt.actions[Fate.HELD] == 3
    assert all(count == {"visits": 1} for count in api.increments().values())


def test_rate_limits_are_waited_out_and_nothing_is_in_doubt(run: Any, api: Any, world: ModuleType) -> None:
    api.faults("status:status=429,action=setUserAttributes,times=5")
    receipt = run("attributes", clock=_Hurried()).go()
    assert receipt.complete
    assert receipt.requests == 4 + 5
    assert receipt.lookups == 12


def test_a_batch_refused_for_good_is_parked_and_taken_up_by_a_resume(run: Any, api: Any) -> None:
    api.faults("status:status=429,action=setUserAttributes,user=u000")
    parked = run("everything", clock=_Hurried()).go()
    assert parked.batches[BatchState.PARKED] == 1
    assert adds_up(parked)
    assert set(api.sends()).isdisjoint({"u000", "u001", "u002"})
    api.faults("")
    still = run("everything").go()
    assert still.actions == parked.actions
    receipt = run("everything", settings={"resume": True}).go()
    assert receipt.complete
    assert len(api.sends()) == 12


def test_a_run_that_meets_nothing_but_failure_stops_by_itself(run: Any, api: Any, world: ModuleType) -> None:
    api.faults("status:status=500")
    plan = world.plan_for("attributes", users_per_batch=1)
    receipt = run(plan=plan, settings={"failures_in_a_row": 3, "concurrency": 1}).go()
    assert receipt.stopped is StopReason.UNAVAILABLE
    assert receipt.actions[Fate.NOT_SENT] == 9
    api.faults("")
    assert run(plan=plan).go().complete


def test_rejections_past_the_limit_stop_the_run(run: Any, api: Any, world: ModuleType) -> None:
    api.faults("success-and-error:action=setUserAttributes")
    plan = world.plan_for("attributes", users_per_batch=1)
    receipt = run(plan=plan, settings={"rejections_limit": 4, "concurrency": 1}).go()
    assert receipt.stopped is StopReason.REJECTIONS
    assert receipt.actions[Fate.REJECTED] == 5
    assert adds_up(receipt)


def test_events_that_get_a_wrong_time_stop_the_run_and_are_neither_done_nor_sent_again(
    run: Any, api: Any, world: ModuleType
) -> None:
    api.faults("skew:seconds=200000,action=multi,times=1")
    plan = world.plan_for("events", users_per_batch=1)
    receipt = run(plan=plan, settings={"concurrency": 1}).go()
    assert receipt.stopped is StopReason.WRONG_TIME
    assert receipt.needs_person
    assert not receipt.complete
    assert receipt.actions[Fate.HELD] == 2
    assert receipt.actions[Fate.NOT_SENT] > 0
    assert adds_up(receipt)
    held = {each.message for each in receipt.exceptions if each.fate is Fate.HELD}
    assert held == {
        "Leanplum recorded it, but as happening now: Device clock skew detected (2 days behind). Rewriting timestamp."
    }
    again = run(plan=plan, settings={"concurrency": 1, "resume": True}).go()
    assert again.actions[Fate.HELD] == 2
    assert again.actions[Fate.DONE] == again.planned - 2
    assert adds_up(again)


def test_a_refused_key_ends_the_run_at_once_and_leaves_nothing_in_doubt(
    run: Any, api: Any, journal_path: Path, monkeypatch: pytest.MonkeyPatch, world: ModuleType
) -> None:
    wrong = {**world.EMULATOR_KEYS, world.Keys.of.__globals__["KeyClass"].PRODUCTION: "prod_wrong"}
    monkeypatch.setattr(world, "EMULATOR_KEYS", wrong)
    with pytest.raises(CredentialError, match="Invalid access key"):
        run("sends", settings={"concurrency": 1}).go()
    monkeypatch.undo()
    receipt = run("sends", settings={"resume": True}).go()
    assert receipt.complete
    assert api.counts()["requests"]["byAction"]["multi"] == 1 + 4


def test_an_interrupted_run_leaves_a_clean_journal_and_goes_on_later(
    run: Any, api: Any, world: ModuleType
) -> None:
    stop = world.StopFlag()

    class Stopping(_Around):
        def before(self) -> None:
            stop.request(signal.SIGTERM)

    with pytest.raises(InterruptedRunError) as caught:
        run("everything", stop=stop, wrap_writer=Stopping, settings={"concurrency": 1}).go()
    assert caught.value.signal_number == signal.SIGTERM
    with read_journal(run().journal) as journal:
        assert [entry.state for entry in journal.batches(1)] == [BatchState.DONE]
        assert journal.runs()[0].state is RunState.INTERRUPTED
    assert run("everything").go().complete
    assert api.sends() == dict.fromkeys(world.USERS, 1)


def test_the_last_look_skips_what_is_there_and_leaves_alone_what_others_changed(
    run: Any, api: Any, world: ModuleType
) -> None:
    api.set("u000", tier="gold", interests=["golf", "running"])
    api.set("u001", tier="platinum")
    receipt = run("everything", settings={"recheck": world.Recheck.ON}).go()
    assert receipt.recheck_reads == 12
    assert receipt.actions[Fate.ALREADY] == 1
    assert receipt.subjects == {Fate.DONE: 11, Fate.CONFLICTING: 1}
    assert api.user("u001")["userAttributes"]["tier"] == "platinum"
    # Nothing else of that user went out: neither the list nor the increment nor the message.
    assert "u001" not in api.sends()
    assert "u001" not in api.increments()
    assert {entry.subject.id for entry in receipt.exceptions} == {"u001"}
    assert "platinum" not in "".join(entry.message for entry in receipt.exceptions)


def test_a_user_whom_the_api_refuses_to_show_stops_nobody_else(run: Any, api: Any, world: ModuleType) -> None:
    api.faults("status:status=451,action=exportUser,user=u003")
    receipt = run("attributes", settings={"recheck": world.Recheck.ON}).go()
    assert receipt.subjects == {Fate.DONE: 11, Fate.REJECTED: 1}


def test_a_plan_of_another_environment_is_refused(run: Any, world: ModuleType, journal_path: Path) -> None:
    plan = world.plan_for("sends")
    made = run(plan=plan)
    with (
        open_journal(journal_path) as journal,
        journal.acquire("app_emulator", "production") as lease,
        pytest.raises(StalePlanError, match="production"),
    ):
        world.apply_plan(
            plan,
            conditions=plan.conditions,
            writer=None,
            reader=None,
            journal=journal,
            lease=lease,
            clock=made.clock,
            settings=made.settings,
            progress=world.SilentProgress(),
            stop=made.stop,
        )


def test_a_second_run_at_the_same_time_is_told_who_holds_the_lock(
    run: Any, world: ModuleType, journal_path: Path
) -> None:
    with (
        open_journal(journal_path) as journal,
        journal.acquire("app_emulator", "sandbox"),
        pytest.raises(JournalLockedError, match=r"process \d+ on .* since .* expires at "),
    ):
        run("sends").go()


@pytest.mark.claim("one-call-per-user")
def test_no_user_is_in_two_requests_at_once(run: Any, api: Any, world: ModuleType) -> None:
    api.faults("latency:seconds=0.05")
    plan = world.plan_for("everything", users_per_batch=2)
    receipt = run(plan=plan, settings={"concurrency": 6, "recheck": world.Recheck.ON}).go()
    assert receipt.complete
    assert api.counts()["overlaps"]["times"] == 0


class _Hurried:
    """A clock whose sleeps are over at once, and count."""

    def __init__(self) -> None:
        self._slept = 0.0

    def now(self) -> float:
        return time.time() + self._slept

    def monotonic(self) -> float:
        return time.monotonic() + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds

    def new_id(self) -> str:
        return uuid.uuid4().hex


class _Around:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def before(self) -> None: ...

    def send(self, *args: Any, **kwargs: Any) -> Any:
        self.before()
        return self._writer.send(*args, **kwargs)
