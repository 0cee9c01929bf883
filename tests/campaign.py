"""
Searches for counterexamples to laws, each for as long as it is told; `make campaign` runs it.

A round is one run of pytest with a seed of its own. What it finds is also kept in ``.hypothesis``, so that ``make test``
fails on it until it is mended.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Law:
    name: str
    tests: tuple[str, ...]  # files, folders or tests, below ``tests``
    schedules: int = 0  # goes on until so many were gone through, however long it takes


LAWS: Final = (
    Law(
        "Any bytes are an answer that is understood, or the one documented error",
        ("property/test_envelope.py", "property/test_typed_answers.py"),
    ),
    Law("What the sieve drops, the planner would have dropped", ("property/test_sieve.py",)),
    Law(
        "Nothing is lost and nothing happens twice, whatever happens in whatever order",
        ("property/test_schedules.py::test_no_schedule_loses_anything_or_does_it_twice",),
        schedules=10_000,
    ),
    Law("The emulator answers any actions, and stays sound", ("property/emulator",)),
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Search for counterexamples to laws.")
    parser.add_argument(
        "--seconds", type=float, default=60, help="how long for each law, at least (default: 60)"
    )
    parser.add_argument(
        "--seed", type=int, default=time.time_ns() % 10**9, help="of the first round (default: new)"
    )
    parser.add_argument("--only", default="", help="a part of the law's name (default: all laws)")
    asked = parser.parse_args()
    chosen = [law for law in LAWS if asked.only.lower() in law.name.lower()]
    return max([search(law, asked.seconds, asked.seed) for law in chosen], default=1)


def search(law: Law, seconds: float, seed: int) -> int:
    """Return 0 if nothing was found in *seconds*; stop at what is found."""
    started, rounds, schedules = time.monotonic(), 0, 0
    while time.monotonic() - started < seconds or schedules < law.schedules:
        code, ran = round_of(law, seed + rounds)
        schedules += ran
        if code:
            say(f"FOUND  {law.name}: seed {seed + rounds}")
            return code
        rounds += 1
    spent = time.monotonic() - started
    through = f", {schedules} schedules" if schedules else ""
    say(f"ok     {law.name}: {spent:.0f} s, {rounds} rounds from seed {seed}{through}")
    return 0


def round_of(law: Law, seed: int) -> tuple[int, int]:
    """Return the exit code, and how many schedules were gone through."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--hypothesis-seed={seed}"]
    done = subprocess.run(
        [*command, *(f"tests/{test}" for test in law.tests)],
        cwd=ROOT,
        env={**os.environ, "HYPOTHESIS_PROFILE": "campaign"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        say(done.stdout + done.stderr)
    ran = re.search(r"^(\d+) schedules$", done.stdout, re.MULTILINE)
    if law.schedules and not done.returncode and ran is None:
        say("It does not say how many schedules it went through.")
        return 1, 0
    return done.returncode, int(ran[1]) if ran else 0


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - its report is what it is for


if __name__ == "__main__":
    sys.exit(main())
