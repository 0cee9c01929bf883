"""Plans that were applied, kept: undoing a run, and resuming it late, need its plan, and the next one takes its name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from leanplum_sync.journal.entry import RunEntry, RunState
from leanplum_sync.project.settings import kept_name


def keep(plan: Path, kept: Path) -> None:
    """Give the file *plan* a second name. Its bytes are not copied where one disk holds both."""
    if kept.exists() and kept.samefile(plan):
        return
    kept.parent.mkdir(parents=True, exist_ok=True)
    # Processes that share a plan keep it at the same time.
    beside = kept.with_name(f"{kept.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    try:
        os.link(plan.resolve(), beside)
    except OSError:
        shutil.copy2(plan, beside)
    beside.replace(kept)
    beside.unlink(missing_ok=True)  # it is still there where both were names of one file


def prune(folder: Path, runs: Iterable[RunEntry], *, before: float) -> tuple[Path, ...]:
    """
    Remove the plans that nobody needs any more, and return them.

    A plan stays while one of its runs may be resumed or holds something, and while one ended after *before*, so that it can
    be undone. One that no run knows stays too: another journal may.
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
