"""
Sixteen workers share a plan while they are killed, stopped, and cut off from their database, and the API fails now and then.

Each seed is one plan with sends and increments. At the end nothing may have happened twice, no user may have been in two requests
at once, and what did not happen must be held and listed.

As a script, it prints a line for each seed and a summary. ``--seed`` and ``--runs`` select the seeds.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import brief_waits
from files import csv_of_ids, ndjson, write_files
from hello import HELLO, send_hello
from postgresql import Server, serving
from shell import TIMEOUT_SECONDS, Process, Served, Shell

from leanplum_sync import emulator
from leanplum_sync.journal import read_journal
from leanplum_sync.journal.entry import Fate

WORKERS: Final = 16
_USERS: Final = 480
_PARTS: Final = 48
_LEASE_SECONDS: Final = 3
_MISHAPS: Final = 14
_PROJECT: Final = f"""\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {{name: shared}}
spec:
  journal: {{env: LEANPLUM_SYNC_JOURNAL}}
  environments: {{live: {{appId: app_emulator, budget: {{sends: 1000}}}}}}
  defaultEnvironment: live
  incrementReceipts: last_increment
  limits: {{concurrency: 2, requestsPerSecond: 60, leaseSeconds: {_LEASE_SECONDS}}}
"""
_TIERS: Final = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: {file: ../users.csv, id: id}
  attributes: {tier: gold, visits: {increment: 1, once: launch}}
"""
_FAULTS: Final = (
    "",
    "latency:seconds=0.2,action=multi",
    "cut-after:action=multi,after=9,times=3",
    "cut-before:action=multi,after=9,times=3",
    "429:action=multi,after=9,times=4",
    "truncated:action=multi,after=9,times=2",
)
_WORK: Final = ("worker", "a.lpplan", "--yes", "--recheck", "off", "--verify", "none")
# 8: another process took over.
_ENDS: Final = (0, 4, 5, 8, 10, 75, -signal.SIGKILL, 128 + signal.SIGTERM)


@dataclass(slots=True)
class Verdict:
    seed: int
    mishaps: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    held: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.seed}: {', '.join(self.mishaps)}; {self.held} held; {self.seconds:.0f} s; {self.problems or 'ok'}"


