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
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from itertools import count
from pathlib import Path
from typing import Any, Final

import orjson
from lives import world

from leanplum_sync.address import Subject
from leanplum_sync.applier.ports import StopFlag
from leanplum_sync.applier.run import apply_plan
from leanplum_sync.client.credentials import EMULATOR_KEYS, Connection, Keys
from leanplum_sync.client.http import Response
from leanplum_sync.client.reader import Reader
from leanplum_sync.client.writer import Writer
from leanplum_sync.errors import (
    JournalCorruptError,
    JournalError,
    LeanplumSyncError,
    NoAnswerError,
    NotSentError,
)
from leanplum_sync.journal import open_journal
from leanplum_sync.progress import SilentProgress
from leanplum_sync.wire.fingerprint import fingerprint
from leanplum_sync.wire.profile import Profile, read_profile

APP: Final = "app_emulator"
ENVIRONMENT: Final = "sandbox"
USERS: Final = ("ann", "bob", "cem")
MARKER: Final = "last_increment"
LEASE_SECONDS: Final = 60.0
# How long a request whose connection is gone may still take effect.
SETTLE_SECONDS: Final = 60.0
START: Final = 1.7e9
_BEAT_SECONDS: Final = LEASE_SECONDS / 4


class Mood(Enum):
    """How the API takes a request."""

    WELL = "well"
    MIXED = "each action has an outcome of its own"
    SHORT = "half of it done, and a short answer"
    UNREADABLE = "half of it done, and no answer in JSON"
    FAILED_AFTER = "done, and HTTP 500"
    RATE_LIMITED = "429"
    TOO_LARGE = "403"
    BAD_KEY = "the key is not accepted"
    UNREACHABLE = "no route"
    LOST_BEFORE = "the connection was cut, and nothing will be done"
    LOST_AFTER = "done, and the connection was cut"
    LOST_LATE = "the connection was cut, and it will be done"


_NEVER_DONE: Final = frozenset(
    {Mood.LOST_BEFORE, Mood.RATE_LIMITED, Mood.TOO_LARGE, Mood.BAD_KEY, Mood.UNREACHABLE}
)
FATES: Final = ("done", "advisory", "warning", "error", "error beside success")


@dataclass(frozen=True)
class Temper:
    """*lag* is the share of the settle window after which it is done at the latest; *fates* are for a mixed answer."""

    mood: Mood = Mood.WELL
    lag: float = 0.5
    fates: tuple[str, ...] = ("done",)


class LawBrokenError(AssertionError):
    pass


class Died(BaseException):
    """Stands for ``kill -9``: nothing catches it, and nothing is written after it."""


@dataclass
class _Request:
    """
    On its way, or at work, until it is *gone*. *counts_from* is when the API may have begun to forget it: when it was
    written, or, later, when its connection ended.
    """

    process: Process
    actions: Sequence[Mapping[str, Any]]
    temper: Temper
    counts_from: float
    is_lost: bool = False
    is_gone: bool = False

    @property
    def users(self) -> frozenset[str]:
        return frozenset(action["userId"] for action in self.actions)

    @property
    def due(self) -> float:
        return self.counts_from + self.temper.lag * SETTLE_SECONDS


