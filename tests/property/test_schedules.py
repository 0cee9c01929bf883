"""Whatever happens in whatever order to those who apply plans: nothing is lost, nothing happens twice, and all ends well."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from moody_api import FATES, SETTLE_SECONDS, USERS, Mood, Temper, wanted
from receipts import adds_up
from schedules import APP, ENVIRONMENT, LEASE_SECONDS, Process, World
from searching import examples

from leanplum_sync.address import Subject
from leanplum_sync.applier import live_state, work
from leanplum_sync.applier.run import read_receipt
from leanplum_sync.applier.settings import ApplySettings, Recheck
from leanplum_sync.errors import JournalLockedError, TooEarlyError
from leanplum_sync.journal import database, open_journal
from leanplum_sync.journal.entry import BatchState, DeliveryState, Fate, Resolution, RunState
from leanplum_sync.journal.lock import Lease
from leanplum_sync.wire.action import DeliveryClass

# Drawn whole, for many small choices would make a schedule too long to be searched.
TEMPERS = (
    *(Temper(mood, lag) for mood in Mood if mood is not Mood.MIXED for lag in (0.0, 0.3, 0.9)),
    *(Temper(Mood.MIXED, 0.3, (fate, "done")) for fate in FATES),
    *(Temper(Mood.LOST_LATE, lag) for lag in (0.5, 0.7, 0.95)),
)
DELIVERIES = {
    "increments": ["launch/visits"],
    "sends": ["november"],
    "everything": ["launch/visits", "november"],
}
which = st.integers(0, 2)


@dataclass(frozen=True)
class Going:
    """How far a process gets, which of its strands take turns, and how the API takes its next requests."""

    turns: int
    picks: tuple[int, ...]
    tempers: list[Temper]


goings = st.builds(
    Going,
    st.integers(0, 60),
    st.sampled_from([(0,), (1,), (0, 1), (0, 0, 2, 1), (2, 1, 1)]),
    st.lists(st.sampled_from(TEMPERS), max_size=3),
)


@pytest.fixture(scope="module", autouse=True)
def haste() -> Iterator[None]:
    """
    Spare the tests what takes time and changes nothing: each opening of a journal would compile its statements again, and
    a wait would look up five times a second whether it should end.
    """
    with (
        mock.patch.object(database, "_sqlite", cache(database._sqlite)),
        mock.patch.object(work, "_GLANCE_SECONDS", 10.0),
    ):
        yield


@cache
def folder() -> Path:
    """In memory, if the machine has a place there."""
    memory = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    open_journal(made / "empty.db").close()
    return made


def new_journal() -> Path:
    path = folder() / "journal.db"
    for name in ("journal.db-wal", "journal.db-shm", "journal.db.mark"):
        path.with_name(name).unlink(missing_ok=True)
    shutil.copyfile(folder() / "empty.db", path)
    return path


class Schedules(RuleBasedStateMachine):
    """Each example is a schedule: what happens, in which order."""

    ran = 0

    @initialize(
        kind=st.sampled_from(["increments", "sends", "everything"]),
        receipts=st.booleans(),
        together=st.sampled_from([1, 1, 50]),
        shows=st.sampled_from([{0, 1}, {1}, ()]).map(frozenset),
    )
    def begin(self, kind: str, receipts: bool, together: int, shows: frozenset[int]) -> None:
        path = new_journal()
        self.world, self.together = World(path), together
        self.world.api.shows = shows
        self.kind, self.receipts = kind, receipts
        self.observer = open_journal(path)
        self.is_sound, self.has_held = True, False
        self.judged_at = self.planned_at = self.waited_at = 0
        self.plans = [self._plan()]

    @precondition(lambda self: len(self.plans) < 3 and self.world.changes > self.planned_at)
    @rule()
    def plan_again(self) -> None:
        plan = self._plan()
        self.planned_at = self.world.changes
        if plan.all_batches:
            self.plans.append(plan)

    @precondition(lambda self: len(self.world.processes) < 1 + self.world.paused)
    @rule(
        plan=which,
        recheck=st.sampled_from([Recheck.ON, Recheck.OFF]),
        resume=st.booleans(),
        concurrency=st.sampled_from([1, 2, 4]),
        failures_in_a_row=st.sampled_from([2, 1000]),
        only=st.none() | st.sampled_from(USERS),
        waits=st.booleans(),
        going=goings,
    )
    def somebody_applies(self, plan: int, only: str | None, waits: bool, going: Going, **chosen: Any) -> None:
        if waits:
            self.world.advance_to(self.world.now + LEASE_SECONDS + 1)
        process = self._start(self.plans[-1 - plan % len(self.plans)], only=only, **chosen)
        if process is not None:
            self._go_on(process, going)

    @precondition(lambda self: self.world.processes)
    @rule(one=which, going=goings)
    def one_goes_on(self, one: int, going: Going) -> None:
        process = self._pick(one)
        process.wake()
        self._go_on(process, going)

    @precondition(lambda self: self.world.processes)
    @rule(one=which, what=st.sampled_from(["killed", "interrupted", "paused", "paused past its lease"]))
    def something_happens_to_one(self, one: int, what: str) -> None:
        process = self._pick(one)
        match what:
            case "killed":
                process.die()
            case "interrupted":
                process.stop.request(15)
            case "paused":
                process.pause()
            case _:
                process.pause()
                self.world.advance_to(self.world.now + LEASE_SECONDS + 1)

    @precondition(lambda self: len(self.world.processes) == 1)
    @rule(going=goings, after_waking=goings)
    def another_takes_over_from_one_that_is_paused(self, going: Going, after_waking: Going) -> None:
        first = self.world.processes[0]
        first.pause()
        self.somebody_applies(
            0,
            only=None,
            waits=True,
            going=going,
            recheck=Recheck.OFF,
            resume=True,
            concurrency=2,
            failures_in_a_row=1000,
        )
        first.wake()
        self._go_on(first, after_waking)

    @precondition(lambda self: self.world.changes > self.waited_at)
    @rule(
        seconds=st.sampled_from([1, 13, 49, 61, 200]),
        edit=st.none()
        | st.tuples(
            st.sampled_from(USERS), st.sampled_from([("tier", "bronze"), ("tier", "gold"), ("visits", 100)])
        ),
    )
    def time_passes_and_somebody_edits(self, seconds: int, edit: tuple[str, tuple[str, Any]] | None) -> None:
        if edit is not None:
            self.world.api.edit(edit[0], *edit[1])
        self.world.advance_to(self.world.now + seconds)
        self.waited_at = self.world.changes

    @precondition(lambda self: self.has_held)
    @rule(drop=st.booleans(), only_one=st.booleans())
    def a_person_resolves(self, drop: bool, only_one: bool) -> None:
        self._resolve(drop=drop, only_one=only_one)

    @invariant()
    def all_is_sound(self) -> None:
        if self.world.changes > self.judged_at:
            self.is_sound = False
            self._judge()
            self.judged_at, self.is_sound = self.world.changes, True

    def teardown(self) -> None:
        try:
            if self.is_sound:
                self._end_well()
                type(self).ran += 1
        finally:
            self.world.close()
            self.observer.close()

    # What is behind the rules.

    def _pick(self, one: int) -> Process:
        return self.world.processes[one % len(self.world.processes)]

    def _go_on(self, process: Process, going: Going) -> None:
        self.world.api.tempers.extend(going.tempers)
        process.go_on(going.turns, going.picks)

    def _plan(self) -> Any:
        known = self.observer.known(APP, [Subject.user(user) for user in USERS])
        return self.world.plan(self.kind, known.__getitem__, receipts=self.receipts)

    def _start(self, plan: Any, *, only: str | None = None, **chosen: Any) -> Process | None:
        given = ApplySettings(
            settle_seconds=SETTLE_SECONDS,
            lease_seconds=LEASE_SECONDS,
            rejections_limit=1000,
            wave_failures_share=1.0,
            together=self.together,
            **chosen,
        )
        try:
            return self.world.start(plan, given, None if only is None else frozenset({Subject.user(only)}))
        except JournalLockedError:
            return None

    def _resolve(self, *, drop: bool, only_one: bool) -> None:
        """A person decides what is held, and says what is true just then; too early, and nothing is decided."""
        held = [
            (run, entry)
            for run in self.observer.runs()
            for entry in self.observer.exceptions(run.number, [Fate.HELD])
        ]
        if not held:
            return
        with open_journal(self.world.location, clock=self._clock()) as journal:
            try:
                lease = journal.acquire(APP, ENVIRONMENT, lease_seconds=LEASE_SECONDS, heartbeat=False)
            except JournalLockedError:
                return
            with lease:
                for run, entry in held[: 1 if only_one else None]:
                    resolution = Resolution.DROP if drop else self._truth(run, entry)
                    self.world.changes += 1
                    with suppress(TooEarlyError):
                        journal.resolve(
                            lease,
                            run.number,
                            resolution,
                            sequence=entry.sequence,
                            actions=[entry.action],
                            settle_seconds=SETTLE_SECONDS,
                        )

    def _truth(self, run: Any, entry: Any) -> Resolution:
        names = [key.name for key in self._planned(run, entry.sequence, entry.action).deliveries]
        happened = all(self.world.api.delivered[entry.subject.id, name] for name in names)
        return Resolution.DONE if happened else Resolution.AGAIN

    def _clock(self) -> Any:
        return _Now(self.world)

    def _plan_of(self, run: Any) -> Any:
        of_run = (run.plan_digest, run.plan_made_at)
        return next(plan for plan in self.plans if (plan.digest, plan.created_at) == of_run)

    def _planned(self, run: Any, sequence: int, number: int) -> Any:
        batch = self._plan_of(run).all_batches[sequence - 1]
        return next(planned for planned in batch.actions if planned.number == number)

    def _judge(self, runs: int | None = 1) -> None:
        """Hold the journal, of the newest *runs*, against what the API did."""
        api = self.world.api
        assert not api.violations
        assert all(count == 1 for count in api.delivered.values()), "a thing happened twice"
        remembered = {
            (entry.key.subject.id, entry.key.name): entry.state for entry in self.observer.deliveries(APP)
        }
        self.has_held = DeliveryState.HELD in remembered.values()
        for key in api.delivered:
            assert key in remembered, "what happened is not remembered, and may be planned again"
        for key, state in remembered.items():
            assert state is not DeliveryState.DONE or api.delivered[key], "done, and it did not happen"
        for run in self.observer.runs()[:runs]:
            plan = self._plan_of(run)
            receipt = read_receipt(plan, self.observer, run.number)
            assert adds_up(receipt)
            listed = {entry.action for entry in receipt.exceptions}
            assert sum(entry.fate is Fate.HELD for entry in receipt.exceptions) == receipt.actions[Fate.HELD]
            for entry in self.observer.batches(run.number):
                for planned in plan.all_batches[entry.sequence - 1].actions:
                    is_open = entry.open is None or planned.number in entry.open
                    if (
                        is_open
                        or planned.number in listed
                        or planned.delivery_class is not DeliveryClass.REPEATABLE
                    ):
                        continue
                    missing = set(wanted(planned.action.payload())) - api.ever
                    assert not missing, f"done, and never so: {missing}"

    def _end_well(self) -> None:
        """Everybody dies; then one comes, and all that was asked for is found done once, or held and listed."""
        api = self.world.api
        self.world.close()
        faults = list(self.observer.faults())
        assert not faults, faults
        api.tempers.clear()
        self.world.advance_to(self.world.now + 1000)
        runs = self.observer.runs()
        if runs and runs[0].state is not RunState.FINISHED:
            self._go_through(self._plan_of(runs[0]))
            assert not list(self.observer.batches(runs[0].number, [BatchState.SENT, BatchState.IN_DOUBT]))
        self._judge(runs=None)
        assert not list(self.observer.deliveries(APP, [DeliveryState.SENT]))
        self.world.advance_to(self.world.now + SETTLE_SECONDS)
        self._resolve(drop=False, only_one=False)
        assert not list(self.observer.deliveries(APP, [DeliveryState.HELD]))
        runs = self.observer.runs()
        if runs and runs[0].state is not RunState.FINISHED:
            self._go_through(self._plan_of(runs[0]))
        self.world.now += 1000
        if (rest := self._plan()).all_batches:
            self.plans.append(rest)
            receipt = self._go_through(rest)
            assert receipt.complete, receipt
        self._judge(runs=None)
        assert not self._plan().all_batches
        assert not list(self.observer.faults())
        dropped = {
            (entry.key.subject.id, entry.key.name)
            for entry in self.observer.deliveries(APP, [DeliveryState.DROPPED])
        }
        for user in USERS:
            assert self.kind != "everything" or api.attributes[user]["tier"] == "gold"
            for name in DELIVERIES[self.kind]:
                assert api.delivered[user, name] == 1 or (user, name) in dropped

    def _go_through(self, plan: Any) -> Any:
        process = self._start(plan, recheck=Recheck.OFF, resume=True, failures_in_a_row=1000)
        assert process is not None
        process.go_on(10_000)
        assert process.error is None, process.error
        return process.receipt


class _Now:
    def __init__(self, shared: World) -> None:
        self._world = shared

    def now(self) -> float:
        return self._world.now

    monotonic = now

    def new_id(self) -> str:
        return f"{next(self._world.ids):032x}"

    def sleep(self, seconds: float) -> None:
        raise AssertionError


def search(machine: type[Schedules], examples: int, **given: Any) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            **given,
        ),
    )


# Examples that end early count as well, so more schedules run than there are examples.
_EXAMPLES, _SCHEDULES = 20, 25


def test_no_schedule_loses_anything_or_does_it_twice(record_property: Callable[[str, object], None]) -> None:
    Schedules.ran = 0
    try:
        search(Schedules, examples(_EXAMPLES))
    finally:
        record_property("schedules", Schedules.ran)
    assert Schedules.ran >= _SCHEDULES, "so few schedules would prove nothing"


# Ablations: if the search found nothing without a protection, it would prove nothing with it.


def without_fence() -> Any:
    return mock.patch.object(Lease, "_renew")


def without_deadline() -> Any:
    return mock.patch.object(Lease, "check")


@contextmanager
def without_holding() -> Iterator[None]:
    """Actions that may happen only once are compared with live state, and sent again if it does not show them."""
    with (
        mock.patch.object(work, "needs_reading", return_value=True),
        mock.patch.object(live_state, "needs_reading", return_value=True),
    ):
        yield


@dataclass(frozen=True)
class Takeover:
    """
    One process works for some turns and is paused past its lease; another one takes over for some turns; the first wakes
    up. Each is the shortest schedule that the search found without one protection.
    """

    kind: str
    turns: int
    turns_of_other: int
    turns_after: int
    together: int = 1
    shows: frozenset[int] = frozenset({0, 1})
    plans_again: bool = False

    def fails(self) -> bool:
        schedule = Schedules()
        try:
            schedule.begin(kind=self.kind, receipts=False, together=self.together, shows=self.shows)
            schedule.somebody_applies(
                plan=0, only=None, waits=False, going=Going(self.turns, (0,), []), recheck=Recheck.ON,
                resume=False, concurrency=1, failures_in_a_row=2,
            )  # fmt: skip
            schedule.all_is_sound()
            if self.plans_again:
                schedule.plan_again()
            schedule.another_takes_over_from_one_that_is_paused(
                going=Going(self.turns_of_other, (0,), []), after_waking=Going(self.turns_after, (0,), [])
            )
            schedule.all_is_sound()
        except AssertionError:
            schedule.is_sound = False
            schedule.teardown()
            return True
        schedule.teardown()
        return False


@pytest.mark.parametrize(
    ("ablation", "takeover"),
    [
        (without_fence, Takeover("increments", 16, 0, 3, together=50, shows=frozenset({1}))),
        (without_deadline, Takeover("increments", 8, 0, 1)),
        (without_holding, Takeover("sends", 15, 6, 0, plans_again=True)),
    ],
)
def test_each_protection_is_needed(ablation: Callable[[], Any], takeover: Takeover) -> None:
    # How many turns it takes changes with the code. Try the known number first, then its neighbours.
    near = sorted(range(1, 40), key=lambda turns: abs(turns - takeover.turns))
    for turns in near:
        schedule = replace(takeover, turns=turns)
        with ablation():
            fails = schedule.fails()
        if fails:
            assert not schedule.fails()
            return
    raise AssertionError("the schedule is harmless without the protection")


@pytest.mark.campaign
@pytest.mark.parametrize("ablation", [without_fence, without_deadline, without_holding])
def test_the_search_finds_what_each_protection_is_for(ablation: Callable[[], Any]) -> None:
    with ablation(), pytest.raises(AssertionError):
        search(
            Schedules,
            2000,
            database=None,
            phases=[Phase.generate],
            derandomize=True,
            report_multiple_bugs=False,
        )


@pytest.mark.parametrize("settle_seconds", [SETTLE_SECONDS, 0.0])
def test_without_the_settle_window_an_increment_counts_twice(settle_seconds: float) -> None:
    shared = World(new_journal())
    with open_journal(shared.location) as reader:
        known = reader.known(APP, [Subject.user(user) for user in USERS])
        plan = shared.plan("increments", known.__getitem__, receipts=True)
    shared.api.tempers.append(Temper(Mood.LOST_LATE, 0.9))
    shared.start(plan, ApplySettings(settle_seconds=settle_seconds, recheck=Recheck.OFF)).go_on(10_000)
    shared.advance_to(shared.now + SETTLE_SECONDS)
    assert (max(shared.api.delivered.values()) > 1) is (settle_seconds < SETTLE_SECONDS)
    assert bool(shared.api.violations) is (settle_seconds < SETTLE_SECONDS)
