"""A run is killed with SIGKILL at every point that matters, taken up again, and judged by the emulator's own counts."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from receipts import adds_up

from leanplum_sync.encryption import KEY_VARIABLE, new_key
from leanplum_sync.errors import JournalLockedError, LockLostError, NoAnswerError, TooEarlyError
from leanplum_sync.journal import open_journal, read_journal, states, transition
from leanplum_sync.journal import writer as journal_writer
from leanplum_sync.journal.entry import BatchState, DeliveryState, Fate, Resolution
from leanplum_sync.journal.lock import Lease
from leanplum_sync.planner.known import Position

BOTH = pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
POINTS = [
    "claimed, no intent",
    "intent, nothing written",
    "partly written",
    "answered, not recorded",
    "recorded",
]
HELD_AFTER = {
    # What can't be proved waits for a person: a send or an increment whose request may have been carried out.
    "sends": {"intent, nothing written", "partly written", "answered, not recorded"},
    "events": {"intent, nothing written", "partly written", "answered, not recorded"},
    "increments": {"intent, nothing written", "partly written"},
    # Who is still unsubscribed may have been re-subscribed, and have left again.
    "re-subscribes": {"intent, nothing written", "partly written"},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "backend"),
    [
        (kind, "sqlite")
        for kind in (
            "attributes",
            "tokens",
            "lists",
            "unsubscribes",
            "erasures",
            "blocks",
            "re-subscribes",
            "increments",
            "sends",
            "events",
        )
    ]
    + [
        (kind, "postgresql")
        for kind in ("attributes", "re-subscribes", "increments", "sends", "events", "erasures")
    ],
)
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_run_ends_like_one_that_was_not(
    run: Any, child: Any, api: Any, kind: Any, point: str
) -> None:
    killed = child(kind, point)
    killed.wait(timeout=300)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.read()

    receipt = run(kind).go()

    assert adds_up(receipt)
    if point in HELD_AFTER.get(kind, ()):
        each = len(run.world.DESIRES[kind])
        assert receipt.actions[Fate.HELD] == 3 * each
        assert receipt.actions[Fate.DONE] == 9 * each
        assert receipt.needs_person
    else:
        assert receipt.complete
    _judge(
        api, run.world, kind, held=receipt.actions[Fate.HELD], took_effect=point == "answered, not recorded"
    )
    assert run(kind, settings={"resume": True}).go().sent_now == 0
    with read_journal(run.journal_path) as journal:
        assert not list(journal.deliveries(states=[DeliveryState.SENT]))


@BOTH
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["attributes", "sends"])
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_run_ends_like_one_that_was_not_with_a_signed_journal_too(
    *, run: Any, child: Any, api: Any, kind: str, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, new_key())
    test_a_killed_run_ends_like_one_that_was_not(run, child, api, kind, point)
    with read_journal(run.journal_path) as journal:
        assert not list(journal.faults())


def _judge(  # noqa: C901 - a case for each kind
    api: Any, world: ModuleType, kind: str, *, held: int, took_effect: bool
) -> None:
    users = {} if kind in ("erasures", "blocks") else {user: api.user(user) for user in world.USERS}
    match kind:
        case "erasures" | "blocks":
            assert not api.remaining(world.USERS)
        case "attributes":
            assert {user["userAttributes"]["tier"] for user in users.values()} == {"gold"}
        case "lists":
            assert all(user["userAttributes"]["interests"] == ["running"] for user in users.values())
        case "tokens":
            for name, user in users.items():
                tokens = {device["deviceId"]: device.get("iosPushToken") for device in user["devices"]}
                assert tokens[f"device-{name}"] == "ab" * 32
        case "unsubscribes":
            assert all(user["unsubscribeChannels"] == ["Webhook", "Email"] for user in users.values())
            assert {user["events"]["Unsubscribe"]["count"] for user in users.values()} == {1}
        case "re-subscribes":
            assert [user["unsubscribeChannels"] for user in users.values()].count(["Webhook"]) == held
        case "increments":
            assert all(count == {"visits": 1} for count in api.increments().values())
            assert len(api.increments()) == len(users) - held
        case "sends":
            assert set(api.sends().values()) == {1}
            assert len(api.sends()) == len(users) - (0 if took_effect else held)
        case "events":
            counts = api.events()
            assert all(set(events.values()) == {1} for events in counts.values())
            assert sum(map(len, counts.values())) == 3 * len(users) - (0 if took_effect else held)


@BOTH
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["attributes", "increments", "sends"])
def test_a_run_killed_while_it_settles_a_doubt_settles_it_the_next_time(
    run: Any, child: Any, api: Any, world: ModuleType, kind: Any
) -> None:
    api.faults("cut-after:action=multi,times=2")
    api.faults(f"cut-after:action={'sendMessage' if kind == 'sends' else 'setUserAttributes'},times=2")
    killed = child(kind, "settling")
    killed.wait(timeout=300)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.read()
    receipt = run(kind).go()
    assert adds_up(receipt)
    assert receipt.actions[Fate.HELD] == (6 if kind == "sends" else 0)
    _judge(api, world, kind, held=receipt.actions[Fate.HELD], took_effect=True)


@BOTH
@pytest.mark.slow
def test_while_one_process_works_another_is_refused_and_when_it_is_killed_takes_over_at_once(
    run: Any, child: Any, api: Any, world: ModuleType
) -> None:
    working = child("sends", "working")
    assert working.stdout.readline().strip() == "working"
    with pytest.raises(JournalLockedError, match=f"process {working.pid}"):
        run("sends").go()
    working.kill()
    working.wait(timeout=300)
    receipt = run("sends").go()
    assert receipt.complete
    assert api.sends() == dict.fromkeys(world.USERS, 1)


@BOTH
@pytest.mark.parametrize("deadline", ["kept", "ablated"])
def test_a_paused_process_that_lost_its_lock_sends_nothing_when_it_wakes_up(
    run: Any, api: Any, monkeypatch: pytest.MonkeyPatch, deadline: str
) -> None:
    """
    It stands between the intent and the socket. Meanwhile its lease ends, another run takes over, and a person has the
    held messages sent again. Without the deadline the first users get theirs twice, which shows that the judge sees it.
    """
    clock = _Skipping()
    plan = run.world.plan_for("sends", users_per_batch=12)

    def meanwhile() -> None:
        clock.skip(100)
        assert run(plan=plan, clock=clock).go().batches == {BatchState.HELD: 1}
        with (
            open_journal(run.journal_path, clock=clock) as journal,
            journal.acquire("app_emulator", "sandbox") as lease,
        ):
            journal.resolve(lease, 1, Resolution.AGAIN, sequence=1)
        assert run(plan=plan, clock=clock).go().complete

    if deadline == "ablated":
        monkeypatch.setattr(Lease, "check", lambda lease: None)
    paused = run(plan=plan, clock=clock, wrap_writer=_pausing(meanwhile))
    with pytest.raises(LockLostError):
        paused.go()
    assert api.sends() == dict.fromkeys(run.world.USERS, 1 if deadline == "kept" else 2)


@BOTH
@pytest.mark.parametrize("fence", ["kept", "ablated"])
def test_a_run_that_lost_its_lock_between_two_batches_does_not_repeat_what_its_successor_did(
    run: Any, api: Any, monkeypatch: pytest.MonkeyPatch, fence: str
) -> None:
    """Rows refuse an old fence too, and so does the table of transitions: all must go before the judge finds anything."""
    clock = _Skipping()
    first = run("sends", clock=clock, settings={"concurrency": 1})

    def meanwhile() -> None:
        clock.skip(100)
        assert run("sends", clock=clock).go().requests == 4

    if fence == "ablated":
        everything = frozenset(BatchState)
        monkeypatch.setattr(states, "TRANSITIONS", dict.fromkeys(BatchState, everything))
        for module in (transition, journal_writer):
            monkeypatch.setattr(module, "BatchStates", lambda run, _fence: states.BatchStates(run, 1_000))
        monkeypatch.setattr(Lease, "_renew", lambda lease, connection: None)
        monkeypatch.setattr(Lease, "check", lambda lease: None)
    first.wrap_writer = _pausing(meanwhile, after=True)
    with contextlib.suppress(LockLostError):
        first.go()
    twice = {user for user, count in api.sends().items() if count > 1}
    assert bool(twice) == (fence == "ablated")


@BOTH
@pytest.mark.parametrize("window", ["kept", "ablated"])
def test_a_request_that_takes_effect_late_does_not_undo_what_a_later_plan_did(
    run: Any, api: Any, world: ModuleType, window: str
) -> None:
    """Its answer was lost and the API had queued it. Before the window is over, nobody writes about those users."""
    clock = _Skipping()
    first = run("attributes", clock=clock, wrap_writer=_queueing(clock), wrap_reader=_unreadable)
    assert first.go().batches[BatchState.IN_DOUBT] == 1
    later = _platinum_plan(world)
    run(plan=later, clock=clock, settings={"settle_seconds": 60.0 if window == "kept" else 0.0}).go()
    clock.sleep(100)
    tiers = {api.user(user)["userAttributes"]["tier"] for user in world.USERS}
    assert tiers == ({"platinum"} if window == "kept" else {"platinum", "gold"})


@BOTH
def test_a_later_plan_waits_for_old_requests_again_if_it_was_killed_while_it_waited(
    run: Any, api: Any, world: ModuleType
) -> None:
    clock = _Skipping()
    first = run("attributes", clock=clock, wrap_writer=_queueing(clock), wrap_reader=_unreadable)
    assert first.go().batches[BatchState.IN_DOUBT] == 1
    later = _platinum_plan(world)
    killed = run(plan=later, clock=_Killing(), settings={"settle_seconds": 60.0})
    with pytest.raises(_KilledError):
        killed.go()
    run(plan=later, clock=clock, settings={"settle_seconds": 60.0}).go()
    clock.sleep(100)
    assert {api.user(user)["userAttributes"]["tier"] for user in world.USERS} == {"platinum"}


@pytest.mark.parametrize("window", ["kept", "ablated"])
def test_a_request_that_takes_effect_late_is_not_sent_a_second_time(run: Any, api: Any, window: str) -> None:
    clock = _Skipping()
    settings = {"settle_seconds": 60.0 if window == "kept" else 0.0}
    receipt = run("attributes", clock=clock, wrap_writer=_queueing(clock), settings=settings).go()
    clock.sleep(100)
    assert receipt.complete
    assert api.counts()["effects"]["setUserAttributes"] == (12 if window == "kept" else 15)


@BOTH
@pytest.mark.parametrize("window", ["kept", "ablated"])
def test_a_person_asked_too_early_can_not_have_a_message_sent_twice(run: Any, api: Any, window: str) -> None:
    """The lost request takes effect 30 seconds later: who looks at once sees no message, and says that none went out."""
    clock = _Skipping()
    plan = run.world.plan_for("sends", users_per_batch=12)
    assert run(plan=plan, clock=clock, wrap_writer=_queueing(clock)).go().actions[Fate.HELD] == 12
    assert not api.sends()
    settle_seconds = 60.0 if window == "kept" else 0.0
    with (
        open_journal(run.journal_path, clock=clock) as journal,
        journal.acquire("app_emulator", "sandbox") as lease,
    ):
        resolve = functools.partial(journal.resolve, lease, 1, sequence=1, settle_seconds=settle_seconds)
        try:
            resolve(resolution=Resolution.AGAIN)
        except TooEarlyError as early:
            clock.skip(early.until - clock.now())
            resolve(resolution=Resolution.DONE if api.sends() else Resolution.AGAIN)
    run(plan=plan, clock=clock).go()
    clock.sleep(100)
    assert api.sends() == dict.fromkeys(run.world.USERS, 1 if window == "kept" else 2)


@BOTH
def test_a_batch_that_was_not_written_because_the_lease_was_over_is_planned_again_if_nobody_took_over(
    run: Any, api: Any
) -> None:
    clock = _Skipping()
    paused = run("sends", clock=clock, wrap_writer=_pausing(lambda: clock.skip(100)))
    with pytest.raises(LockLostError):
        paused.go()
    with read_journal(run.journal_path) as journal:
        states = {entry.state for entry in journal.batches(1)}
    assert BatchState.PLANNED in states
    assert not states & {BatchState.SENT, BatchState.IN_DOUBT}
    receipt = run("sends", clock=clock).go()
    assert receipt.complete
    assert api.sends() == dict.fromkeys(run.world.USERS, 1)


@BOTH
def test_a_batch_that_was_not_written_is_left_to_the_run_that_took_over_and_the_person_is_told(
    run: Any, api: Any
) -> None:
    clock = _Skipping()
    plan = run.world.plan_for("sends", users_per_batch=12)

    def meanwhile() -> None:
        clock.skip(100)
        assert run(plan=plan, clock=clock).go().batches == {BatchState.HELD: 1}

    with pytest.raises(LockLostError, match=r"was never sent\. .* leanplum-sync resolve 1 --again --batch 1"):
        run(plan=plan, clock=clock, wrap_writer=_pausing(meanwhile)).go()
    with read_journal(run.journal_path) as journal:
        assert [entry.state for entry in journal.batches(1)] == [BatchState.HELD]
        assert not list(journal.faults())
    assert not api.sends()


def _queueing(clock: _Skipping) -> Callable[[Any], Any]:
    """The first request's connection breaks, and 30 seconds later the request takes effect."""

    class Queueing:
        def __init__(self, writer: Any) -> None:
            self._writer = writer
            self._calls = itertools.count(1)

        def send(self, *args: Any, **kwargs: Any) -> Any:
            if next(self._calls) > 1:
                return self._writer.send(*args, **kwargs)
            late = functools.partial(self._writer.send, *args, **{**kwargs, "before_write": lambda: None})
            clock.at(clock.now() + 30, late)
            raise NoAnswerError("the connection broke")

    return Queueing


