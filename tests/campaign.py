"""
Searches for inputs that break a law, for a given time each. ``make campaign`` runs it.

A round is one run of pytest with a seed of its own and many more examples than in the suite. A failing input is kept in
``.hypothesis``, so ``make test`` fails on it until it is fixed.
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
    schedules: int = 0  # the search continues until this many schedules ran, however long it takes


LAWS: Final = (
    Law(
        "Any bytes are a valid answer or the one documented error",
        ("property/test_envelope.py", "property/test_typed_answers.py"),
    ),
    Law("The sieve drops nothing that the planner would keep", ("property/test_sieve.py",)),
    Law(
        "No older plan undoes a later run, and nothing is delivered twice", ("property/test_older_plans.py",)
    ),
    Law(
        "While only runs change users, what a baseline shows is true, and nothing is written on it or on an export",
        ("property/test_baseline.py", "property/test_assuming.py", "integration/test_baseline_kills.py"),
    ),
    Law("An audit's bound holds as often as it says", ("unit/planner/test_audit.py",)),
    Law("A command that loses the database ends with 75", ("e2e/test_restarted_database.py",)),
    Law("After adopting live values, a plan leaves them alone", ("property/test_adopting.py",)),
    Law("Renames that are listed repeat nothing, and others are refused", ("property/test_renames.py",)),
    Law(
        "No schedule of several runs loses anything or does it twice",
        ("property/test_schedules.py::test_no_schedule_loses_anything_or_does_it_twice",),
        schedules=10_000,
    ),
    Law(
        "Without each protection the search of schedules finds a failure",
        ("property/test_schedules.py::test_the_search_finds_what_each_protection_is_for",),
    ),
    Law("Who is erased stays erased, and no other spec lists the user", ("property/test_erasing.py",)),
    Law("Whatever the API answers, a run's numbers add up", ("property/test_applying.py",)),
    Law("The emulator answers any actions and keeps a valid state", ("property/emulator",)),
    Law(
        "Any specs and data files load the same way twice, or report their problems",
        (
            "property/test_formatting.py",
            "property/test_kept_rows.py",
            "property/test_rows_of_files.py",
            "property/test_spec_files.py",
        ),
    ),
    Law("No value breaks a rendering", ("property/test_renderings.py",)),
    Law(
        "Planning, packing, staging and the files they use lose nothing",
        (
            "property/test_packing.py",
            "property/test_parts_of_staging.py",
            "property/test_plan_differences.py",
            "property/test_plan_file.py",
            "property/test_plan_tampering.py",
            "property/test_planning_converges.py",
            "property/test_variables_converge.py",
            "property/test_windows_converge.py",
            "property/test_channels_converge.py",
            "property/test_reading.py",
            "property/test_snapshots.py",
            "property/test_export_rows.py",
            "property/test_values_come_back.py",
        ),
    ),
    Law("The main job is right under each pair of doubts about the API", ("e2e/test_doubts.py",)),
    Law(
        "The judge of killed runs finds users in two requests at once",
        (
            "integration/applier/test_campaign.py::test_an_api_that_stalls_for_longer_than_the_settle_window_has_a_user_in_two_requests",
            "integration/applier/test_campaign.py::test_without_the_settle_window_the_judge_finds_users_in_two_requests_at_once",
        ),
    ),
    Law(
        "An export killed at any moment uses the jobs that were paid for",
        ("integration/observed/test_exporting.py::test_after_a_kill_a_job_that_was_paid_for_is_used",),
    ),
    Law(
        "A run killed at any moment resumes to the end",
        ("e2e/test_main_job.py::test_a_run_killed_at_any_moment_resumes_to_the_end",),
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Search for inputs that break a law.")
    parser.add_argument(
        "--seconds", type=float, default=60, help="at least how long to search for each law (default: 60)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=time.time_ns() % 10**9,
        help="seed of the first round (default: a new one)",
    )
    parser.add_argument("--only", default="", help="only laws whose name contains this (default: all)")
    asked = parser.parse_args()
    chosen = [law for law in LAWS if asked.only.lower() in law.name.lower()]
    return max([search(law, asked.seconds, asked.seed) for law in chosen], default=1)


def search(law: Law, seconds: float, seed: int) -> int:
    """Return 0 if *law* held for *seconds*, otherwise stop at the first failure."""
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
    """Return the exit code and how many schedules ran."""
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
        say("The number of schedules is missing from the output.")
        return 1, 0
    return done.returncode, int(ran[1]) if ran else 0


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a script that reports


if __name__ == "__main__":
    sys.exit(main())
