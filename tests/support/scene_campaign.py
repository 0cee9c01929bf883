"""
Runs the scenes of ``tests/e2e`` under each row of doubts about the API.

``doubts.py`` makes the rows, in which each pair of answers to two open questions occurs. As a script, it prints the rows in which
a scene fails, and a summary. ``--rows`` selects rows, and arguments after ``--`` go to pytest. A scene runs once for all rows
that answer the questions it asks in the same way.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import doubts

_ROOT: Final = Path(__file__).parents[2]


def main() -> int:
    numbers = range(len(doubts.rows()))
    parser = argparse.ArgumentParser(description="Run the scenes under each row of doubts about the API.")
    parser.add_argument(
        "--rows", type=int, nargs="*", choices=numbers, metavar="ROW", default=numbers, help="default: all"
    )
    parser.add_argument("--jobs", type=int, default=3, help="processes of pytest at once (default: 3)")
    parser.add_argument("arguments", nargs="*", metavar="-- ARGUMENT", help="arguments of pytest")
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="FOLDER",
        help="continue an earlier search of the same code, which was recorded in FOLDER (default: a new folder)",
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as new:
        runs = asked.runs or Path(new)
        results = [_run(number, asked.jobs, runs, asked.arguments) for number in asked.rows]
    failed = [number for number, is_right in zip(asked.rows, results, strict=True) if not is_right]
    _say(f"{len(results)} rows, {len(failed)} with failures: {', '.join(map(str, failed)) or 'none'}")
    return int(bool(failed))


def _run(number: int, jobs: int, runs: Path, arguments: Sequence[str]) -> bool:
    """Return whether all scenes are right under the row *number*."""
    scenes = ["tests/e2e", "--doubts", str(number), "--doubts-runs", str(runs.resolve()), "-n", str(jobs)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", *scenes, *arguments],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 5):  # 5: every scene ran under another row already
        _say(f"FOUND  row {number}: {doubts.described(doubts.of_scene(number))}\n{done.stdout}{done.stderr}")
    else:
        counted = re.findall(r"^.*\b(?:passed|deselected)\b.*$", done.stdout, re.MULTILINE)
        _say(f"ok     row {number}: {counted[-1] if counted else 'no scene ran'}")
    return done.returncode in (0, 5)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what a person who runs it wants to see


if __name__ == "__main__":
    sys.exit(main())