def _pausing(meanwhile: Callable[[], None], *, after: bool = False) -> type[Any]:
    class Pausing:
        paused = False

        def __init__(self, writer: Any) -> None:
            self._writer = writer

        def send(self, *args: Any, before_write: Callable[[], None], **kwargs: Any) -> Any:
            def before() -> None:
                if not self.paused and not after:
                    type(self).paused = True
                    meanwhile()
                before_write()

            answer = self._writer.send(*args, before_write=before, **kwargs)
            if not self.paused and after:
                type(self).paused = True
                meanwhile()
            return answer

    return Pausing


@pytest.mark.slow
def test_a_full_disk_at_the_intent_means_that_nothing_is_sent(
    child: Any, run: Any, api: Any, world: ModuleType, journal_path: Path
) -> None:
    """The child may not let a file grow: the write-ahead log can't take the intent."""
    run(plan=world.plan_for("sends", ["u000"], digest="f" * 64)).go()
    before = api.counts()
    script = (
        "import resource, signal, sys, runpy\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "sys.argv = sys.argv[1:]\n"
        "world = runpy.run_path(sys.argv[0], run_name='world')\n"
        "from leanplum_sync.journal.run import RunJournal\n"
        "original = RunJournal.record_sent\n"
        "def full(*args, **kwargs):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))\n"
        "    return original(*args, **kwargs)\n"
        "RunJournal.record_sent = full\n"
        "from leanplum_sync.errors import JournalError\n"
        "try:\n"
        "    world['main'](*sys.argv[1:])\n"
        "except JournalError as error:\n"
        "    print(error)\n"
        "    sys.exit(44)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, world.__file__, api.url, str(journal_path), "attributes", "no point"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert found.returncode == 44, found.stderr
    assert "full or failing; nothing was sent" in found.stdout
    after = api.counts()
    # Users whom an earlier run wrote to are read first; nothing is written.
    assert (after["writes"], after["effects"], after["sends"]) == (
        before["writes"],
        before["effects"],
        before["sends"],
    )
    assert after["requests"]["byAction"]["multi"] == before["requests"]["byAction"]["multi"]


def _unreadable(reader: Any) -> Any:
    class Unreadable:
        def export_user(self, subject: Any, **_: Any) -> Any:
            raise NoAnswerError("no answer")

    return Unreadable()


def _platinum_plan(world: ModuleType) -> Any:
    """A plan that was made after run 1 had sent its requests."""
    plan = world.plan_for("attributes", digest="e" * 64, position=Position(1))
    return replace(plan, all_batches=[_with_tier(batch, "platinum") for batch in plan.all_batches])


def _with_tier(batch: Any, tier: str) -> Any:
    actions = tuple(
        replace(
            planned,
            action=replace(
                planned.action, arguments={**planned.action.arguments, "userAttributes": {"tier": tier}}
            ),
        )
        for planned in batch.actions
    )
    return replace(batch, actions=actions)


class _KilledError(BaseException):
    """As good as a kill: nothing but the journal's file is left of the run."""


class _Killing:
    """A clock that nobody survives waiting for."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        raise _KilledError

    def new_id(self) -> str:
        return "f" * 32


class _Skipping:
    """A clock that moves when somebody sleeps, or skips; what is due by then happens."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._due: list[tuple[float, Callable[[], object]]] = []

    def at(self, moment: float, happens: Callable[[], object]) -> None:
        self._due.append((moment, happens))

    def skip(self, seconds: float) -> None:
        self._ahead += seconds
        now = self.now()
        due, self._due = (
            [each for each in self._due if each[0] <= now],
            [each for each in self._due if each[0] > now],
        )
        for _, happens in due:
            happens()

    def now(self) -> float:
        return time.time() + self._ahead

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        self.skip(seconds)

    def new_id(self) -> str:
        return os.urandom(16).hex()
