"""``verify``: reads users back after applying, and compares them with the plan."""

from __future__ import annotations

from functools import partial
from typing import Final, Literal, TypeAlias

from leanplum_sync.applier.receipt import Receipt, StopReason
from leanplum_sync.clock import SystemClock
from leanplum_sync.journal import read_journal
from leanplum_sync.journal.reader import JournalReader
from leanplum_sync.library.connect import App, connected
from leanplum_sync.library.planning import Plan
from leanplum_sync.library.progress import Callback, progress_to
from leanplum_sync.library.reading import together
from leanplum_sync.operations import verify as operation
from leanplum_sync.operations.verify import Changes, Verification
from leanplum_sync.planfile import open_plan
from leanplum_sync.progress import Progress

SAMPLE: Final = 1000

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
        connected(settings) as app,
        read_journal(settings.journal) as journal,
    ):
        return read_back(
            opened,
            app,
            journal if receipt is not None else None,
            receipt.run if receipt is not None else 0,
            sample=sample,
            concurrency=limits.concurrency,
            requests_per_second=limits.requests_per_second,
            users_together=together(limits),
            progress=progress_to(progress),
        )


def read_back(
    plan: Changes,
    app: App,
    journal: JournalReader | None,
    run: int,
    *,
    sample: int | None,
    concurrency: int,
    requests_per_second: float | None,
    users_together: int,
    progress: Progress,
) -> Verification:
    """Do as ``verify`` does, with an open plan and app; *journal* knows which users *run* did not change as planned."""
    return operation.verify(
        plan,
        app.reader(),
        sample=sample,
        clock=SystemClock(),
        progress=progress,
        concurrency=concurrency,
        requests_per_second=requests_per_second,
        together=users_together,
        leave_out=(lambda _: ()) if journal is None else partial(journal.not_done, run),
    )


def is_due(extent: Extent, receipt: Receipt) -> bool:
    """Whether there is anything to read back after the run of *receipt*."""
    was_cut_off = receipt.stopped not in (None, StopReason.CANARY)
    return extent != "none" and not was_cut_off and bool(receipt.sent_now)


def sample_of(extent: Extent, changed: int) -> int | None:
    """Return the size of the sample, None for all."""
    if isinstance(extent, int):
        return extent
    return SAMPLE if extent == "auto" and changed > SAMPLE else None
