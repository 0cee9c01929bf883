"""
Benchmarks print one line each: what, the ratio that came out, the target.

Absolute times depend on the machine and on who else uses it; a ratio of two things measured side by side hardly does. So
a benchmark fails only where the ratio is far off its target.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

IS_QUICK: Final = os.environ.get("BENCH") == "quick"
ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Cost:
    seconds: float
    peak_bytes: int


def report(what: str, ratio: float, target: str, *, detail: str = "") -> None:
    words = f"{what}: {ratio:.4g} (target: {target})" + (f"; {detail}" if detail else "")
    print(f"\n{words}", flush=True)  # noqa: T201 - its report is what it is for


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def cost_of(command: Sequence[str | Path], folder: Path = ROOT) -> Cost:
    """Return what a process took that must end well."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("LEANPLUM")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    complaints = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, complaints.decode()
    # Source: getrusage(2): kilobytes on Linux, bytes on macOS.
    return Cost(seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
