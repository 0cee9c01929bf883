"""Where a plan takes observed users from: the API, through a snapshot; a snapshot made before; or the baseline, and the API for the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, assert_never

from leanplum_sync.address import Subject
from leanplum_sync.clock import Clock
from leanplum_sync.errors import StalePlanError, UnexpectedResponseError
from leanplum_sync.observed import (
    OverBoundError,
    TornFileError,
    check_users,
    has_long_line,
    plain_lines,
    read,
)
from leanplum_sync.observed.users import ReadsUsers
from leanplum_sync.operations.pull import Admit, pull
from leanplum_sync.planner.audit import AuditGoal, sample_size
from leanplum_sync.progress import Progress
from leanplum_sync.staging import Staging
from leanplum_sync.staging.columns import find_columns
from leanplum_sync.staging.prints import Assumptions, Draw


@dataclass(frozen=True, slots=True)
class Live:
    """
    Read users now, into the snapshot *into*. Entries there that are younger than *max_age_seconds* are used again.

    *admit* gets the number of users to read before the first is read; its error is passed on.
    """

    into: Path
    max_age_seconds: float
    concurrency: int
    requests_per_second: float | None
    together: int = 1  # users in one request
    admit: Admit | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """Take users from this snapshot, which may be at most *max_age_seconds* old."""

    path: Path
    max_age_seconds: float | None


@dataclass(frozen=True, slots=True)
class Assumed:
    """
    Assume that users are as the baseline shows them, and read all others as *live* says: users that it doesn't know, and users who
    would change. They are decided by what was read.

    *names* are attributes that users were seen to have. *source* is the hazard of users who are not read: ``assumed``, or ``unseen``
    if an export shows them instead. With an *audit*, a sample of the users who are assumed is read, too; *seed* decides who.
    """

    assumptions: Assumptions
    live: Live
    names: frozenset[str] = frozenset()
    source: Literal["assumed", "unseen"] = "assumed"
    audit: AuditGoal | None = None
    seed: str = ""

    @property
    def draw(self) -> Draw | None:
        """Return the sample to read."""
        goal = self.audit
        return None if goal is None else Draw(lambda assumed: sample_size(assumed, goal), self.seed)


Observed: TypeAlias = Live | Recorded | Assumed


def observe(
    staging: Staging,
    observed: Observed,
    reader: ReadsUsers,
    clock: Clock,
    progress: Progress,
    *,
    only: Collection[Subject] | None = None,
) -> tuple[int, dict[Subject, str]]:
    """
    Add observed users to *staging*, all of them or those in *only*.

    Return the billable lookups, and the subjects that could not be read, with reasons.
    """
    match observed:
        case Live():
            total = staging.count_subjects() if only is None else None
            subjects = (each for each in staging.subjects() if only is None or each in only)
            found = _read_live(observed, subjects, total, reader=reader, clock=clock, progress=progress)
            _stage_observed(staging, observed.into, progress)
            return found
        case Assumed(assumptions=assumptions, live=live, source=source, draw=draw):
            what = "export" if source == "unseen" else "baseline"
            with progress.track(f"Comparing with the {what}", staging.count_subjects(), "user") as task:
                staging.users.assume(assumptions, draw, have_one_row_each=staging.has_one_row_each)
                task.advance(staging.count_subjects())
            passed, total = staging.users.passed(), staging.users.count_passed()
            found = _read_live(live, passed, total, reader=reader, clock=clock, progress=progress)
            _stage_passed(staging, live.into)
            return found
        case Recorded():
            _stage_observed(staging, observed.path, progress)
            _check_coverage(staging, observed, clock, is_partial=only is not None)
            return 0, {}
        case _:
            assert_never(observed)


def _read_live(
    live: Live,
    subjects: Iterable[Subject],
    total: int | None,
    *,
    reader: ReadsUsers,
    clock: Clock,
    progress: Progress,
) -> tuple[int, dict[Subject, str]]:
    report = pull(
        reader,
        subjects,
        live.into,
        concurrency=live.concurrency,
        requests_per_second=live.requests_per_second,
        max_age_seconds=live.max_age_seconds,
        clock=clock,
        progress=progress,
        total=total,
        together=live.together,
        admit=live.admit,
    )
    return report.lookups, {failure.subject: failure.sentence for failure in report.failures}


def _stage_passed(staging: Staging, snapshot: Path) -> None:
    """Keep the responses about users who were not assumed. As ``_stage_observed``, the reading is whole or line by line."""
    try:
        is_whole = not has_long_line(snapshot) and staging.users.observe_passed(
            snapshot, snapshot.stat().st_mtime
        )
    except OSError:
        is_whole = False
    if not is_whole:
        for entry in read(snapshot):
            staging.users.observe(entry.subject, entry.element, entry.observed_at)
        staging.users.close()


def _stage_observed(staging: Staging, snapshot: Path, progress: Progress) -> None:
    """A snapshot that can't be loaded as a whole is read line by line, which also finds its problems."""
    with progress.track("Matching users", staging.count_subjects(), "user") as task:
        if _sift(staging, snapshot):
            task.advance(staging.count_subjects())
            return
        if staging.count_subjects():
            for entry in read(snapshot):
                staging.users.observe(entry.subject, entry.element, entry.observed_at)
                task.advance()
        staging.users.close()


def _sift(staging: Staging, snapshot: Path) -> bool:
    try:
        if (columns := find_columns(snapshot)) is not None and staging.users.sift_columns(
            columns, snapshot, snapshot.stat().st_mtime
        ):
            return True
        with plain_lines(snapshot, staging.folder) as lines:
            if lines is None or has_long_line(lines):
                return False
            return staging.users.sift(lines, snapshot.stat().st_mtime)
    except (OSError, TornFileError, OverBoundError):
        return False


def _check_coverage(staging: Staging, observed: Recorded, clock: Clock, *, is_partial: bool) -> None:
    if not is_partial and (missing := staging.count_unobserved()):
        raise StalePlanError(
            f"{observed.path}: the snapshot lacks {missing} of {staging.count_subjects()} listed users. Read all of them"
            " into a new file with: leanplum-sync pull --out NEW.ndjson"
        )
    oldest, _ = staging.users.between()
    if oldest is not None and observed.max_age_seconds is not None:
        age = clock.now() - oldest
        if age > observed.max_age_seconds:
            raise StalePlanError(
                f"{observed.path}: the snapshot is {age / 60:.0f} min old, and --max-age allows"
                f" {observed.max_age_seconds / 60:.0f} min. Make a new one with: leanplum-sync pull --out NEW.ndjson"
            )


@contextmanager
def naming_the_place(observed: Observed) -> Iterator[None]:
    """
    Raises:
        SpecError: a snapshot, which was loaded as a whole, holds something that is no user; it names the line or row.
    """
    try:
        yield
    except UnexpectedResponseError:
        if isinstance(observed, Recorded):
            check_users(observed.path)
        raise
