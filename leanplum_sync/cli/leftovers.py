"""Files with the rows that were rejected, that are held, or whose users changed since the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from leanplum_sync.applier.leftovers import Leftovers, write_leftovers
from leanplum_sync.applier.receipt import Receipt
from leanplum_sync.journal.entry import Fate
from leanplum_sync.journal.reader import JournalReader
from leanplum_sync.planfile import PlanFile
from leanplum_sync.project.settings import Settings
from leanplum_sync.specs import load

# Rows to fix; rows for a person to look into, which `resolve --from` reads; and users who changed since the plan.
_FILES: Final = {
    "rejected": (Fate.REJECTED, Fate.SKIPPED),
    "held": (Fate.HELD,),
    "conflicting": (Fate.CONFLICTING,),
}


def leftovers(
    plan: PlanFile, receipt: Receipt, journal: JournalReader, settings: Settings, project_file: Path
) -> Leftovers:
    """Write the files of the run."""
    files: list[Path] = []
    changed: dict[str, None] = {}
    for word, fates in _FILES.items():
        if any(receipt.actions.get(fate) for fate in fates):
            subjects = {entry.subject for entry in journal.exceptions(receipt.run, fates)}
            stem = settings.state_folder / f"run-{receipt.run}.{word}"
            # Loaded only here: the plan is bound to these specs, and most runs have no leftovers.
            resources = load(project_file).resources
            written = write_leftovers(plan, subjects, resources, settings.root, stem)
            files += written.files
            changed |= dict.fromkeys(written.changed)
    return Leftovers(tuple(files), tuple(changed))


def changed_words(left: Leftovers, run: int) -> str:
    """Return why some rows were not written to a file."""
    return (
        f"Changed during the run: {', '.join(left.changed)}. The rows behind what did not succeed are not in a file:"
        f" `leanplum-sync journal show {run}` lists their users."
    )
