"""Copies of applied plans: undoing a run, or resuming it late, needs its plan, and the next plan has the same file name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

from leanplum_sync.errors import StorageError
from leanplum_sync.journal.entry import RunEntry, RunState
from leanplum_sync.project.settings import kept_name


def keep(write_plan: Callable[[IO[bytes]], None], kept: Path) -> None:
    """
    Write the plan to the file *kept*: a copy, which nobody overwrites by overwriting the plan.

    Raises:
        StorageError: there is no room for it.
    """
    # Processes that share a plan keep it at the same time.
    beside = kept.with_name(f"{kept.name}.{os.getpid()}")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            write_plan(file)
        beside.replace(kept)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise StorageError(f"{kept}: the plan can't be kept for undo: {error}. Nothing was sent.") from error


def prune(folder: Path, runs: Iterable[RunEntry], *, before: float) -> tuple[Path, ...]:
    """
    Remove the plans that are no longer needed, and return them.

    A plan is needed while one of its runs may be resumed or holds something, and, for undo, if one ended after *before*. A
    plan without a run stays too: another journal may have it.
    """
    needed: dict[str, bool] = {}
    for run in runs:
        is_open = run.state not in (RunState.FINISHED, RunState.SUPERSEDED)
        name = kept_name(run.plan_digest)
        needed[name] = needed.get(name, False) or is_open or run.ended_at is None or run.ended_at > before
    removed = [path for path in sorted(folder.glob("*.lpplan")) if not needed.get(path.name, True)]
    for path in removed:
        path.unlink()
    return tuple(removed)
