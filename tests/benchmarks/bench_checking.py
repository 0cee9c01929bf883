"""What problems cost: a file with bad rows against the same file without, and memory against a tenth of the rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ratios import IS_QUICK, Cost, cost_of, report

ROWS = 20_000 if IS_QUICK else 1_000_000
EVERY = ROWS // 1_000  # one row in so many is bad
COLUMNS = 8
CELLS_TARGET, ROWS_TARGET, MEMORY_TARGET = 1.5, 10.0, 1.5
# Memory of the program itself, which a small file doesn't outgrow, is part of both sides.

PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: bench}
spec:
  specs: [specs]
  environments: {sandbox: {emulator: embedded}}
  defaultEnvironment: sandbox
"""
SPEC = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: bench}
spec:
  users: {file: ../users.csv, id: id}
  attributes:
    a0: {column: a0, type: integer}
"""

Line = Callable[[int, str], str]


def good(user: int, values: str) -> str:
    return f"u{user:08},{user % 1000}{values}\n"


def bad_cell(user: int, values: str) -> str:
    return f"u{user:08},many{values}\n"


def cell_too_many(user: int, values: str) -> str:
    return f"u{user:08},{user % 1000}{values},more\n"


def lines(rows: int, bad: Line) -> Iterator[str]:
    yield "id," + ",".join(f"a{number}" for number in range(COLUMNS)) + "\n"
    for user in range(rows):
        values = "".join(f",value {(user * 31 + number) % 1000}" for number in range(1, COLUMNS))
        yield (bad if user % EVERY == 1 else good)(user, values)


def checked(folder: Path, rows: int, bad: Line) -> Cost:
    (folder / "specs").mkdir(exist_ok=True)
    (folder / "leanplum-sync.yaml").write_text(PROJECT)
    columns = [f"    a{number}: {{column: a{number}}}\n" for number in range(1, COLUMNS)]
    (folder / "specs" / "users.yaml").write_text(SPEC + "".join(columns))
    (folder / "users.csv").write_text("".join(lines(rows, bad)))
    command = [sys.executable, "-m", "leanplum_sync", "validate", "--quiet"]
    cost = cost_of(command, folder, exit_code=0 if bad is good else 3)
    if bad is not good and rows == ROWS:
        problems = (folder / ".leanplum-sync" / "problems.ndjson").read_text().splitlines()
        assert len(problems) == rows // EVERY
    return cost


@pytest.mark.parametrize(("bad", "target"), [(bad_cell, CELLS_TARGET), (cell_too_many, ROWS_TARGET)])
def test_problems_cost_little(tmp_path: Path, bad: Line, target: float) -> None:
    without, with_them = checked(tmp_path, ROWS, good), checked(tmp_path, ROWS, bad)
    tenth = checked(tmp_path, ROWS // 10, bad)
    what = f"validate of {ROWS:,} rows, 1,000 of them with a {bad.__name__.replace('_', ' ')}"
    ratio = with_them.seconds / without.seconds
    detail = f"{with_them.seconds:.1f} s against {without.seconds:.1f} s"
    report(f"{what}, against none", ratio, f"at most {target}", detail=detail)
    growth = with_them.peak_bytes / tenth.peak_bytes
    megabytes = f"{with_them.peak_bytes / 1e6:.0f} MB against {tenth.peak_bytes / 1e6:.0f} MB"
    report(
        f"{what}: memory, against a tenth of the rows", growth, f"at most {MEMORY_TARGET}", detail=megabytes
    )
    assert with_them.peak_bytes < 1e9
