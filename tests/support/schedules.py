"""
A small world in which every order of events can be had: processes that take turns as told, a clock that stands still, and an
API that does what it was asked when it likes to.

Every process has a journal of its own, open on the one database, and the applier, the client and the answers' reading as they
are. It gives up its turn before and after each of its transactions, around each request, and where it sleeps or waits; there it
can be paused, or killed.
"""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Final

import orjson
from lives import world
from moody_api import SETTLE_SECONDS, USERS, Api, Mood, Temper, text_of

from leanplum_sync.address import Subject
from leanplum_sync.applier.ports import StopFlag
from leanplum_sync.applier.run import apply_plan
from leanplum_sync.client.calls import Calls
from leanplum_sync.client.credentials import EMULATOR_KEYS, Connection, Keys
from leanplum_sync.client.http import Response
from leanplum_sync.client.reader import Reader
from leanplum_sync.client.writer import Writer
from leanplum_sync.errors import (
    JournalCorruptError,
    JournalError,
    LeanplumSyncError,
    NotSentError,
)
from leanplum_sync.journal import open_journal
from leanplum_sync.journal.entry import RunState
from leanplum_sync.progress import SilentProgress
from leanplum_sync.wire.fingerprint import fingerprint

APP: Final = "app_emulator"
ENVIRONMENT: Final = "sandbox"
MARKER: Final = "last_increment"
LEASE_SECONDS: Final = 60.0
START: Final = 1.7e9
_BEAT_SECONDS: Final = LEASE_SECONDS / 4


class LawBrokenError(AssertionError):
    pass


class Died(BaseException):
    """Simulates ``kill -9``: nothing catches it, and nothing is written afterwards."""


class World:
    """What all processes share: the time, the API and the journal's database."""

    def __init__(self, location: str | Path, *, settle_seconds: float = SETTLE_SECONDS) -> None:
        self.location, self.settle_seconds = location, settle_seconds
        self.now = START
        self.ids = count(1)
        self.api = Api(self)
        self.processes: list[Process] = []
        self.fence = 0
        self.changes = 0  # of the journal, of users, and of what is in flight
        self.had_a_hand: defaultdict[int, set[tuple[str, float]]] = defaultdict(set)  # by run, which plans
        self.carried_out: set[tuple[str, float]] = set()  # plans whose run finished

    def plan(self, kind: str, known: Callable[[Subject], Any], *, receipts: bool) -> Any:
        """Plan as the program would now, from live state and the journal."""
        plan = world.plan_for(
            kind,
            USERS,
            observed=self.api.profile,
            known=known,
            marker=MARKER if receipts else None,
            users_per_batch=2,
            created_at=self.now,
        )
        plan.digest = fingerprint(repr(plan.all_batches))
        self.api.allowed |= {
            text_of(planned.action.payload()) for batch in plan.all_batches for planned in batch.actions
        }
        return plan

    @property
    def paused(self) -> int:
        return sum(process.is_paused for process in self.processes)

    def start(self, plan: Any, settings: Any, only: frozenset[Subject] | None = None) -> Process:
        process = Process(self, plan, settings, only)
        self.fence = process.lease.fence
        self.processes.append(process)
        return process

    def advance_to(self, moment: float) -> None:
        """Let time pass. Processes that are not paused renew their leases, and the API works through its queue."""
        while self.now < moment:
            beats = [process.next_beat for process in self.processes if process.has_heart]
            self.now = max(self.now, min([moment, self.api.next_due(), *beats]))
            self.api.tick()
            for process in self.processes:
                process.beat()

    def close(self) -> None:
        for process in list(self.processes):
            process.die()


