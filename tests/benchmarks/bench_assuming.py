"""
How long planning with the baseline takes, against the bare join of the same rows with the same prints.

All users are as desired and no request is needed but one, so the time is that of the comparison. What an audit adds is measured
apart: its requests are answered by another process, on the same machine.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from many_prints import auditing, make_many_prints, serve_many
from ratios import IS_QUICK, Cost, cost_of, report
from servers import in_a_process

from leanplum_sync import emulator

USERS = 100_000 if IS_QUICK else 1_000_000
TIMES_MORE = 10
IS_LARGEST = os.environ.get("BENCH") == "largest"
MOST_USERS = int(os.environ.get("BENCH_USERS", "100000000"))
LONGEST_SECONDS = 6 * 3600
TIMES_TARGET = 2.0
MORE_SECONDS_TARGET = 11.0
MEGABYTES_TARGET = 400
MORE_MEGABYTES_TARGET = 500
MOST_MEGABYTES_TARGET = 1_000
TIMES_WITH_AUDIT_TARGET = 4.0


@dataclass(frozen=True, slots=True)
class Api:
    url: str

    def lookups(self) -> int:
        with urllib.request.urlopen(self.url) as answer:
            return int(json.loads(answer.read())["lookups"])


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with in_a_process(serve_many) as (url, _):
        yield Api(url)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_many_prints(tmp_path_factory.mktemp("assuming") / "project", USERS, "127.0.0.1")


@pytest.fixture(scope="module")
def planned(api: Api, folder: Path) -> Cost:
    return best_plan(api, folder)


def best_plan(api: Api, folder: Path, times: int = 3, *, audited: bool = False) -> Cost:
    before = api.lookups()
    best = min((plan(api, folder) for _ in range(times)), key=lambda cost: cost.seconds)
    assert (api.lookups() > before) == audited
    return best


def plan(api: Api, folder: Path, seconds: float = LONGEST_SECONDS, memory: str = "256MB") -> Cost:
    command = [
        sys.executable,
        "-m",
        "leanplum_sync",
        "plan",
        "--observed",
        "journal",
        "--quiet",
        "--out",
        "many.lpplan",
        "--memory",
        memory,
    ]
    environ = {
        "LEANPLUM_API_URL": api.url,
        "LEANPLUM_PRODUCTION_KEY": emulator.KEYS["production"],
        "LEANPLUM_DATA_EXPORT_KEY": emulator.KEYS["data_export"],
    }
    cost = cost_of(command, folder, environ, seconds=seconds)
    with closing(sqlite3.connect(folder / "many.lpplan")) as made:
        assert made.execute("SELECT count(*) FROM change").fetchone() == (0,)
    return cost


def best_join(folder: Path, times: int = 3) -> Cost:
    joins = (cost_of([sys.executable, "join.py"], folder) for _ in range(times))
    return min(joins, key=lambda cost: cost.seconds)


def test_planning_costs_little_more_than_the_join(folder: Path, planned: Cost) -> None:
    join = best_join(folder)
    ratio = planned.seconds / join.seconds
    what = f"plan of {USERS:,} users with the baseline"
    detail = (
        f"{planned.seconds:.2f} s against {join.seconds:.2f} s,"
        f" of processors {planned.cpu_seconds:.2f} s against {join.cpu_seconds:.2f} s"
    )
    report(f"{what}, against the bare join", ratio, f"at most {TIMES_TARGET:g}", detail=detail)
    megabytes = planned.peak_bytes / 1e6
    report(f"{what}: memory, in MB", megabytes, f"at most {MEGABYTES_TARGET}")
    assert IS_QUICK or ratio < 2 * TIMES_TARGET  # starting is most of a short one
    assert megabytes < MEGABYTES_TARGET


def test_an_audit_adds_the_reading_of_its_sample(folder: Path, api: Api, tmp_path: Path) -> None:
    audited = tmp_path / "audited"
    shutil.copytree(folder, audited)
    auditing(audited)
    cost = best_plan(api, audited, times=1, audited=True)
    join = best_join(folder, times=1)
    report(
        f"plan of {USERS:,} users with the baseline, an audit of 0.1 % and the baseline's update, against the bare join",
        cost.seconds / join.seconds,
        f"at most {TIMES_WITH_AUDIT_TARGET:g}",
        detail=f"{cost.seconds:.2f} s against {join.seconds:.2f} s, {api.lookups():,} users read in a process of its own",
    )
    megabytes = cost.peak_bytes / 1e6
    report("memory of that plan, in MB", megabytes, f"at most {MEGABYTES_TARGET}")
    assert megabytes < MEGABYTES_TARGET


@pytest.mark.skipif(IS_QUICK, reason="takes minutes")
def test_time_and_memory_grow_slowly_with_the_number_of_users(
    api: Api, planned: Cost, tmp_path: Path
) -> None:
    users = TIMES_MORE * USERS
    cost = best_plan(api, make_many_prints(tmp_path / "more", users, "127.0.0.1"), times=1)
    what = f"plan of {users:,} users with the baseline"
    detail = f"{cost.seconds:.1f} s against {planned.seconds:.1f} s"
    ratio = cost.seconds / planned.seconds
    report(f"{what}, against {USERS:,}", ratio, f"at most {MORE_SECONDS_TARGET:g}", detail=detail)
    megabytes = cost.peak_bytes / 1e6
    report(f"{what}: memory, in MB", megabytes, f"at most {MORE_MEGABYTES_TARGET}")
    assert megabytes < MORE_MEGABYTES_TARGET
    assert ratio < 2 * MORE_SECONDS_TARGET


@pytest.mark.skipif(not IS_LARGEST, reason="takes an hour, and 40 GB of disk: see make bench-largest")
def test_the_largest_number_of_users_is_planned_to_the_end(api: Api, tmp_path: Path) -> None:
    # With the default of 256 MB, the plan of 100,000,000 users is refused.
    cost = plan(api, make_many_prints(tmp_path / "most", MOST_USERS, "127.0.0.1"), memory="512MB")
    what = f"plan of {MOST_USERS:,} users with the baseline"
    detail = f"{cost.seconds:.0f} s, of processors {cost.cpu_seconds:.0f} s"
    report(
        f"{what}: microseconds for each user", cost.seconds / MOST_USERS * 1e6, "at most 10", detail=detail
    )
    megabytes = cost.peak_bytes / 1e6
    report(f"{what}: memory, in MB", megabytes, f"at most {MOST_MEGABYTES_TARGET}")
    assert megabytes < MOST_MEGABYTES_TARGET
