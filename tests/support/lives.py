"""The processes of the crash campaign. Each applies a plan or resolves held actions, and may be killed at a given point."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import psycopg
import requests
from receipts import adds_up

from leanplum_sync.encryption import KEY_VARIABLE
from leanplum_sync.errors import JournalLockedError, LeanplumSyncError, LockLostError
from leanplum_sync.journal import open_journal
from leanplum_sync.journal.entry import DeliveryState, Fate, Resolution
from leanplum_sync.journal.run import RunJournal
from leanplum_sync.journal.writer import Journal
from leanplum_sync.planner.parts import Part
from leanplum_sync.wire.envelope import Answered
from leanplum_sync.wire.outcome import Outcome

LOCKED: Final = 8
CRASHED: Final = 70
# Time flies for those who live here, so that waits of a minute take seconds.
SPEED: Final = 20
_LEASE_SECONDS: Final = 3 * SPEED
# Real ones: what the emulator does late, it does after the client gave up and before the settle window ends.
_READ_TIMEOUT_SECONDS: Final = 0.4
SETTLE_SECONDS: Final = 1.2 * SPEED
_WORLD: Final = Path(__file__).parents[1] / "integration" / "applier" / "world.py"


def _load_world() -> ModuleType:
    spec = importlib.util.spec_from_file_location("campaign_world", _WORLD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


world = _load_world()
# The world's events, by their names in the journal. A user gets each of them once.
EVENTS: Final[Mapping[str, str]] = {each.delivery: each.name for each in world.DESIRES["events"]}


class Clock:
    """Runs faster than real time, by the same factor in every process."""

    def now(self) -> float:
        return 1.7e9 + (time.time() - 1.7e9) * SPEED

    def monotonic(self) -> float:
        return time.monotonic() * SPEED

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / SPEED)

    def new_id(self) -> str:
        return os.urandom(16).hex()


@dataclass(frozen=True)
class Life:
    """
    What one process is to do; *point* empty: live to the end. *nth* says which time at the point counts. *shard* is the
    part of the plan, ``N/M``, empty for all of it.
    """

    url: str
    journal: str
    kind: str
    report: str
    point: str = ""
    nth: int = 1
    concurrency: int = 2
    lease_seconds: float = _LEASE_SECONDS
    settle_seconds: float = SETTLE_SECONDS
    shard: str = ""
    plan: str = ""  # the file of a plan, pickled; empty: the one for the kind
    key: str = ""  # the journal is signed with it; empty: it is not

    @property
    def part(self) -> Part | None:
        return Part.parse(self.shard) if self.shard else None


def live(life: Life) -> int:
    """Apply the plan, unless killed before the end. Write the result to the report, and return an exit code."""
    _arrange(life)
    answered: list[str] = []
    settings = world.ApplySettings(
        concurrency=life.concurrency,
        settle_seconds=life.settle_seconds,
        recheck=world.Recheck.OFF,
        resume=True,
        failures_in_a_row=1000,
    )
    run = world.Run(
        life.url,
        life.journal,
        _plan(life),
        settings,
        part=life.part,
        clock=Clock(),
        lease_seconds=life.lease_seconds,
        read_timeout_seconds=_READ_TIMEOUT_SECONDS,
        wrap_writer=lambda writer: _Noting(
            world.Dying(writer, life.point, life.url, nth=life.nth), life, answered
        ),
    )
    try:
        receipt = run.go()
    except LeanplumSyncError as error:
        told = {"error": type(error).__name__, "text": str(error)}
        _report(life, told | {"answered": answered})
        return LOCKED if isinstance(error, (JournalLockedError, LockLostError)) else 1
    found = {fate.value: number for fate, number in receipt.actions.items()}
    _report(life, {"actions": found, "adds up": adds_up(receipt), "answered": answered})
    return 0


def _plan(life: Life) -> Any:
    if life.plan:
        return pickle.loads(Path(life.plan).read_bytes())
    return world.plan_for(life.kind, part=life.part)


class _Noting:
    """
    A writer that notes in *answered* whose sends were answered. At its points, it stops the process between the last look at
    the deadline and the first byte, or cuts the journal's connections after the answer.
    """

    def __init__(self, writer: Any, life: Life, answered: list[str]) -> None:
        self._writer, self._life, self._answered = writer, life, answered
        self._calls = count(1)

    def send(self, actions: Any, *, before_write: Callable[[], None], **given: Any) -> Any:
        number = next(self._calls)

        def before() -> None:
            before_write()
            if self._life.point == "stopped before the first byte" and number == self._life.nth:
                _pause()

        answer = self._writer.send(actions, before_write=before, **given)
        if isinstance(answer, Answered):
            self._answered += [
                action.arguments["userId"]
                for action, found in zip(actions, answer.outcomes, strict=True)
                if action.name == "sendMessage" and found.outcome is not Outcome.IN_DOUBT
            ]
        if self._life.point == "connections lost after an answer" and number == self._life.nth:
            _lose_journal(self._life.journal)
        return answer


def _report(life: Life, told: Mapping[str, Any]) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    Path(life.report).write_text(json.dumps(told))


def _arrange(life: Life) -> None:
    match life.point:
        case "before the claim":
            _at(Journal, "acquire", 1, world.die)
        case "claimed, no intent":
            _at(RunJournal, "record_sent", life.nth, world.die)
        case "recorded":
            _at(RunJournal, "record_answer", life.nth, world.die, after=True)
        case "settling":
            _at(RunJournal, "record_settled", life.nth, world.die)
        case "lease lost while working":
            _at(RunJournal, "record_sent", life.nth, _pause, after=True)
        case "journal lost at the intent":
            _at(RunJournal, "record_sent", life.nth, lambda: _lose_journal(life.journal))


def _at(owner: type, name: str, nth: int, happens: Callable[[], None], *, after: bool = False) -> None:
    original = getattr(owner, name)
    calls = count(1)

    def instead(*args: Any, **kwargs: Any) -> Any:
        is_it = next(calls) == nth
        if is_it and not after:
            happens()
        found = original(*args, **kwargs)
        if is_it and after:
            happens()
        return found

    setattr(owner, name, instead)


def _pause() -> None:
    # To this very thread, so that it doesn't go on while the signal is on its way to another.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def _lose_journal(journal: str) -> None:
    """Let the disk be full, or the server unreachable."""
    if not journal.startswith("postgresql://"):
        # Python ignores the signal that comes with it; the write fails.
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        return
    with psycopg.connect(journal, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def resolve(life: Life) -> int:
    """Resolve held actions with the knowledge of the emulator. With a point, get killed before the *nth* decision is stored."""
    if life.plan:
        return _resolve_all(life)
    calls = count(1)
    with open_journal(life.journal, clock=Clock()) as journal:
        app, environment = "app_emulator", "sandbox"
        with journal.acquire(app, environment, part=life.shard, lease_seconds=_LEASE_SECONDS) as lease:
            run = next(run for run in journal.runs(app, environment) if run.part == life.shard)
            effects = Effects.of(life.url)
            held = [entry for entry in journal.exceptions(run.number) if entry.fate is Fate.HELD]
            deliveries = {
                planned.number: planned.deliveries[0].name
                for batch in world.plan_for(life.kind, part=life.part).batches()
                for planned in batch.actions
                if planned.deliveries
            }
            for entry in held:
                if life.point and next(calls) == life.nth:
                    world.die()
                happened = effects.has(deliveries[entry.action], entry.subject.id)
                word = Resolution.DONE if happened else Resolution.AGAIN
                journal.resolve(lease, run.number, word, sequence=entry.sequence, actions=[entry.action])
    return 0


def _resolve_all(life: Life) -> int:
    """Resolve the held actions of all runs, which may be of several environments and plans."""
    with open_journal(life.journal, clock=Clock()) as journal:
        effects = Effects.of(life.url)
        names = {
            (each.run, each.sequence, each.key.subject): each.key.name
            for each in journal.deliveries(states=[DeliveryState.HELD])
        }
        for run in journal.runs("app_emulator"):
            held = list(journal.exceptions(run.number, [Fate.HELD]))
            with journal.acquire(run.app, run.environment, lease_seconds=_LEASE_SECONDS) as lease:
                for entry in held:
                    name = names[run.number, entry.sequence, entry.subject]
                    word = Resolution.DONE if effects.has(name, entry.subject.id) else Resolution.AGAIN
                    journal.resolve(lease, run.number, word, sequence=entry.sequence, actions=[entry.action])
    return 0


@dataclass(frozen=True)
class Effects:
    """What took effect, by the emulator's counts. *writes* counts the writes that arrived, with any outcome."""

    writes: int
    sends: Mapping[str, int]
    increments: Mapping[str, int]
    events: Mapping[str, Mapping[str, int]]
    overlaps: int
    faults: Mapping[str, int]

    @classmethod
    def of(cls, url: str) -> Effects:
        found = requests.get(f"{url}/_emulator/counts", params={"detail": 1}, timeout=300).json()
        return cls(
            found["writes"],
            next(iter(found["sends"].values()), {}),
            {user: counts["visits"] for user, counts in found["increments"].items()},
            {
                user: {event: counts["total"] for event, counts in events.items()}
                for user, events in found["events"].items()
            },
            found["overlaps"]["times"],
            found["faults"],
        )

    def has(self, delivery: str, user: str) -> bool:
        """Return whether *user* got the *delivery*, named as in the journal."""
        if (event := EVENTS.get(delivery)) is not None:
            return bool(self.events.get(user, {}).get(event))
        return bool((self.increments if "/" in delivery else self.sends).get(user))

    @property
    def duplicates(self) -> int:
        events = (number for counts in self.events.values() for number in counts.values())
        return sum(number - 1 for number in (*self.sends.values(), *self.increments.values(), *events))


