"""
How long planning from a snapshot takes, against the bare join of the same files, and with its rows in a database against a file.

The snapshot has columns beside it, as ``pull`` writes them, unless said otherwise.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from deepdiff import DeepDiff
from many_users import COLUMNS, ManyUsers, make_many, with_columns, with_rows_in
from postgresql import serving
from ratios import IS_QUICK, Cost, cost_of, report, seconds_of
from servers import in_a_process, serve_emulator

from leanplum_sync import emulator

USERS = 100_000 if IS_QUICK else 1_000_000
DEEP_DIFFS = 1_000 if IS_QUICK else 10_000
TIMES_MORE = 10
TIMES_TARGET = 3.0
TIMES_WITHOUT_COLUMNS_TARGET = 5.0
MEGABYTES_TARGET = 500
DEEP_DIFF_TARGET = 50.0
MORE_SECONDS_TARGET = 12.0
MORE_MEMORY_TARGET = 1.5
TIMES_OF_FILE_TARGET = 2.5
ROWS_MEGABYTES_TARGET = 512


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> ManyUsers:
    return with_columns(make_many(tmp_path_factory.mktemp("planning") / "project", USERS))


@pytest.fixture(scope="module")
def planned(many: ManyUsers) -> Cost:
    return best_plan(many)


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> ManyUsers:
    return with_columns(make_many(tmp_path_factory.mktemp("more") / "project", TIMES_MORE * USERS))


def best_plan(many: ManyUsers, times: int = 3, environ: Mapping[str, str] | None = None) -> Cost:
    out = many.folder / "many.lpplan"
    command = [
        sys.executable,
        "-m",
        "leanplum_sync",
        "plan",
        "--observed",
        many.snapshot,
        "--quiet",
        "--out",
        out,
    ]
    best = best_of(command, many.folder, times, environ)
    with closing(sqlite3.connect(out)) as plan:
        assert plan.execute("SELECT count(*) FROM change").fetchone() == (many.changed,)
    return best


def best_of(
    command: list[str | Path], folder: Path, times: int, environ: Mapping[str, str] | None = None
) -> Cost:
    return min((cost_of(command, folder, environ) for _ in range(times)), key=lambda cost: cost.seconds)


def test_planning_costs_little_more_than_the_join(many: ManyUsers, planned: Cost) -> None:
    join = best_of([sys.executable, "join.py"], many.folder, 3)
    ratio = planned.seconds / join.seconds
    detail = (
        f"{planned.seconds:.2f} s against {join.seconds:.2f} s,"
        f" of processors {planned.cpu_seconds:.2f} s against {join.cpu_seconds:.2f} s"
    )
    report(
        f"plan of {USERS:,} users against the bare join", ratio, f"at most {TIMES_TARGET:g}", detail=detail
    )
    megabytes = planned.peak_bytes / 1e6
    report("memory of that plan, in MB", megabytes, f"at most {MEGABYTES_TARGET}")
    assert IS_QUICK or ratio < 2 * TIMES_TARGET  # starting is most of a short one
    assert megabytes < MEGABYTES_TARGET


def test_without_columns_the_whole_snapshot_is_parsed(many: ManyUsers, tmp_path: Path) -> None:
    plain = replace(many, folder=tmp_path / "plain")
    shutil.copytree(many.folder, plain.folder, ignore=shutil.ignore_patterns("*.prints-*"))
    planned, join = best_plan(plain), best_of([sys.executable, "join.py"], plain.folder, 3)
    detail = (
        f"{planned.seconds:.2f} s against {join.seconds:.2f} s,"
        f" of processors {planned.cpu_seconds:.2f} s against {join.cpu_seconds:.2f} s"
    )
    what = f"plan of {USERS:,} users without columns, against the bare join"
    report(what, planned.seconds / join.seconds, f"at most {TIMES_WITHOUT_COLUMNS_TARGET:g}", detail=detail)


def test_rows_of_a_database_take_little_longer_than_those_of_a_file(many: ManyUsers, planned: Cost) -> None:
    compare_with_file(many, planned, times=3)


@pytest.mark.skipif(IS_QUICK, reason="takes minutes")
def test_ten_times_as_many_rows_of_a_database_take_little_longer_than_those_of_a_file(
    more: ManyUsers,
) -> None:
    compare_with_file(more, best_plan(more, times=1), times=1)


def compare_with_file(many: ManyUsers, of_file: Cost, times: int) -> None:
    with serving() as server:
        address = server.new_database()
        cost = best_plan(with_rows_in(address, many), times, {"WAREHOUSE_URL": address})
    ratio = cost.seconds / of_file.seconds
    what = f"plan of {many.users:,} users whose rows are in PostgreSQL"
    detail = f"{cost.seconds:.1f} s against {of_file.seconds:.1f} s"
    report(f"{what}, against a CSV file", ratio, f"at most {TIMES_OF_FILE_TARGET:g}", detail=detail)
    megabytes = cost.peak_bytes / 1e6
    report(f"{what}: memory, in MB", megabytes, f"at most {ROWS_MEGABYTES_TARGET}")
    assert IS_QUICK or ratio < 2 * TIMES_OF_FILE_TARGET
    assert megabytes < ROWS_MEGABYTES_TARGET


def test_planning_is_much_faster_than_describing_every_user(many: ManyUsers, planned: Cost) -> None:
    """What many would write first: DeepDiff for each user, of desired and observed."""
    pairs = list(islice(desired_and_observed(many), DEEP_DIFFS))
    seconds = seconds_of(
        lambda: [DeepDiff(observed, desired, ignore_order=True) for desired, observed in pairs]
    )
    ratio = seconds * USERS / DEEP_DIFFS / planned.seconds
    report("DeepDiff for each user against the plan", ratio, f"at least {DEEP_DIFF_TARGET:g}")
    assert IS_QUICK or ratio > DEEP_DIFF_TARGET / 2


def desired_and_observed(many: ManyUsers):  # noqa: ANN201 - pairs of plain dicts
    with (many.folder / "users.csv").open() as rows, (many.folder / many.snapshot).open() as answers:
        next(rows)
        for row, answer in zip(rows, answers, strict=True):
            yield (
                dict(zip(COLUMNS[1:], row.rstrip().split(",")[1:], strict=False)),
                json.loads(answer)["userAttributes"],
            )


@pytest.mark.skipif(IS_QUICK, reason="takes minutes")
def test_time_and_memory_grow_slowly_with_the_number_of_users(planned: Cost, more: ManyUsers) -> None:
    cost = best_plan(more, times=1)
    detail = f"{cost.seconds:.1f} s and {cost.peak_bytes / 1e6:.0f} MB"
    what = f"plan of {TIMES_MORE * USERS:,} users against {USERS:,}"
    ratio = cost.seconds / planned.seconds
    report(f"{what}: time", ratio, f"at most {MORE_SECONDS_TARGET:g}", detail=detail)
    memory = cost.peak_bytes / planned.peak_bytes
    report(f"{what}: memory", memory, f"at most {MORE_MEMORY_TARGET:g}", detail=detail)
    assert memory < MORE_MEMORY_TARGET
    assert ratio < 2 * MORE_SECONDS_TARGET


@pytest.mark.skipif(IS_QUICK, reason="takes minutes")
def test_what_changes_among_ten_times_as_many_is_applied_to_the_end(many: ManyUsers, more: ManyUsers) -> None:
    few, much = planned_and_applied(many), planned_and_applied(more)
    memory = much.peak_bytes / few.peak_bytes
    what = f"memory while applying the {more.changed:,} of {more.users:,} users against {many.changed:,} of {many.users:,}"
    detail = f"{much.peak_bytes / 1e6:.0f} MB against {few.peak_bytes / 1e6:.0f} MB, {much.seconds:.0f} s"
    report(what, memory, f"at most {MORE_MEMORY_TARGET:g}", detail=detail)
    assert memory < MORE_MEMORY_TARGET


def planned_and_applied(users: ManyUsers) -> Cost:
    """Plan and apply, each user read again before, to an app that has those who change; return what applying took."""
    run = [sys.executable, "-m", "leanplum_sync"]
    with in_a_process(serve_emulator, str(users.write_changed())) as (url, _):
        environ = {
            "LEANPLUM_API_URL": url,
            "LEANPLUM_PRODUCTION_KEY": emulator.KEYS["production"],
            "LEANPLUM_DATA_EXPORT_KEY": emulator.KEYS["data_export"],
        }
        options = ["--observed", users.snapshot, "--quiet", "--out", "a.lpplan"]
        cost_of([*run, "plan", *options], users.folder, environ)
        cost = cost_of([*run, "apply", "a.lpplan", "--yes", "--quiet"], users.folder, environ)
        with urllib.request.urlopen(f"{url}/_emulator/counts") as answer:
            counts = json.loads(answer.read())
    assert counts["effects"] == {"setUserAttributes": users.changed}
    assert counts["overlaps"]["times"] == 0
    return cost
