"""
Kills, pauses and starves runs at every critical point, under faults, and checks the result against the emulator's counts.

Each seed is one plan that a series of *lives* has to apply: processes that are killed with SIGKILL, paused for longer than
their lease while another run takes over, or cut off from their journal. Half of the plans are shared by two processes, each with its
part of the users. At the end nothing may have happened twice, no user may have been in two requests at once, and everything
that did not happen must be listed. Then held actions are resolved with the emulator's knowledge, and everything must have happened
exactly once.

As a script, it prints a line for each failed seed and a summary. ``--seed`` and ``--runs`` select the seeds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import doubts
import orjson
import requests
from covering import Row
from lives import CRASHED, EVENTS, LOCKED, SETTLE_SECONDS, SPEED, Effects, Life, Nursery, world
from postgresql import Server, serving

from leanplum_sync import emulator
from leanplum_sync.encryption import KEY_VARIABLE, SealingKeys, new_key
from leanplum_sync.journal import read_journal
from leanplum_sync.journal.entry import Fate

JOURNAL_ERRORS: Final = ("JournalError", "JournalStorageError", "JournalUnreachableError")
KINDS: Final = ("attributes", "increments", "lists", "sends", "events", "everything")
BACKENDS: Final = ("sqlite", "postgresql")
POINTS: Final = (
    "before the claim",
    "claimed, no intent",
    "intent, nothing written",
    "partly written",
    "answered, not recorded",
    "recorded",
    "settling",
    "resolving",
    "lease lost while working",
    "journal lost at the intent",
    "any moment",
)
# Seconds are real here. What comes late comes before the settle window ends, and after the client gave up.
FAULTS: Final = (
    "cut-before",
    "cut-after",
    "cut-half",
    "queued:seconds=0.2",
    "late-answer:seconds=0.6",
    "status:status=500,when=after",
    "429",
    "truncated",
    "short",
)
_SHORT_LEASE_SECONDS: Final = 0.6 * SPEED
# A person looks before deciding, and looks too early while work is still queued.
_UNTIL_QUEUED_WORK_IS_DONE: Final = 0.3
_MOST_LIVES: Final = 12
# Of the settle window's 1.2 seconds, late answers use 0.6, and a little is needed to notice.
_MOST_STALLED_SECONDS: Final = 0.4
_MOST_TRIES: Final = 5
_GLANCE_SECONDS: Final = 0.02
_COMBINATIONS: Final = len(BACKENDS) * len(KINDS) * len(POINTS)
# Where it matters who is there, nobody works beside them.
_ALONE: Final = ("resolving", "lease lost while working")


@dataclass
class Verdict:
    """The result of one seed. *problems* is empty if all laws held."""

    seed: int
    what: str
    kills: int = 0
    held: int = 0
    listed: int = 0
    duplicates: int = 0
    lost: int = 0
    overlaps: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    stalled_seconds: float = 0.0

    @property
    def is_valid(self) -> bool:
        """
        Whether the API took no longer than the settle window allows. An emulator that was stalled for longer works on the old
        request and on the one that settles it at the same time, and no client can know.
        """
        return not self.overlaps or self.stalled_seconds < _MOST_STALLED_SECONDS


class Trial:
    """Runs the processes of one seed and checks the result."""

    backends: Sequence[str] = BACKENDS
    points: Sequence[str] = POINTS
    kinds: Sequence[str] = KINDS

    def __init__(
        self,
        seed: int,
        server: Server,
        children: Nursery,
        folder: Path,
        *,
        settle_seconds: float = SETTLE_SECONDS,
        row: Row | None = None,
    ) -> None:
        """*row* has the doubts about the API that this run meets; None: the defaults, and no help with repeated batches."""
        self._switches = emulator.Switches(duplicates="carry_out") if row is None else doubts.switches(row)
        # The first life's point and what it meets go through all combinations, of a whole plan and of a shared one; the rest
        # is chance.
        self.backend = self.backends[seed % 2]
        self.kind = self.kinds[seed // 2 % len(self.kinds)]
        self.point = self.points[seed // 2 // len(self.kinds) % len(self.points)]
        self._chance = random.Random(seed)
        self._children, self._folder, self._settle_seconds = children, folder, settle_seconds
        self._journal = str(folder / "journal.db") if self.backend == "sqlite" else server.new_database()
        self._numbers = count(1)
        self.shards = ("1/2", "2/2") if seed // _COMBINATIONS % 2 else ("",)
        self._shard = self.shards[0]
        self._key = new_key() if random.Random(f"key {seed}").random() < 0.5 else ""
        self._keys = SealingKeys.from_environment({KEY_VARIABLE: self._key})
        shared = f", {len(self.shards)} parts" if len(self.shards) > 1 else ""
        shared += ", signed" if self._key else ""
        doubted = f" under {doubts.described(row)}" if row else ""
        self.verdict = Verdict(seed, f"{self.backend}, {self.kind}, {self.point}{shared}{doubted}")

    def go(self) -> Verdict:
        seed = self._folder / "seed.ndjson"
        seed.write_text(world.seed())
        with emulator.running(seeds=[seed], switches=self._switches) as running, self._watching_stalls():
            self._url = running.url
            faults = self._faults()
            self.verdict.what += f"; {faults}"
            self._post_faults(faults)
            points = [self.point, *self._chance.choices(self.points, k=self._chance.randrange(3))]
            for point in points:
                with self._others_beside(point):
                    self._live_through(point)
            self._finish()
            self._judge(is_resolved=False)
            self._resolve()
            self._finish()
            self._judge(is_resolved=True)
        return self.verdict

    @contextlib.contextmanager
    def _watching_stalls(self) -> Iterator[None]:
        """Measure for how long this process, and the emulator in it, did not come to run."""
        over = threading.Event()

        def watch() -> None:
            began = time.monotonic()
            while not over.wait(_GLANCE_SECONDS):
                now = time.monotonic()
                self.verdict.stalled_seconds = max(
                    self.verdict.stalled_seconds, now - began - _GLANCE_SECONDS
                )
                began = now

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _faults(self) -> str:
        chosen = self._chance.sample(FAULTS, k=self._chance.randint(1, 3))
        return (
            "; ".join(
                f"{fault}{',' if ':' in fault else ':'}action={self._action()},"
                f"times={self._chance.randint(1, 2)},after={self._chance.randrange(4)}"
                for fault in chosen
            )
            + f"; latency:seconds=0.01; seed={self.verdict.seed}"
        )

    def _action(self) -> str:
        match self.kind:
            case "sends":
                return "sendMessage"
            case "events":
                return self._chance.choice(["track", "setUserAttributes"])
            case "everything":
                return self._chance.choice(["sendMessage", "setUserAttributes", "track"])
            case _:
                return "setUserAttributes"

    def _post_faults(self, text: str) -> None:
        requests.post(f"{self._url}/_emulator/faults", data=text, timeout=300).raise_for_status()

    @contextlib.contextmanager
    def _others_beside(self, point: str) -> Iterator[None]:
        """If the plan is shared, apply the point to one part, and run the others beside it or kill them at a random moment."""
        if len(self.shards) == 1:
            yield
            return
        self._shard = self._chance.choice(self.shards)
        others = [] if point in _ALONE else [shard for shard in self.shards if shard != self._shard]
        pids = [self._children.start(self._life(shard=shard)) for shard in others]
        yield
        for pid in pids:
            if self._chance.random() < 0.5:
                self._kill(pid)
            self._end(pid)

    @staticmethod
    def _kill(pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def _life(self, point: str = "", **given: Any) -> Life:
        report = self._folder / f"report-{next(self._numbers)}.json"
        chosen = {"nth": self._chance.randint(1, 4), "concurrency": self._chance.randint(1, 3)} | given
        chosen = {"settle_seconds": self._settle_seconds, "shard": self._shard, "key": self._key} | chosen
        return Life(self._url, self._journal, self.kind, str(report), point, **chosen)

    def _live_through(self, point: str) -> None:
        match point:
            case "resolving":
                self._finish()
                time.sleep(_UNTIL_QUEUED_WORK_IS_DONE)
                self._end(self._children.start(self._life(point), "resolve"))
            case "settling":
                self._post_faults(f"cut-after:action={self._action()},times=2")
                self._end(self._children.start(self._life(point, nth=self._chance.randint(1, 2))))
            case "any moment":
                pid = self._children.start(self._life())
                time.sleep(self._chance.random() * 0.4)
                self._kill(pid)
                self._end(pid)
            case "lease lost while working":
                self._overtake()
            case "journal lost at the intent":
                life = self._life(point)
                if self._end(self._children.start(life)) and self._told(life)["error"] not in JOURNAL_ERRORS:
                    self._problem(f"without its journal it said: {self._told(life)}")
            case _:
                self._end(self._children.start(self._life(point)))

    def _overtake(self) -> None:
        """Pause a run between its intent and its request, let another run take over, and wake the first one."""
        # One request at a time, so that none is beyond the last look at the deadline when the process is paused.
        life = self._life("lease lost while working", lease_seconds=_SHORT_LEASE_SECONDS, concurrency=1)
        pid = self._children.start(life)
        while (state := state_of(pid)) not in ("T", "Z"):
            time.sleep(0.01)
        if state == "T":
            early = self._children.start(self._life())
            if self._end(early) not in (0, LOCKED):
                self._problem(f"the rival that came early ended otherwise: {self._told(life)}")
            time.sleep(_SHORT_LEASE_SECONDS / SPEED)
            self._end(self._children.start(self._life()))
            before = Effects.of(self._url).writes
            os.kill(pid, signal.SIGCONT)
            if self._end(pid) != LOCKED:
                self._problem(f"the overtaken run did not say so: {self._told(life)}")
            if Effects.of(self._url).writes != before:
                self._problem("the overtaken run sent something")
        else:
            self._end(pid)

    def _finish(self) -> None:
        """Start processes until one of each part finishes."""
        for shard in self.shards:
            self._finish_part(shard)

    def _finish_part(self, shard: str) -> None:
        for _ in range(_MOST_LIVES):
            life = self._life(shard=shard)
            code = self._end(self._children.start(life))
            told = self._told(life)
            if code == 0 and not any(told["actions"][fate] for fate in ("in doubt", "parked")):
                if not told["adds up"]:
                    self._problem("the receipt does not add up")
                return
        self._problem(f"never came to an end: {told}")

    def _resolve(self) -> None:
        self._post_faults("")
        time.sleep(_UNTIL_QUEUED_WORK_IS_DONE)
        for shard in self.shards:
            life = self._life(nth=0, shard=shard)
            if self._end(self._children.start(life, "resolve")):
                self._problem(f"could not be resolved: {self._told(life)}")

    def _end(self, pid: int) -> int:
        code = self._children.wait(pid)
        if code == CRASHED:
            reports = sorted(self._folder.glob("report-*.json"), key=lambda path: path.stat().st_mtime)
            self._problem(f"a life ended in a crash: {reports[-1].read_text()}")
        self.verdict.kills += code == -signal.SIGKILL
        return code

    def _told(self, life: Life) -> Any:
        path = Path(life.report)
        return json.loads(path.read_text()) if path.exists() else None

    def _judge(self, *, is_resolved: bool) -> None:
        effects, listed, held = Effects.of(self._url), self._listed(), self._held()
        verdict = self.verdict
        verdict.duplicates, verdict.overlaps = effects.duplicates, effects.overlaps
        verdict.faults = Counter(effects.faults)
        if not is_resolved:
            verdict.held, verdict.listed = held, len(listed)
        lost = [user for user in world.USERS if user not in listed and not self._has_all(effects, user)]
        verdict.lost += len(lost)
        when = "after resolving" if is_resolved else "at the end"
        if effects.duplicates:
            self._problem(f"{when}, {effects.duplicates} happened twice")
        if effects.overlaps:
            self._problem(f"{when}, {effects.overlaps} overlaps")
        if lost:
            self._problem(f"{when}, {len(lost)} silently lost")
        if is_resolved and listed:
            self._problem(f"{when}, {len(listed)} users are still listed: {sorted(set(listed.values()))}")

    def _listed(self) -> Mapping[str, str]:
        with read_journal(self._journal, keys=self._keys) as journal:
            return {
                entry.subject.id: entry.fate.value
                for run in journal.runs()
                for entry in journal.exceptions(run.number)
            }

    def _held(self) -> int:
        with read_journal(self._journal, keys=self._keys) as journal:
            return sum(
                entry.fate is Fate.HELD for run in journal.runs() for entry in journal.exceptions(run.number)
            )

    def _has_all(self, effects: Effects, user: str) -> bool:
        attributes = _exported(self._url, user)["userAttributes"]
        of_kind = {
            "attributes": attributes.get("tier") == "gold",
            "lists": attributes.get("interests") == ["running"],
            "increments": effects.increments.get(user) == 1 and attributes.get("visits") == 6,
            "sends": effects.sends.get(user) == 1,
            "events": all(effects.events.get(user, {}).get(event) == 1 for event in EVENTS.values()),
        }
        return all(of_kind.values()) if self.kind == "everything" else of_kind[self.kind]

    def _problem(self, text: str) -> None:
        self.verdict.problems.append(text)


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def _exported(url: str, user: str) -> Any:
    body = {
        "action": "exportUser",
        "appId": emulator.APP_ID,
        "clientKey": emulator.KEYS["data_export"],
        "apiVersion": "1.0.6",
        "userId": user,
    }
    return requests.post(f"{url}/api", data=orjson.dumps(body), timeout=300).json()["response"][0]


def tried(make: Callable[[Path], Trial]) -> Verdict:
    """Return the verdict of the trial that *make* makes in a folder; of another one as long as the machine was stalled."""
    for attempt in count(1):
        with tempfile.TemporaryDirectory() as folder:
            verdict = make(Path(folder)).go()
        if verdict.is_valid or attempt == _MOST_TRIES:
            return verdict
    raise AssertionError("the last attempt returns")


def campaign(
    seeds: Sequence[int], *, jobs: int, make: type[Trial] = Trial, rows: Sequence[Row] = ()
) -> Iterator[Verdict]:
    """
    Yield the verdicts on *seeds* as they come in, *jobs* at once, each with a server of its own. With *rows*, each seed draws
    one of them.
    """
    own = threading.local()

    def trial(seed: int) -> Verdict:
        if not hasattr(own, "nursery"):
            own.nursery = Nursery()
            all_open.callback(own.nursery.close)
            own.server = all_open.enter_context(serving())
        row = random.Random(f"row {seed}").choice(rows) if rows else None
        return tried(lambda folder: make(seed, own.server, own.nursery, folder, row=row))

    with contextlib.ExitStack() as all_open, ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(trial, seeds)


def summary(verdicts: Sequence[Verdict]) -> str:
    def total(name: str) -> int:
        return sum(getattr(verdict, name) for verdict in verdicts)

    faults = sum((verdict.faults for verdict in verdicts), Counter[str]())
    del faults["latency"]
    struck = ", ".join(f"{number} {kind}" for kind, number in sorted(faults.items()))
    failed = sum(bool(verdict.problems) for verdict in verdicts)
    return (
        f"{len(verdicts)} runs, {total('kills')} kills, {total('duplicates')} duplicates, {total('lost')} lost, "
        f"{total('overlaps')} overlaps, {total('held')} held and listed; {failed} failed; faults: {struck}"
    )


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what a person who runs it wants to see


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Kill runs at every point that matters, and count what happened."
    )
    parser.add_argument("--runs", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the first run (default: 0)")
    parser.add_argument("--jobs", type=int, default=3, help="runs at once (default: 3)")
    parser.add_argument(
        "--doubts",
        action="store_true",
        help="let each run meet other doubts about the API, drawn by its seed",
    )
    parser.add_argument(
        "--shared",
        action="store_true",
        help="let connections to PostgreSQL be lost and the server be restarted, put pgbouncer before it, and let two"
        " environments of one app work at once",
    )
    asked = parser.parse_args()
    rows = doubts.rows() if asked.doubts else ()
    make = Trial
    if asked.shared:
        from shared_trials import SharedTrial  # noqa: PLC0415 - it builds on this module

        make = SharedTrial
    verdicts = []
    seeds = range(asked.seed, asked.seed + asked.runs)
    for verdict in campaign(seeds, jobs=asked.jobs, make=make, rows=rows):
        verdicts.append(verdict)
        if verdict.problems:
            _say(f"FOUND  seed {verdict.seed}, {verdict.what}: {'; '.join(verdict.problems)}")
    _say(summary(verdicts))
    return int(any(verdict.problems for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
