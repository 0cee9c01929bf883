"""What seldom happens to a batch: looks that fail, waits that are cut short, waves that fail."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from clocks import Clock

from leanplum_sync.applier.ports import StopFlag
from leanplum_sync.applier.receipt import StopReason
from leanplum_sync.errors import (
    ApiError,
    CredentialError,
    InterruptedRunError,
    NoAnswerError,
    RateLimitedError,
    RejectedError,
)
from leanplum_sync.journal import read_journal
from leanplum_sync.journal.entry import BatchState, Fate

NO_ANSWER = NoAnswerError("no answer")
TOO_MANY = RateLimitedError("too many", status=429)
REFUSED = RejectedError("no", status=400, reason="no")


class Failing:
    """A reader that fails each time, after doing what *first* does."""

    def __init__(self, error: ApiError, first: Callable[[], None] = lambda: None) -> None:
        self._error, self._first = error, first

    def export_user(self, subject: Any, **_: Any) -> Any:
        self._first()
        raise self._error


class Restless:
    """A clock whose every sleep ends with somebody asking the run to end."""

    def __init__(self, stop: StopFlag) -> None:
        self._stop, self._slept = stop, 0.0

    def now(self) -> float:
        return 1.7e9 + self._slept

    def monotonic(self) -> float:
        return self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds
        self._stop.request(15)

    def new_id(self) -> str:
        return uuid.uuid4().hex


@pytest.mark.parametrize("error", [NO_ANSWER, TOO_MANY])
def test_a_batch_that_could_not_be_looked_at_is_parked_and_nothing_of_it_sent(
    error: ApiError, run: Any, api: Any, world: ModuleType
) -> None:
    looking = {"recheck": world.Recheck.ON, "concurrency": 1}
    receipt = run("attributes", settings=looking, wrap_reader=lambda _: Failing(error)).go()
    assert receipt.actions[Fate.PARKED] == receipt.planned == 12
    assert receipt.sent_now == 0
    assert run("attributes", settings={"resume": True}).go().complete
    assert api.user("u000")["userAttributes"]["tier"] == "gold"


def test_a_doubt_that_could_not_be_looked_into_stays_one_until_it_can(run: Any, api: Any) -> None:
    api.faults("cut-before:action=setUserAttributes,times=1")
    receipt = run("attributes", settings={"concurrency": 1}, wrap_reader=lambda _: Failing(NO_ANSWER)).go()
    assert receipt.batches[BatchState.IN_DOUBT] == 1
    assert receipt.actions[Fate.IN_DOUBT] == 3
    assert run("attributes").go().complete


@pytest.mark.parametrize(("kind", "held"), [("attributes", 0), ("increments", 3)])
def test_a_doubt_about_users_who_are_not_shown_is_sent_again_only_where_that_does_no_harm(
    kind: str, held: int, run: Any, api: Any
) -> None:
    api.faults("cut-before:action=setUserAttributes,times=1")
    receipt = run(kind, settings={"concurrency": 1}, wrap_reader=lambda _: Failing(REFUSED)).go()
    assert receipt.actions[Fate.HELD] == held
    assert receipt.actions[Fate.DONE] == 12 - held


def test_a_run_that_is_asked_to_end_while_it_looks_sends_nothing_of_that_batch(
    run: Any, world: ModuleType, journal_path: Any
) -> None:
    stop = StopFlag()
    looking = {"recheck": world.Recheck.ON, "concurrency": 1}
    reader = Failing(REFUSED, lambda: stop.request(15))
    with pytest.raises(InterruptedRunError):
        run("attributes", settings=looking, stop=stop, wrap_reader=lambda _: reader).go()
    with read_journal(journal_path) as journal:
        assert not list(journal.batches(1))


def test_a_run_that_is_asked_to_end_while_it_looks_into_a_doubt_leaves_it_one(
    run: Any, api: Any, journal_path: Any
) -> None:
    api.faults("cut-before:action=setUserAttributes")
    stop = StopFlag()
    reader = Failing(REFUSED, lambda: stop.request(15))
    with pytest.raises(InterruptedRunError):
        run("attributes", settings={"concurrency": 1}, stop=stop, wrap_reader=lambda _: reader).go()
    with read_journal(journal_path) as journal:
        assert {entry.state for entry in journal.batches(1)} == {BatchState.IN_DOUBT}


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("status:status=429,action=setUserAttributes", BatchState.PLANNED),
        ("cut-before:action=setUserAttributes", BatchState.IN_DOUBT),
    ],
)
def test_a_wait_ends_when_the_run_shall(
    *, fault: str, state: BatchState, run: Any, api: Any, world: ModuleType, journal_path: Any
) -> None:
    api.faults(fault)
    stop = StopFlag()
    plan = world.plan_for("attributes", users_per_batch=12)
    waiting = {"concurrency": 1, "settle_seconds": 60.0}
    with pytest.raises(InterruptedRunError):
        run(plan=plan, settings=waiting, stop=stop, clock=Restless(stop), lease_seconds=1e6).go()
    with read_journal(journal_path) as journal:
        assert [entry.state for entry in journal.batches(1)] == [state]


def test_who_asks_a_slow_run_to_end_does_not_wait_for_the_rate(
    run: Any, api: Any, world: ModuleType, journal_path: Any
) -> None:
    stop = StopFlag()
    clock = Restless(stop)
    settings = {"requests_per_second": 0.1, "concurrency": 2}
    with pytest.raises(InterruptedRunError):
        run("attributes", settings=settings, stop=stop, clock=clock).go()
    assert clock.monotonic() < 2
    assert api.counts()["requests"]["byAction"] in ({}, {"multi": 1})
    with read_journal(journal_path) as journal:
        assert BatchState.PLANNED in {entry.state for entry in journal.batches(1)}
    assert run("attributes", settings={"resume": True}).go().complete


def test_a_wave_with_failures_above_its_limit_stops_the_next(run: Any, api: Any, world: ModuleType) -> None:
    first = world.plan_for("attributes")
    second = world.plan_for("increments")
    later = [
        world.Batch(
            len(first.all_batches) + batch.number,
            1,
            batch.delivery_class,
            tuple(
                world.replace(planned, number=first.action_count + planned.number)
                for planned in batch.actions
            ),
        )
        for batch in second.all_batches
    ]
    plan = world.ListPlan([*first.all_batches, *later], first.changes)
    api.faults("success-and-error:action=setUserAttributes,user=u000")
    receipt = run(plan=plan, settings={"wave_failures_share": 0.05}).go()
    assert receipt.stopped is StopReason.WAVE
    assert receipt.actions[Fate.NOT_SENT] == 12
    assert api.increments() == {}


def test_a_key_that_is_found_wanting_while_sending_leaves_nothing_in_doubt(
    run: Any, journal_path: Any
) -> None:
    class Keyless:
        def send(self, *_: Any, **__: Any) -> Any:
            raise CredentialError("no key")

    with pytest.raises(CredentialError):
        run("sends", settings={"concurrency": 1}, wrap_writer=lambda _: Keyless()).go()
    with read_journal(journal_path) as journal:
        assert [entry.state for entry in journal.batches(1)] == [BatchState.PARKED]
    assert run("sends", settings={"resume": True}).go().complete


class Noting:
    """A writer that notes when it sends which action."""

    def __init__(self, writer: Any, clock: Clock) -> None:
        self._writer, self._clock = writer, clock
        self.sent: list[tuple[str, float]] = []

    def send(self, actions: Any, **given: Any) -> Any:
        self.sent.append((actions[0].name, self._clock.now()))
        return self._writer.send(actions, **given)


def plan_of_a_user_and_their_device(world: ModuleType) -> Any:
    """Batch 1 is about the user, and batch 2 about a device of theirs that is listed without them."""
    of_user = world.plan_for("attributes", ["u000"])
    user, device = world.Subject.user("u000"), world.Subject.device("old-u000")
    resource = world.ResourceAddress("Resource", "tokens")
    desire = world.SetDeviceField("old-u000", "iosPushToken", "ab" * 32, world.HERE)
    want = world.Want(resource, device, create=False, found_at=world.ROW, desires=(desire,))
    planned = world.plan_subject(
        [want], world.OBSERVED, world.NOTHING_KNOWN, world.Context({resource: 0}, {}, None)
    )
    ((phase, (own,)),) = planned.actions.items()
    action = world.PlannedAction(of_user.action_count + 1, device, phase[1], own.action, owner=user)
    batches = [*of_user.all_batches, world.Batch(2, 0, phase[1], (action,))]
    return world.ListPlan(batches, {**of_user.changes, device: planned.changes}, has_owners=True)


def test_a_device_in_doubt_is_not_written_again_while_a_lost_request_about_its_user_may_take_effect(
    run: Any, api: Any, world: ModuleType
) -> None:
    plan = plan_of_a_user_and_their_device(world)
    clock = Clock()
    given = {"plan": plan, "clock": clock, "lease_seconds": 1e6}
    settings = {"concurrency": 1, "settle_seconds": 60.0, "retries": 0}
    api.faults("status:status=429,action=setUserAttributes;cut-before:action=setDeviceAttributes")
    receipt = run(**given, settings=settings, wrap_reader=lambda _: Failing(NO_ANSWER)).go()
    assert (receipt.batches[BatchState.PARKED], receipt.batches[BatchState.IN_DOUBT]) == (1, 1)

    api.faults("cut-before:action=setUserAttributes,times=1")
    noting: list[Noting] = []

    def note(writer: Any) -> Noting:
        noting.append(Noting(writer, clock))
        return noting[-1]

    assert run(**given, settings={**settings, "resume": True, "retries": 1}, wrap_writer=note).go().complete
    (lost, began), (again, written), (last, _) = noting[0].sent
    assert (lost, again, last) == ("setUserAttributes", "setDeviceAttributes", "setUserAttributes")
    assert written - began >= settings["settle_seconds"]