class Trial:
    def __init__(self, seed: int, server: Server, folder: Path) -> None:
        self._random = random.Random(f"workers {seed}")
        self._server, self._folder = server, folder
        self._journal = server.new_database()
        self._users = [f"u{number:03}" for number in range(_USERS)]
        self._workers: list[Process] = []
        self._stopped: list[tuple[float, Process]] = []
        self.verdict = Verdict(seed)

    def go(self) -> Verdict:
        began = time.monotonic()
        users = [
            {
                "userId": user,
                "userAttributes": {"tier": "silver", "visits": 5},
                "devices": [{"deviceId": f"d-{user}"}],
            }
            for user in self._users
        ]
        seed = self._folder / "seed.ndjson"
        seed.write_text(ndjson(HELLO, *users))
        switches = emulator.Switches(duplicates="carry_out")
        with emulator.running(seeds=[seed], switches=switches) as running:
            served = Served(running.url)
            shell = self._shell(served)
            shell.run("plan", "--out", "a.lpplan", "--parts", str(_PARTS))
            fault = self._random.choice(_FAULTS)
            self.verdict.mishaps.append(f"fault {fault.partition(':')[0] or 'none'}")
            served.faults(fault)
            with ExitStack() as stack:
                self._disturb(shell, stack)
            served.faults("")
            self._finish(shell)
            self._judge(shell, served)
        self.verdict.seconds = time.monotonic() - began
        return self.verdict

    def _shell(self, served: Served) -> Shell:
        folder = self._folder / "project"
        files = {
            "leanplum-sync.yaml": _PROJECT,
            "specs/tiers.yaml": _TIERS,
            "specs/hello.yaml": send_hello("{file: ../users.csv, id: id}"),
            "users.csv": csv_of_ids(self._users),
        }
        write_files(folder, files)
        new_journal = {"LEANPLUM_SYNC_WORKER_NEW_JOURNAL": "1"}
        environ = {"LEANPLUM_SYNC_JOURNAL": self._journal, brief_waits.VARIABLE: "1", **new_journal}
        return Shell(folder, {**served.environ, **environ})

    def _disturb(self, shell: Shell, stack: ExitStack) -> None:
        """Let workers work, while mishaps happen to them, and wait for those that are left."""

        def start() -> None:
            process = stack.enter_context(shell.start(*_WORK))
            stack.callback(process.kill)
            stack.callback(process.send_signal, signal.SIGCONT)
            self._workers.append(process)

        for _ in range(WORKERS):
            start()
        for _ in range(_MISHAPS):
            time.sleep(self._random.uniform(0.05, 0.6))
            living = [each for each in self._workers if each.poll() is None]
            if not living:
                break
            if self._happens_to(self._random.choice(living)):
                start()
        self.verdict.mishaps.append(f"{len(self._workers)} workers")
        for until, victim in self._stopped:
            time.sleep(max(0.0, until - time.monotonic()))
            victim.send_signal(signal.SIGCONT)
        for worker in self._workers:
            out, err = worker.communicate(timeout=TIMEOUT_SECONDS)
            if worker.returncode not in _ENDS or "Traceback" in out + err:
                self.verdict.problems.append(f"a worker ended with {worker.returncode}: {err[-600:]}")

    def _happens_to(self, victim: Process) -> bool:
        """Let one mishap happen, and return whether a worker comes instead."""
        match self._random.choice(["kill", "kill", "stop", "cut", "term", "join"]):
            case "kill":
                victim.kill()
                return True
            case "stop":
                victim.send_signal(signal.SIGSTOP)
                until = time.monotonic() + self._random.choice([0.5, 2 * _LEASE_SECONDS])
                self._stopped.append((until, victim))
                return False
            case "cut":
                self._server.cut_connections(self._journal.partition("@/")[2].partition("?")[0])
                return False
            case "term":
                victim.send_signal(signal.SIGTERM)
                return True
            case _:
                return True

    def _finish(self, shell: Shell) -> None:
        for _ in range(10):
            last = shell.start(*_WORK, "--resume")
            _, err = last.communicate(timeout=TIMEOUT_SECONDS)
            if last.returncode in (0, 5) and f"Shards ended: {_PARTS} of {_PARTS}." in err:
                return
            time.sleep(_LEASE_SECONDS)
        self.verdict.problems.append(f"not finished: {last.returncode}, {err[-600:]}")

    def _judge(self, shell: Shell, served: Served) -> None:
        problems = self.verdict.problems
        counts, sends = served.counts(), served.sends()
        increments = {user: each.get("visits", 0) for user, each in counts["increments"].items()}
        if times := counts["overlaps"]["times"]:
            problems.append(f"{times} overlaps")
        for what, found in (("sends", sends), ("increments", increments)):
            if twice := {user: times for user, times in found.items() if times > 1}:
                problems.append(f"{what} twice: {twice}")
        held = set(self._held())
        self.verdict.held = len(held)
        for what, found in (("sends", sends), ("increments", increments)):
            if lost := {user for user in self._users if not found.get(user)} - held:
                problems.append(f"{what} lost and not held: {sorted(lost)}")
        if shell.start("journal", "verify").wait(TIMEOUT_SECONDS):
            problems.append("the journal is not consistent")

    def _held(self) -> Iterator[str]:
        with read_journal(self._journal) as journal:
            for run in journal.runs():
                for entry in journal.exceptions(run.number, (Fate.HELD,)):
                    yield entry.subject.id


def tried(seed: int, server: Server) -> Verdict:
    with tempfile.TemporaryDirectory() as folder:
        return Trial(seed, server, Path(folder)).go()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Sixteen workers share a plan, under mishaps.")
    parser.add_argument("--runs", type=int, default=100, help="how many seeds (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default: 0)")
    asked = parser.parse_args(arguments)
    failed = 0
    with serving(connections=200) as server:
        for seed in range(asked.seed, asked.seed + asked.runs):
            verdict = tried(seed, server)
            failed += bool(verdict.problems)
            sys.stdout.write(f"{verdict}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{asked.runs} runs, {failed} failed\n")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
