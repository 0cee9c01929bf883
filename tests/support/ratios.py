"""
Benchmarks print one line each: what, the ratio that came out, the target. The same goes to ``build/bench.json``, as a list of rows.

Absolute times depend on the machine and on who else uses it; a ratio of two things measured side by side hardly does. So
a benchmark fails only where the ratio is far off its target.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

IS_QUICK: Final = os.environ.get("BENCH") == "quick"
ROOT: Final = Path(__file__).parents[2]
ROWS: Final = ROOT / "build" / ("bench-quick.json" if IS_QUICK else "bench.json")


@dataclass(frozen=True, slots=True)
class Cost:
    """*cpu_seconds* hardly depend on what else the machine does."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Run:
    """*output* is what the process printed, on both of its streams."""

    cost: Cost
    exit_code: int
    output: str


# A small process of its own: the peak memory that Linux reports for a process includes that of the process it was forked from.
_LONGEST_SECONDS: Final = 900
_MEASURING: Final = """
import os, subprocess, sys, threading, time
started = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
ending = threading.Timer(SECONDS, process.kill)
ending.daemon = True
ending.start()
_, status, usage = os.wait4(process.pid, 0)
seconds = time.perf_counter() - started
# Source: getrusage(2): kilobytes on Linux, bytes on macOS.
peak_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print([seconds, usage.ru_utime + usage.ru_stime, peak_bytes, os.waitstatus_to_exitcode(status)])
"""

_rows: list[dict[str, object]] = []


def report(what: str, ratio: float, target: str, *, detail: str = "") -> None:
    """Print a row. *target* is, for example, ``at most 1.5`` or ``at least 0.9``."""
    words = f"{what}: {ratio:.4g} (target: {target})" + (f"; {detail}" if detail else "")
    print(f"\n{words}", flush=True)  # noqa: T201 - its report is what it is for
    _rows.append(
        {
            "name": what,
            "measured": ratio,
            "target": target,
            "met": is_met(ratio, target),
            "detail": detail,
            "machine": _machine(),
        }
    )
    ROWS.parent.mkdir(exist_ok=True)
    ROWS.write_text(json.dumps(_rows, indent=2) + "\n")


def is_met(ratio: float, target: str) -> bool:
    _, direction, number = target.split()
    return ratio <= float(number) if direction == "most" else ratio >= float(number)


def _machine() -> dict[str, object]:
    """Print the machine and its load. If other processes use more than one processor, the rows mean little."""
    return {
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "isQuick": IS_QUICK,
    }


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def cost_of(
    command: Sequence[str | Path],
    folder: Path = ROOT,
    environ: Mapping[str, str] | None = None,
    *,
    exit_code: int = 0,
    seconds: float = _LONGEST_SECONDS,
) -> Cost:
    """Return the cost of a process that must end with *exit_code*. *environ* is added to the inherited variables."""
    run = run_measured(
        command,
        folder,
        {
            **{name: value for name, value in os.environ.items() if not name.startswith("LEANPLUM")},
            **(environ or {}),
        },
        seconds=seconds,
    )
    assert run.exit_code == exit_code, run.output
    return run.cost


def run_measured(
    command: Sequence[str | Path],
    folder: Path,
    environ: Mapping[str, str],
    *,
    seconds: float = _LONGEST_SECONDS,
) -> Run:
    """Run *command* in *folder*, with the variables *environ* and no others. It is killed after *seconds*."""
    process = subprocess.run(
        [sys.executable, "-S", "-c", _MEASURING.replace("SECONDS", str(seconds)), *map(str, command)],
        cwd=folder,
        env=environ,
        capture_output=True,
        check=True,
    )
    *cost, code = json.loads(process.stdout)
    return Run(Cost(*cost), code, process.stderr.decode())