class Api:
    """Users in memory, and all that ever took effect."""

    def __init__(self, clock: World) -> None:
        self._world = clock
        self.tempers: deque[Temper] = deque()
        self.allowed: set[str] = set()  # the actions of all plans that were started
        self.attributes: dict[str, dict[str, Any]] = {user: {"tier": "silver", "visits": 5} for user in USERS}
        self.tokens: dict[str, str] = {}
        self.delivered: Counter[tuple[str, str]] = Counter()  # by user and delivery
        self.ever: set[tuple[str, str, Any]] = set()  # each value that a user ever had
        self.requests: list[_Request] = []
        self.violations: list[str] = []

    def element(self, user: str) -> dict[str, Any]:
        device = f"device-{user}"
        devices = [{"deviceId": device, "iosPushToken": self.tokens[device]}] if device in self.tokens else []
        return {
            "success": True,
            "userId": user,
            "userAttributes": dict(self.attributes[user]),
            "devices": devices,
        }

    def profile(self, subject: Subject) -> Profile:
        return read_profile(self.element(subject.id))

    def in_flight(self, user: str) -> bool:
        return any(user in request.users and not request.is_gone for request in self.requests)

    def read(self, process: Process, user: str) -> bytes:
        # One that was overtaken may still read: it can't record what it makes of it.
        if self.in_flight(user) and process.lease.fence == self._world.fence:
            self.violations.append(f"{user} was read with a request of theirs in flight")
        return orjson.dumps({"response": [self.element(user)]})

    def receive(self, process: Process, body: bytes, temper: Temper) -> _Request:
        request = _Request(process, orjson.loads(body)["data"], temper, self._world.now)
        if process.lease.fence < self._world.fence:
            self.violations.append("a process sent after another one had taken over")
        for user in request.users:
            if self.in_flight(user):
                self.violations.append(f"two requests were in flight for {user}")
        self.violations.extend(
            f"an action that no plan holds was sent: {text}"
            for action in request.actions
            if (text := _text(action)) not in self.allowed
        )
        self.requests.append(request)
        self._world.changes += 1
        return request

    def answer(self, request: _Request) -> Response:
        temper, actions = request.temper, request.actions
        if temper.mood is Mood.LOST_LATE:
            self._lose(request)
        else:
            self._carry_out(request)
        elements = [
            _element(action, fate) for action, fate in zip(actions, self._fates(request), strict=True)
        ]
        match temper.mood:
            case Mood.WELL | Mood.MIXED:
                return _response(200, elements)
            case Mood.SHORT:
                return _response(200, elements[:-1])
            case Mood.UNREADABLE:
                return Response(200, b'{"response": [{"succ')
            case Mood.FAILED_AFTER:
                return _response(500, [_refusal("Internal server error")])
            case Mood.RATE_LIMITED:
                return _response(429, [_refusal("Too many requests")])
            case Mood.TOO_LARGE:
                return _response(403, [_refusal("Too many users")])
            case Mood.BAD_KEY:
                return _response(403, [_refusal("Invalid access key")])
            case _:
                raise NoAnswerError("The connection was cut.")

    def connection_ended(self, process: Process) -> None:
        """A process died: what it had written may still be done, for a while."""
        for request in self.requests:
            if request.process is process:
                self._lose(request)

    def tick(self) -> None:
        for request in self.requests:
            if not request.is_gone and request.due <= self._world.now:
                self._carry_out(request)
        self.requests = [request for request in self.requests if not request.is_gone]

    def next_due(self) -> float:
        return min((request.due for request in self.requests if not request.is_gone), default=float("inf"))

    def edit(self, user: str, name: str, value: Any) -> None:
        """A person, somewhere else, changes an attribute."""
        self.attributes[user][name] = value
        self.ever.add((user, name, value))
        self._world.changes += 1

    def _lose(self, request: _Request) -> None:
        # After a pause nobody waits for that: what was written before it counts from when it was written.
        if not request.is_lost and not request.process.was_paused:
            request.is_lost, request.counts_from = True, self._world.now

    def _fates(self, request: _Request) -> tuple[str, ...]:
        drawn, total = request.temper.fates, len(request.actions)
        if request.temper.mood is not Mood.MIXED:
            return ("done",) * total
        return tuple(drawn[index % len(drawn)] for index in range(total))

    def _carry_out(self, request: _Request) -> None:
        if request.is_gone:
            return
        request.is_gone = True
        self._world.changes += 1
        actions, mood = request.actions, request.temper.mood
        if mood in _NEVER_DONE:
            return
        if mood in (Mood.SHORT, Mood.UNREADABLE):
            actions = actions[: len(actions) // 2]
        for action, fate in zip(actions, self._fates(request), strict=False):
            if fate not in ("warning", "error"):
                self._do(action)

    def _do(self, action: Mapping[str, Any]) -> None:
        user = action["userId"]
        attributes = self.attributes[user]
        match action["action"]:
            case "sendMessage":
                self.delivered[user, "november"] += 1
            case "setDeviceAttributes":
                self.tokens[action["deviceId"]] = action["iosPushToken"]
                self.ever.add((user, "iosPushToken", action["iosPushToken"]))
            case _:
                for name, value in action.get("userAttributes", {}).items():
                    attributes[name] = value
                    self.ever.add((user, name, value))
                for name, values in action.get("userAttributeValuesToAdd", {}).items():
                    attributes[name] = sorted({*attributes.get(name, ()), *values})
                    self.ever.update((user, name, value) for value in values)
                for name, amount in action.get("userAttributeValuesToIncrement", {}).items():
                    attributes[name] += amount
                    self.delivered[user, "launch/visits"] += 1


def wanted(action: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield what a user has, or had, if the repeatable *action* was carried out."""
    user = action["userId"]
    for name in ("iosPushToken",):
        if name in action:
            yield user, name, action[name]
    for name, value in action.get("userAttributes", {}).items():
        yield user, name, value
    for name, values in action.get("userAttributeValuesToAdd", {}).items():
        for value in values:
            yield user, name, value


def _element(action: Mapping[str, Any], fate: str) -> dict[str, Any]:
    base = {"reqId": action["reqId"], "success": fate != "error"}
    if action["action"] == "sendMessage":
        base["messagesSent"] = int(fate not in ("warning", "error"))
    match fate:
        case "advisory":
            return base | {"warning": {"message": "Past event detected"}}
        case "warning":
            return base | {"warning": {"message": "User not found"}}
        case "error" | "error beside success":
            return base | {"error": {"message": "Something is wrong with it"}}
        case _:
            return base


def _refusal(message: str) -> dict[str, Any]:
    return {"success": False, "error": {"message": message}}


def _response(status: int, elements: Sequence[Mapping[str, Any]]) -> Response:
    return Response(status, orjson.dumps({"response": elements}))


def _text(payload: Mapping[str, Any]) -> str:
    return orjson.dumps(
        {name: value for name, value in payload.items() if name != "reqId"}, option=orjson.OPT_SORT_KEYS
    ).decode()


class World:
    """What all processes share: the time, the API, and the journal's database."""

    def __init__(self, location: str | Path, *, settle_seconds: float = SETTLE_SECONDS) -> None:
        self.location, self.settle_seconds = location, settle_seconds
        self.now = START
        self.ids = count(1)
        self.api = Api(self)
        self.processes: list[Process] = []
        self.fence = 0
        self.changes = 0  # of the journal, of users, and of what is in flight

    def plan(self, kind: str, known: Callable[[Subject], Any], *, receipts: bool) -> Any:
        """Plan as the program would now, by live state and by what the journal knows."""
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
            _text(planned.action.payload()) for batch in plan.all_batches for planned in batch.actions
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
        """Let time pass. Meanwhile those who are not paused renew their leases, and the API works off its queue."""
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
    """One process that applies *plan*; it is also its own clock, transport and team."""

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
        self._renewing = self.lease.writing
        self.lease.writing = self._writing  # type: ignore[method-assign]  # turns are given up around transactions
        connection, keys = Connection.to_emulator("http://127.0.0.1:1"), Keys.of(EMULATOR_KEYS)
        randomness = random.Random(1)
        self._main = _Strand(
            self,
            lambda: apply_plan(
                plan,
                writer=Writer(connection, keys, self, self),
                reader=Reader(connection, keys, self, self, randomness=randomness),
                journal=self.journal,
                lease=self.lease,
                clock=self,
                settings=settings,
                progress=SilentProgress(),
                stop=self.stop,
                only=only,
                hands=self,
                randomness=randomness,
            ),
        )
        self._strands.append(self._main)

    # As a clock.

    def now(self) -> float:
        return self.world.now

    monotonic = now

    def sleep(self, seconds: float) -> None:
        end = self.world.now + seconds
        _rest(lambda: self.world.now >= end, end)

    def new_id(self) -> str:
        return f"{next(self.world.ids):032x}"

    # As hands, and as their team.

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
            return Response(200, api.read(self, orjson.loads(request.body)["userId"]))
        temper = api.tempers.popleft() if api.tempers else Temper()
        _rest()
        if temper.mood is Mood.UNREACHABLE:
            raise NotSentError("No route to host.")
        assert before_write is not None
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
        """Give *turns* turns to the process's strands, picked among those that can go on; time passes where all sleep."""
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
    """Give up the turn until *is_ready*."""
    strand: _Strand | None = getattr(_here, "strand", None)
    if strand is not None:
        strand.rest(is_ready, wakes_at)


class _Strand:
    """A thread that goes on only when told to, up to where it next gives up its turn."""

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
    """Needs no lock where only one goes on at a time."""

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
