"""``verify``: reads users back after applying, and compares them with the plan."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import Literal, TypeAlias

from leanplum_sync.applier.receipt import Receipt
from leanplum_sync.clock import SystemClock
from leanplum_sync.journal import read_journal
from leanplum_sync.library.baseline_here import ReadBack
from leanplum_sync.library.connect import connected
from leanplum_sync.library.planning import Plan
from leanplum_sync.library.progress import Callback, progress_to
from leanplum_sync.library.reading import SAMPLE, together
from leanplum_sync.operations import verify as operation
from leanplum_sync.operations.verify import Verification
from leanplum_sync.planfile import open_plan

# ``auto``: all, or a sample if more than that many changed. A number is the size of the sample.
Extent: TypeAlias = Literal["auto", "all", "none"] | int


def verify(
    plan: Plan,
    receipt: Receipt | None = None,
    *,
    sample: int | None = None,
    progress: Callback | None = None,
) -> Verification:
    """
    Read back the users that *plan* changes, or a *sample* of that many, and compare them with the plan.

    With the *receipt* of its run, users that the run knows are not as planned are left out.

    Raises:
        CredentialError: the data export key is missing or refused.
        ApiError: users can't be read.
        StalePlanError: the plan file changed since it was opened.
    """
    settings = plan.project.settings
    limits = settings.environment.limits
    with (
        open_plan(plan.path) as opened,
        connected(settings, command="verify") as app,
        read_journal(settings.journal) as journal,
        closing(ReadBack(settings)) as seen,
    ):
        seen.begin()
        found = operation.verify(
            opened,
            app.reader(),
            sample=sample,
            clock=SystemClock(),
            progress=progress_to(progress),
            concurrency=limits.concurrency,
            requests_per_second=limits.requests_per_second,
            together=together(limits),
            leave_out=partial(journal.not_done, receipt.run) if receipt else lambda _: (),
            keep=seen.keep,
        )
        seen.add()
        return found


def is_due(extent: Extent, receipt: Receipt) -> bool:
    """Whether there is anything to read back after the run of *receipt*."""
    was_cut_off = receipt.stopped is not None and receipt.stopped.is_early
    return extent != "none" and not was_cut_off and bool(receipt.sent_now)


def readings_of(extent: Extent, changed: int) -> int:
    """Return at most how many users are read back."""
    if extent == "none":
        return 0
    sample = sample_of(extent, changed)
    return changed if sample is None else min(changed, sample)


def sample_of(extent: Extent, changed: int) -> int | None:
    """Return the size of the sample, None for all."""
    if isinstance(extent, int):
        return extent
    return SAMPLE if extent == "auto" and changed > SAMPLE else None