class Process:
    """One process that applies *plan*. It is also its own clock, transport and thread pool."""

    def __init__(self, shared: World, plan: Any, settings: Any, only: frozenset[Subject] | None) -> None:
        self.world, self.plan = shared, plan
        self.is_dead = self.is_paused = self.was_paused = False
        self.stop = StopFlag()
        self.error: LeanplumSyncError | None = None
        self.receipt: Any = None
        self._strands: list[_Strand] = []
        self.journal = open_journal(shared.location, clock=self)
        try:
            self.lease = self.journal.acquire(APP, ENVIRONMENT, lease_seconds=LEASE_SECONDS, heartbeat=False)
        except BaseException:
            self.journal.close()
            raise
        self.next_beat = shared.now + _BEAT_SECONDS
        self.has_lost = False
        self._beginning = self.journal.begin_run
        self.journal.begin_run = self._begin  # type: ignore[method-assign]  # the world keeps count of plans
        self._renewing = self.lease.writing
        self.lease.writing = self._writing  # type: ignore[method-assign]  # turns are given up around transactions
        connection, keys = Connection.to_emulator("http://127.0.0.1:1"), Keys.of(EMULATOR_KEYS)
        randomness = random.Random(1)
        self._main = _Strand(
            self,
            lambda: apply_plan(
                plan,
                conditions=replace(plan.conditions, new_journal=not self.journal.here(APP).accepted),
                writer=Writer(Calls(connection, keys, self, self)),
                reader=Reader(Calls(connection, keys, self, self, randomness=randomness)),
                journal=self.journal,
                lease=self.lease,
                clock=self,
                settings=settings,
                progress=SilentProgress(),
                stop=self.stop,
                only=only,
                executor=self,
                randomness=randomness,
            ),
        )
        self._strands.append(self._main)

    @property
    def identity(self) -> tuple[str, float]:
        return self.plan.digest, self.plan.created_at

    def _begin(self, *args: Any, **kwargs: Any) -> Any:
        run = self._beginning(*args, **kwargs)
        self.world.had_a_hand[run.number].add(self.identity)
        return run

    # As a clock.

    def now(self) -> float:
        return self.world.now

    monotonic = now

    def sleep(self, seconds: float) -> None:
        end = self.world.now + seconds
        _rest(lambda: self.world.now >= end, end)

    def new_id(self) -> str:
        return f"{next(self.world.ids):032x}"

    # As the executor, and as its team.

    @contextmanager
    def team(self, size: int) -> Iterator[Process]:
        yield self

    def condition(self) -> Any:
        return _Turns()

    def submit(self, work: Callable[[], Any], /) -> Future[Any]:
        strand = _Strand(self, work)
        self._strands.append(strand)
        return strand.future

    def first_of(self, futures: Collection[Future[Any]]) -> Collection[Future[Any]]:
        _rest(lambda: any(future.done() for future in futures))
        return [future for future in futures if future.done()]

    # As a transport.

    def send(self, request: Any, before_write: Callable[[], None] | None = None) -> Response:
        api = self.world.api
        if request.url.endswith("exportUser"):
            _rest()
            return api.read(self, orjson.loads(request.body)["userId"])
        if before_write is None:  # what writes has a lease to check
            _rest()
            return api.read_together(self, orjson.loads(request.body)["data"])
        temper = api.tempers.popleft() if api.tempers else Temper()
        _rest()
        if temper.mood is Mood.UNREACHABLE:
            raise NotSentError("No route to host.")
        before_write()
        # Between the check and the first byte nobody can be paused for long: the lease's margin is for that.
        received = api.receive(self, request.body, temper)
        _rest()
        return api.answer(received)

    # As something that others do things to.

    @property
    def has_heart(self) -> bool:
        return not (self.is_dead or self.is_paused or self.has_lost or self.is_over)

    @property
    def is_over(self) -> bool:
        return self._main.is_over

    def beat(self) -> None:
        if not self.has_heart or self.world.now < self.next_beat:
            return
        self.next_beat = self.world.now + _BEAT_SECONDS
        try:
            with self._renewing("the lock was not renewed"):
                pass
        except JournalError:
            self.has_lost = True

    def pause(self) -> None:
        self.is_paused = self.was_paused = True

    def wake(self) -> None:
        self.is_paused = False

    def go_on(self, turns: int, picks: Sequence[int] = (0,)) -> None:
        """Give *turns* turns to strands of the process that can continue. Time passes when all of them sleep."""
        turn = 0
        while turn < turns:
            while not (ready := [strand for strand in self._strands if strand.is_ready]):
                wakes = [strand.wakes_at for strand in self._strands if strand.wakes_at is not None]
                if not wakes:
                    raise LawBrokenError("everybody waits for somebody else")
                self.world.advance_to(min(wakes))
            strand = ready[picks[turn % len(picks)] % len(ready)]
            turn += strand.wakes_at is None  # who waits glances around now and then
            strand.step()
            self._strands = [strand for strand in self._strands if not strand.is_over]
            if self.is_over:
                self._end()
                return

    def die(self) -> None:
        self.is_dead = True
        self.world.api.connection_ended(self)
        for strand in self._strands:
            while not strand.is_over:
                strand.step()
        self.journal.close()
        self.world.processes.remove(self)

    def _end(self) -> None:
        self.world.processes.remove(self)
        error = self._main.future.exception()
        try:
            if error is None:
                self.receipt = self._main.future.result()
                if self.receipt.state is RunState.FINISHED:
                    self.world.carried_out |= self.world.had_a_hand[self.receipt.run]
            elif isinstance(error, LeanplumSyncError) and not isinstance(error, JournalCorruptError):
                self.error = error
            else:
                raise LawBrokenError("a process fell over what another one wrote") from error
            assert not self._strands, "the run ended before its work"
            self.lease.release()
        finally:
            self.journal.close()

    @contextmanager
    def _writing(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        _rest()
        if self.is_dead:
            raise Died
        with self._renewing(*args, **kwargs) as connection:
            yield connection
        self.world.changes += 1
        _rest()


_here = threading.local()


def _always() -> bool:
    return True


def _rest(is_ready: Callable[[], bool] = _always, wakes_at: float | None = None) -> None:
    """Yield the turn until *is_ready*."""
    strand: _Strand | None = getattr(_here, "strand", None)
    if strand is not None:
        strand.rest(is_ready, wakes_at)


class _Strand:
    """A thread that continues only when told to, until it next yields its turn."""

    def __init__(self, process: Process, work: Callable[[], Any]) -> None:
        self.future: Future[Any] = Future()
        self.wakes_at: float | None = None
        self._process, self._work = process, work
        self._is_ready: Callable[[], bool] = _always
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def is_over(self) -> bool:
        return self.future.done()

    @property
    def is_ready(self) -> bool:
        return self._is_ready()

    def step(self) -> None:
        self._go.release()
        self._back.acquire()

    def rest(self, is_ready: Callable[[], bool], wakes_at: float | None) -> None:
        if not self._process.is_dead:
            self._is_ready, self.wakes_at = is_ready, wakes_at
            self._back.release()
            self._go.acquire()
            self._is_ready, self.wakes_at = _always, None
        if self._process.is_dead:
            raise Died

    def _run(self) -> None:
        self._go.acquire()
        _here.strand = self
        try:
            self.future.set_result(None if self._process.is_dead else self._work())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result hears of it
            self.future.set_exception(error)
        finally:
            self._back.release()


class _Turns(threading.Condition):
    """Needs no lock, because only one strand runs at a time."""

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_: object) -> None:
        pass

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        while not predicate():
            _rest(lambda: bool(predicate()))
        return True

    def notify_all(self) -> None:
        pass
