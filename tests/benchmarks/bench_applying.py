"""Applying: whether requests are always under way, what the journal costs, whether memory grows, and what sharing brings."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from applied import write_plan
from postgresql import serving
from ratios import IS_QUICK, ROOT, report
from servers import in_a_process, serve_emulator, serve_nothing

from leanplum_sync.wire.limits import USERS_PER_BATCH

ANSWER_SECONDS = 0.1
IN_FLIGHT = 8
USERS = 20_000 if IS_QUICK else 80_000
ROUNDS = 1 if IS_QUICK else 3
FEW, MANY = (10_000, 50_000) if IS_QUICK else (10_000, 1_000_000)
PARTS = 4
SHARED_USERS = 4_000 if IS_QUICK else 20_000
# So few that four processes, the emulator and PostgreSQL are not more than two processors can do.
IN_FLIGHT_EACH = 2
SCRIPT = ROOT / "tests" / "support" / "applied.py"


@dataclass(frozen=True, slots=True)
class Applied:
    began: float
    ended: float
    busy: float
    batches: int
    peak_bytes: int

    @property
    def seconds(self) -> float:
        return self.ended - self.began


def apply(plan: Path, url: str, journal: Path | str, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), str(plan), url, str(journal), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def applied(process: subprocess.Popen[str]) -> Applied:
    out, _ = process.communicate()
    assert process.returncode == 0
    return Applied(**json.loads(out))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sequence[Applied], ...]:
    """Apply a plan in turns with a journal, with one that forgets, and with one that is signed."""
    folder = tmp_path_factory.mktemp("applying")
    write_plan(folder / "a.lpplan", USERS)
    kinds: tuple[Sequence[str], ...] = ((), ("--forget",), ("--sign",))
    taken: tuple[list[Applied], ...] = ([], [], [])
    with in_a_process(serve_nothing, ANSWER_SECONDS) as (url, _):
        for _ in range(ROUNDS):
            for number, (options, each) in enumerate(zip(kinds, taken, strict=True)):
                journal = folder / f"{number}-{len(each)}.db"
                each.append(applied(apply(folder / "a.lpplan", url, journal, *options)))
    return taken


def test_requests_are_always_under_way(runs: tuple[Sequence[Applied], ...]) -> None:
    best = min(runs[0], key=lambda run: run.seconds)
    ideal = best.batches * ANSWER_SECONDS / IN_FLIGHT
    detail = f"{best.seconds:.2f} s for {best.batches} batches, {1000 * best.busy / best.batches:.1f} ms of work for each"
    what = "rate of applying, with answers after 100 ms and 8 in flight, against batches x 100 ms / 8"
    report(what, ideal / best.seconds, "at least 0.9", detail=detail)
    assert ideal / best.seconds > 0.3


def test_the_journal_costs_little(runs: tuple[Sequence[Applied], ...]) -> None:
    kept, forgotten, signed = (min(run.seconds for run in each) for each in runs)
    for name, seconds in (("the", kept), ("a signed", signed)):
        report(
            f"applying with {name} journal against a journal that forgets",
            seconds / forgotten,
            "at most 1.1",
            detail=f"{seconds:.2f} s against {forgotten:.2f} s",
        )
        assert seconds / forgotten < 2


def test_memory_does_not_grow_with_the_users(tmp_path: Path) -> None:
    peaks = []
    with in_a_process(serve_nothing) as (url, _):
        for users in (FEW, MANY):
            write_plan(tmp_path / f"{users}.lpplan", users)
            run = applied(apply(tmp_path / f"{users}.lpplan", url, tmp_path / f"{users}.db"))
            peaks.append(run.peak_bytes)
    few, many = peaks
    report(
        f"memory while applying {MANY:,} users against {FEW:,}",
        many / few,
        "at most 1.5",
        detail=f"{many / 1e6:.0f} MB against {few / 1e6:.0f} MB; {run.batches / run.seconds:.0f} batches a second",
    )
    assert many / few < 2


def test_four_processes_share_a_plan(tmp_path: Path) -> None:
    plan = tmp_path / "a.lpplan"
    write_plan(plan, SHARED_USERS, parts=PARTS)
    options = ("--concurrency", str(IN_FLIGHT_EACH))
    with serving() as postgresql, in_a_process(serve_emulator) as (url, _):
        post(f"{url}/_emulator/faults", f"latency:seconds={ANSWER_SECONDS}")
        one = applied(apply(plan, url, postgresql.new_database(), *options))
        post(f"{url}/_emulator/reset")
        post(f"{url}/_emulator/faults", f"latency:seconds={ANSWER_SECONDS}")
        journal, at = postgresql.new_database(), str(time.time() + 5)
        processes = [
            apply(plan, url, journal, *options, "--part", f"{number}/{PARTS}", "--at", at)
            for number in range(1, PARTS + 1)
        ]
        parts = [applied(process) for process in processes]
        counts = json.loads(post(f"{url}/_emulator/counts", None))
    four_seconds = max(part.ended for part in parts) - min(part.began for part in parts)
    assert counts["overlaps"]["times"] == 0
    detail = (
        f"{SHARED_USERS / one.seconds:,.0f} users a second by one, {SHARED_USERS / four_seconds:,.0f} by four;"
        f" {one.batches} batches, {IN_FLIGHT_EACH} in flight for each;"
        f" {1000 * sum(part.busy for part in parts) / one.batches:.1f} ms of work for each batch, without the servers'"
    )
    what = "users a second of four processes on PostgreSQL against one, with answers after 100 ms"
    report(what, one.seconds / four_seconds, "at least 3.6", detail=detail)
    assert sum(part.batches * USERS_PER_BATCH for part in parts) >= SHARED_USERS


def post(url: str, text: str | None = "") -> Any:
    data = None if text is None else text.encode()
    with urllib.request.urlopen(urllib.request.Request(url, data)) as answer:
        return answer.read()
