"""Applied plans, receipts, and leftover rows: on this machine's disk, and encrypted in a shared journal, for other machines."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leanplum_sync.encryption import KEY_VARIABLE
from leanplum_sync.journal.database import is_postgres
from leanplum_sync.journal.entry import RunEntry
from leanplum_sync.journal.kept_files import OF_PLAN, PLAN_NAME, KeptFile, KeptName
from leanplum_sync.journal.reader import JournalReader
from leanplum_sync.journal.writer import Journal
from leanplum_sync.planfile import PlanFile
from leanplum_sync.project.kept_plans import keep
from leanplum_sync.project.settings import Settings

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

ONLY_HERE: Final = f"{KEY_VARIABLE} is not set, so applied plans are kept only on this machine: no other machine can resume or undo their runs."


def only_here(settings: Settings) -> str:
    """Return that files of runs are not kept in the shared journal, and why; empty if they are, or if the journal is a file."""
    return ONLY_HERE if is_postgres(settings.journal) and not os.environ.get(KEY_VARIABLE) else ""


def keep_plan(plan: PlanFile, settings: Settings, journal: Journal) -> None:
    """
    Keep a copy of *plan*, which overwriting the plan does not overwrite.

    Raises:
        StorageError: there is no room for it.
        JournalError: the shared journal can't be written.
    """
    kept = settings.kept_plan(plan.digest)
    if not plan.is_at(kept):  # a resumed run has kept it before
        keep(plan.write_to, kept, "the plan can't be kept for undo, so nothing was sent")
    target = plan.header.target
    journal.keep_file(
        KeptName(target.app_id, target.environment, plan.digest, OF_PLAN, PLAN_NAME), plan.write_to
    )


def keep_results(plan: PlanFile, run: int, journal: Journal, receipt: str, leftovers: Sequence[Path]) -> None:
    """
    Keep the *receipt* of *run*, a JSON document, and its *leftovers* in a shared journal, in place of earlier ones.

    Raises:
        JournalError: the shared journal can't be written.
    """
    if not journal.keeps_files:
        return
    target = plan.header.target
    name = partial(KeptName, target.app_id, target.environment, plan.digest, run)
    of_receipt = f"run-{run}.receipt.json"
    journal.keep_file(name(of_receipt), partial(_write, receipt.encode()))
    for path in leftovers:
        journal.keep_file(name(path.name), partial(_copy, path))
    journal.forget_files(name(of_receipt), besides=[of_receipt, *(path.name for path in leftovers)])


def fetch(journal: JournalReader, run: RunEntry, folder: Path) -> tuple[Path, ...]:
    """
    Write the files of *run* that the journal keeps to *folder*, and return their paths: the plan first.

    Raises:
        CredentialError: they are encrypted with another key.
        JournalCorruptError: they were changed after they were stored.
        StorageError: there is no room for them.
    """
    return tuple(_fetch(journal, kept, folder / _file_name(kept, run)) for kept in journal.kept_files(run))


def plan_of(journal: JournalReader, run: RunEntry, settings: Settings) -> Path:
    """
    Return where the plan of *run* is kept on this machine. If it isn't, it is fetched from the shared journal, if that has it.

    Raises:
        CredentialError, JournalCorruptError, StorageError: as for ``fetch``.
    """
    path = settings.kept_plan(run.plan_digest)
    kept = next(iter(journal.kept_files(run)), None) if not path.exists() else None
    if kept is not None and kept.name.run == OF_PLAN:
        _fetch(journal, kept, path)
    return path


def _write(content: bytes, file: SupportsWrite[bytes]) -> None:
    file.write(content)


def _copy(path: Path, file: SupportsWrite[bytes]) -> None:
    with path.open("rb") as source:
        shutil.copyfileobj(source, file)


def fetched_name(run: RunEntry) -> str:
    """Return the name that ``fetch`` gives to the plan of *run*."""
    return f"run-{run.number}.lpplan"


def _file_name(kept: KeptFile, run: RunEntry) -> str:
    return fetched_name(run) if kept.name.run == OF_PLAN else Path(kept.name.name).name


def _fetch(journal: JournalReader, kept: KeptFile, path: Path) -> Path:
    keep(partial(journal.read_kept, kept), path, "it can't be fetched from the journal")
    return path
