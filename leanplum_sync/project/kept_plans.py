"""Copies of applied plans: undoing a run, or resuming it late, needs its plan, and the next plan has the same file name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from leanplum_sync.errors import StorageError
from leanplum_sync.journal.entry import RunEntry
from leanplum_sync.project.settings import kept_name


def keep(write: Callable[[IO[bytes]], None], kept: Path, failed: str) -> None:
    """
    Write the file *kept*, completely or not at all, and for its owner only.

    Raises:
        StorageError: there is no room for it; *failed* says what could not be done.
    """
    # Processes that share a plan keep it at the same time.
    beside = kept.with_name(f"{kept.name}.{os.getpid()}")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            write(file)
        beside.replace(kept)
    except OSError as error:
        raise StorageError(f"{kept}: {failed}: {error}.") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def needed(runs: Iterable[RunEntry], before: float) -> Mapping[str, bool]:
    """
    Return, by digest, whether the plans of *runs* are needed.

    A plan is needed while one of its runs may be resumed or holds something, and, for undo, if one ended after *before*.
    """
    found: dict[str, bool] = {}
    for run in runs:
        is_open = not run.state.is_over
        is_needed = is_open or run.ended_at is None or run.ended_at > before
        found[run.plan_digest] = found.get(run.plan_digest, False) or is_needed
    return found


def prune(folder: Path, plans: Mapping[str, bool]) -> tuple[Path, ...]:
    """
    Remove the plans that are not needed according to *plans*, see ``needed``, and return them.

    A plan without a run stays: another journal may have it.
    """
    known = {kept_name(digest) for digest in plans}
    unneeded = known - {kept_name(digest) for digest, is_needed in plans.items() if is_needed}
    removed = [path for path in sorted(folder.glob("*.lpplan")) if path.name in unneeded]
    for path in removed:
        path.unlink()
    return tuple(removed)
