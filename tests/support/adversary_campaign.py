"""
Runs the plans of ``adversaries``, each seed in a process of its own: even seeds with a baseline, odd ones with exports.

As a script, it prints a line for each seed and a summary. With ``--log FILE`` the lines are appended to it, and seeds in it are left out, so
the same command continues after an interruption.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

from adversaries import adversary, meet
from nightly import variables

from leanplum_sync.project.model import Observe

ROUNDS: Final = 4


def observe_of(seed: int) -> Observe:
    return Observe.EXPORT if seed % 2 else Observe.JOURNAL


def run(seed: int) -> list[str]:
    with (
        tempfile.TemporaryDirectory() as folder,
        adversary(Path(folder), seed, observe_of(seed)) as world,
    ):
        os.environ.update(variables(world.url))
        return meet(world, seed, observe_of(seed), ROUNDS)


def main() -> int:
    parser = argparse.ArgumentParser(description="Plans with few reads, against an adversary.")
    parser.add_argument("--runs", type=int, default=200, help="how many seeds (default: 200)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--log", type=Path, help="append the lines to this file, and leave out its seeds")
    parser.add_argument("--seed", type=int, help="run only this seed, in this process")
    asked = parser.parse_args()
    if asked.seed is not None:
        sys.stdout.write(", ".join(run(asked.seed)))
        return 0
    lines = asked.log.read_text().splitlines() if asked.log and asked.log.exists() else []
    ended = {int(line.split()[0]): line.split()[1] for line in lines}
    seeds = range(asked.first, asked.first + asked.runs)
    for seed in seeds:
        if seed in ended:
            continue
        arguments = [sys.executable, __file__, "--seed", str(seed)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        ended[seed] = "FAILED" if done.returncode else "ok"
        line = f"{seed} {ended[seed]} {observe_of(seed).value}: {done.stdout}\n"
        sys.stdout.write(line + (done.stderr if done.returncode else ""))
        sys.stdout.flush()
        if asked.log:
            with asked.log.open("a") as file:
                file.write(line)
    counted = Counter(ended[seed] for seed in seeds)
    sys.stdout.write(f"{counted['ok']} of {len(seeds)} runs wrote only what a plan from live state would.\n")
    return 1 if counted["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