class Nursery:
    """Forks processes from one that has imported everything and has no threads."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, life: Life, does: str = "live") -> int:
        return int(self._ask({"does": does, "life": asdict(life)}))

    def wait(self, pid: int) -> int:
        """Return the exit code, or the negated number of the signal that killed it."""
        return int(self._ask({"wait": pid}))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=300)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _ask(self, question: Mapping[str, Any]) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


def nursery() -> None:
    for line in sys.stdin:
        match json.loads(line):
            case {"wait": pid}:
                _, status = os.waitpid(pid, 0)
                answer = os.waitstatus_to_exitcode(status)
            case {"does": does, "life": life}:
                answer = os.fork()
                if answer == 0:
                    _be_born(resolve if does == "resolve" else live, Life(**life))
            case other:
                raise AssertionError(other)
        print(answer, flush=True)  # noqa: T201 - it answers its parent


def _be_born(does: Callable[[Life], int], life: Life) -> None:
    code = CRASHED
    os.environ[KEY_VARIABLE] = life.key
    try:
        code = does(life)
    except BaseException:  # noqa: BLE001 - whatever it is, the campaign is told and this process ends
        _report(life, {"error": "crash", "text": traceback.format_exc()})
    finally:
        os._exit(code)


if __name__ == "__main__":
    nursery()
