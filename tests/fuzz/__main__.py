"""
Searches for inputs that break the law of every command, for a given time per fuzzer. ``make fuzz`` runs it.

The law: a command ends with a documented exit code other than 1, without a traceback, and shows no secret. Here, bounds of
memory and time are added. To repeat a finding: ``--only NAME --seed N --keep FOLDER``.
"""

from __future__ import annotations

import argparse
import itertools
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from fuzzers import FUZZERS
from fuzzing import Finding, Fuzzer, keep, search

MOST_SECONDS: Final = 60  # of one case; the slowest take about three
MOST_BYTES: Final = 300_000_000  # that one case takes beside what the process has


class _TooSlowError(Exception):
    pass


def main() -> int:
    parser = argparse.ArgumentParser(description="Search for inputs that break the law of every command.")
    parser.add_argument(
        "--seconds", type=float, default=60, help="how long each fuzzer searches (default: 60)"
    )
    parser.add_argument("--seed", type=int, help="the first seed (default: a new one)")
    parser.add_argument("--only", action="append", help="only this fuzzer; may be repeated (default: all)")
    parser.add_argument(
        "--keep", type=Path, help="run only the first seed, and keep its files in this folder"
    )
    asked = parser.parse_args()
    if Path("/dev/shm").is_dir():
        tempfile.tempdir = "/dev/shm"
    seed = time.time_ns() % 10**9 if asked.seed is None else asked.seed
    chosen = [each for each in FUZZERS if not asked.only or each.name in asked.only]
    return max([_search(each, asked.seconds, seed, asked.keep) for each in chosen], default=1)


def _search(fuzzer_type: type[Fuzzer], seconds: float, seed: int, kept: Path | None) -> int:
    """Return 0 if nothing was found. The same fault is shown once."""
    ends, number, shown, largest = time.monotonic() + seconds, 0, set(), 0
    with tempfile.TemporaryDirectory(prefix="fuzzer-") as folder, _limited_time():
        fuzzer = fuzzer_type(Path(folder))
        if kept is not None:
            _say(str(keep(fuzzer, seed, kept) or f"ok     {fuzzer.name}: seed {seed}"))
            return 0
        cases = search(fuzzer, itertools.takewhile(lambda _: time.monotonic() < ends, itertools.count(seed)))
        for found, taken in _measured(cases, fuzzer):
            number += 1
            largest = max(largest, taken)
            if found and found.key not in shown:
                shown.add(found.key)
                _say(f"FOUND  {found}\n")
    result = f"{len(shown)} faults" if shown else "nothing found"
    _say(
        f"{'FOUND ' if shown else 'ok    '} {fuzzer_type.name}: {number} cases from seed {seed}, at most {largest >> 20} MB more, {result}"
    )
    return int(bool(shown))


def _measured(
    cases: Iterator[tuple[int, Finding | None]], fuzzer: Fuzzer
) -> Iterator[tuple[Finding | None, int]]:
    """Yield what each case found, and the bytes of memory that it took beside what the process had."""
    while True:
        before = _reset_peak()
        signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS, MOST_SECONDS)
        ended = next(cases, None)
        signal.setitimer(signal.ITIMER_REAL, 0)
        if ended is None:
            return
        seed, found = ended
        taken = max(0, _status_bytes("VmHWM") - before) if before else 0
        if found is None and taken > MOST_BYTES:
            found = Finding(fuzzer.name, seed, "too much memory", f"{taken >> 20} MB")
        yield found, taken


@contextmanager
def _limited_time() -> Iterator[None]:
    def handle(_number: int, _frame: FrameType | None) -> NoReturn:
        raise _TooSlowError(f"a case takes more than {MOST_SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


def _reset_peak() -> int:
    """Start measuring the peak of memory again, and return what the process has; 0 where that can't be done."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return 0
    return _status_bytes("VmRSS")


def _status_bytes(name: str) -> int:
    return 1024 * int(re.findall(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())[0])


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a script that reports


if __name__ == "__main__":
    sys.exit(main())
