"""Windows of exports in the project folder: what a plan says about them, and the export itself when it is applied."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from leanplum_sync.client.calls import OnRetry, nobody
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import JournalLockedError, SpecError
from leanplum_sync.kinds import Resource
from leanplum_sync.library.connect import connected, target_of
from leanplum_sync.operations.exporting import Owner
from leanplum_sync.operations.windows import (
    SeriesState,
    WindowExporting,
    WindowsReport,
    notes_on,
    states_of,
)
from leanplum_sync.planfile import PlanFile
from leanplum_sync.planner.parts import Part
from leanplum_sync.planner.plan import Note, pending_exports
from leanplum_sync.progress import Progress
from leanplum_sync.project.model import FILE_NAME
from leanplum_sync.project.settings import Settings
from leanplum_sync.specs import load
from leanplum_sync.wire.catalogue import KeyClass


def export_notes(
    resources: Sequence[Resource], settings: Settings, part: Part | None = None
) -> Sequence[Note]:
    """
    Return what a plan says about the windows of *resources*. Nothing is asked: the files on disk and the ledger tell it. If plans
    are for parts of the users, only the plan for the first *part* has the exports.

    Raises:
        SpecError: a folder has windows of another app, or of another export.
        StorageError, JournalError: the ledger can't be read.
    """
    if not any(each.exports for each in resources) or not _is_first(part):
        return ()
    from leanplum_sync.journal.ledger import open_ledger  # noqa: PLC0415 - the database library loads only when used

    clock = SystemClock()
    target = target_of(settings)
    states = states_of(resources, settings.root, target, due_at=clock.now(), now=clock.now())
    if problems := [problem for state in states for problem in state.problems]:
        raise SpecError(problems)
    with open_ledger(settings.journal, clock) as ledger:
        actions = {each.series.action for state in states for each in state.pending}
        return tuple(
            notes_on(states, {action: ledger.quota(target.app_id, action=action) for action in actions})
        )


def export_windows(
    plan: PlanFile,
    settings: Settings,
    progress: Progress,
    *,
    shard: Part | None = None,
    on_retry: OnRetry = nobody,
    warn: Callable[[str], None] = lambda _: None,
) -> WindowsReport:
    """
    Export the windows that were due when *plan* was made, and that are still missing. Nothing is opened if there are none.

    Raises:
        JournalLockedError: another process exports for this project.
        CredentialError, ApiError: see ``WindowExporting.export``.
    """
    if not pending_exports(plan.notes()) or not _is_first(shard):
        return WindowsReport()
    from leanplum_sync.journal.ledger import open_ledger  # noqa: PLC0415 - as above

    clock = SystemClock()
    planned = plan.resources()
    resources = [each for each in load(settings.root / FILE_NAME).resources if str(each.address) in planned]
    app = plan.header.target.app_id

    def states() -> Sequence[SeriesState]:
        target, made_at = plan.header.target, plan.header.created_at
        return states_of(resources, settings.root, target, due_at=made_at, now=clock.now())

    with _alone(settings.state_folder / "exports.lock"):
        pending = [each for state in states() for each in state.pending]
        if not pending:
            return WindowsReport()
        with (
            connected(
                settings, command="apply", needs=[KeyClass.DATA_EXPORT], on_retry=on_retry, warn=warn
            ) as connection,
            open_ledger(settings.journal, clock) as ledger,
        ):
            exporting = WindowExporting(
                connection.exporter(), ledger, Owner(app, settings.name, "apply"), clock, progress
            )
            return exporting.export(pending)


def _is_first(part: Part | None) -> bool:
    return part is None or part.number == 1


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """
    Raises:
        JournalLockedError: another process has the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalLockedError("Another process exports windows for this project.") from None
        yield
    finally:
        os.close(file)
