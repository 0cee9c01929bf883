"""Plans that were applied, kept: undoing a run, and resuming it late, need its plan, and the next one takes its name."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


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
