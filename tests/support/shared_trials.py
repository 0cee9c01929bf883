"""
Trials of the crash campaign for shared journals: connections are lost, the server is restarted, pgbouncer hands each transaction
another connection, and two environments of one app work at once.
"""

from __future__ import annotations

import pickle
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from covering import Row
from crash_campaign import Trial, Verdict
from lives import Life, Nursery, world
from postgresql import Server, pooler, pooling

from leanplum_sync.address import Subject
from leanplum_sync.journal import read_journal
from leanplum_sync.journal.entry import Fate
from leanplum_sync.planner.known import NOTHING_KNOWN

APP: Final = "app_emulator"
BACKENDS: Final = ("postgresql", "pgbouncer")
POINTS: Final = (
    "connections lost after an answer",
    "connections lost at any moment",
    "restarted at any moment",
    "crashed at any moment",
    "claimed, no intent",
    "answered, not recorded",
    "settling",
    "lease lost while working",
    "any moment",
)
_MOST_PLANS: Final = 12


class SharedTrial(Trial):
    """
    Every other seed is for two environments, which work at once and supersede each other's runs: then there is a new plan, from
    what the journal knows by then. They ask for the same changes, so each must happen once.
    """

    backends = BACKENDS
    points = POINTS

    def __init__(
        self, seed: int, server: Server, children: Nursery, folder: Path, *, row: Row | None = None
    ) -> None:
        super().__init__(seed, server, children, folder, row=row)
        self._server = server
        if self.backend == "pgbouncer" and pooler() is None:
            self.backend = "postgresql"
            self.verdict.what += " (pgbouncer is not installed)"
        self._database = ""
        self._plans: dict[str, str] = {}
        self.environments: tuple[str, ...] = ("sandbox",)
        if random.Random(f"environments {seed}").random() < 0.5:
            self.environments = ("sandbox", "staging")
            self.shards = ("",)
            self._shard = ""
            self.verdict.what += ", two environments"
        self._answered: set[str] = set()
        self._is_answer_safe = True

    def go(self) -> Verdict:
        with ExitStack() as stack:
            self._journal = self._server.new_database()
            self._database = self._journal.partition("@/")[2].partition("?")[0]
            if self.backend == "pgbouncer":
                self._journal = stack.enter_context(pooling(self._server))(self._database)
            if len(self.environments) > 1:
                for environment in self.environments:
                    self._plan_again(environment)
            return super().go()

    def _plan_again(self, environment: str) -> None:
        """Make a plan from what the journal knows now."""
        subjects = [Subject.user(user) for user in world.USERS]
        with read_journal(self._journal, keys=self._keys) as journal:
            known = journal.known(APP, subjects)
            last_run = journal.last_run()
        number = next(self._numbers)
        plan = world.plan_for(
            self.kind,
            known=lambda subject: known.get(subject, NOTHING_KNOWN),
            digest=f"{environment}-{number}",
            environment=environment,
            created_at=float(number),
            read_after_run=last_run,
        )
        path = self._folder / f"plan-{number}.pickle"
        path.write_bytes(pickle.dumps(plan))
        self._plans[environment] = str(path)

    def _life(self, point: str = "", *, environment: str | None = None, **given: Any) -> Life:
        environment = environment or self._chance.choice(self.environments)
        return super()._life(point, plan=self._plans.get(environment, ""), **given)

    @contextmanager
    def _others_beside(self, point: str) -> Iterator[None]:
        if len(self.environments) == 1:
            with super()._others_beside(point):
                yield
            return
        # One of the two finds the lock taken, until the other is killed.
        pids = [self._children.start(self._life(environment=each)) for each in self.environments]
        yield
        for pid in pids:
            if self._chance.random() < 0.3:
                self._kill(pid)
            self._end(pid)

    def _live_through(self, point: str) -> None:
        match point:
            case "connections lost at any moment":
                self._disturb(lambda: self._server.cut_connections(self._database), times=3)
            case "restarted at any moment":
                self._disturb(lambda: self._server.restart(signal.SIGINT), times=1)
                self._is_answer_safe = False  # the server may be away for longer than the lease
            case "crashed at any moment":
                self._disturb(lambda: self._server.restart(signal.SIGQUIT), times=1)
                self._is_answer_safe = False  # answers are not flushed one by one
            case "connections lost after an answer":
                life = self._life(point)
                code = self._end(self._children.start(life))
                told = self._told(life)
                if code >= 0 and told and self.kind == "sends":
                    self._answered.update(told["answered"])
            case _:
                super()._live_through(point)

    def _disturb(self, strike: Callable[[], None], *, times: int) -> None:
        """Let a process live, and strike while it does."""
        pid = self._children.start(self._life())
        done = threading.Event()

        def work() -> None:
            for _ in range(times):
                time.sleep(self._chance.random() * 0.3)
                strike()
            done.set()

        thread = threading.Thread(target=work)
        thread.start()
        self._end(pid)
        thread.join()
        assert done.is_set(), "the disturbance failed"

    def _overtake(self) -> None:
        # With two environments, the rival may find its own plan superseded instead of a lock.
        if len(self.environments) == 1:
            super()._overtake()
        else:
            self._end(self._children.start(self._life()))

    def _finish_part(self, shard: str) -> None:
        if len(self.environments) == 1:
            super()._finish_part(shard)
            return
        for environment in self.environments:
            self._finish_environment(environment)

    def _finish_environment(self, environment: str) -> None:
        told: Any = None
        for _ in range(_MOST_PLANS):
            life = self._life(environment=environment)
            code = self._end(self._children.start(life))
            told = self._told(life)
            if code == 0 and not any(told["actions"][fate] for fate in ("in doubt", "parked")):
                if not told["adds up"]:
                    self._problem("the receipt does not add up")
                return
            if code == 0 or told["error"] == "StalePlanError":
                self._plan_again(environment)
        self._problem(f"never came to an end: {told}")

    def _resolve(self) -> None:
        super()._resolve()
        for environment in self._plans:
            self._plan_again(environment)

    def _listed(self) -> Mapping[str, str]:
        """What is held in any run; everything else as the last run of each environment left it."""
        with read_journal(self._journal, keys=self._keys) as journal:
            runs = journal.runs()
            last = {(run.environment, run.part): run.number for run in reversed(runs)}
            return {
                entry.subject.id: entry.fate.value
                for run in runs
                for entry in journal.exceptions(run.number)
                if entry.fate is Fate.HELD or run.number in last.values()
            }

    def _judge(self, *, is_resolved: bool) -> None:
        super()._judge(is_resolved=is_resolved)
        if self._is_answer_safe and not is_resolved:
            with read_journal(self._journal, keys=self._keys) as journal:
                held = {
                    entry.subject.id
                    for run in journal.runs()
                    for entry in journal.exceptions(run.number, [Fate.HELD])
                }
            if lost := held & self._answered:
                self._problem(f"{len(lost)} sends are held although they were answered")
