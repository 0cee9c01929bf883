"""
The journal of an environment, and the files of past runs next to it, which show if it is not the journal
that was used before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from leanplum_sync.encryption import SealingKeys
from leanplum_sync.errors import CredentialError
from leanplum_sync.journal import open_journal, read_journal
from leanplum_sync.journal.database import describe, is_address
from leanplum_sync.journal.identity import Here, Trace, contradictions
from leanplum_sync.journal.writer import Journal
from leanplum_sync.library.connect import target_of
from leanplum_sync.library.event_log import first_event, last_mark
from leanplum_sync.planfile.peek import app_of
from leanplum_sync.project.settings import Settings


def journal_here(settings: Settings, app: str) -> Here:
    """Return the journal as it is found, without creating or changing anything. Files are named from the project folder."""
    memory = _memory(settings, app)
    with read_journal(
        settings.journal,
        keys=SealingKeys(),
        memory=memory,  # nothing that is read here is encrypted
    ) as journal:
        here = journal.here(app, latest=latest_trace(settings, app), memory=memory)
    name = settings.journal if is_address(settings.journal) else _named(Path(settings.journal), settings)
    return replace(here, name=describe(name), memory=_named(Path(here.memory), settings))


def lapse_here(settings: Settings) -> str:
    """
    Return how files beside the journal contradict it, and what to do; empty if they don't.

    Without the app's id, which only ``plan`` and ``apply`` need, no traces of runs are compared.
    """
    try:
        app = target_of(settings).app_id
    except CredentialError:
        app = ""
    here = journal_here(settings, app)
    return next((lapse.report(here.name) for lapse in contradictions(here)), "")


def _named(path: Path, settings: Settings) -> str:
    return str(path.relative_to(settings.root) if path.is_relative_to(settings.root) else path)


def open_for(settings: Settings, app: str, *, as_it_is: bool = False) -> Journal:
    """Open the journal for writing about *app*, see ``open_journal``."""
    return open_journal(settings.journal, memory=_memory(settings, app), as_it_is=as_it_is)


def _memory(settings: Settings, app: str) -> Path | None:
    """Return the file that remembers the mark of a shared journal. Apps may have different journals, so each has its own."""
    if not is_address(settings.journal):
        return None
    return settings.state_folder / f"journal.{re.sub('[^A-Za-z0-9_-]', '_', app)}.mark"


def latest_trace(settings: Settings, app: str) -> Trace | None:
    """Return the latest event log of a run of *app*; without one, a kept plan for it; else None."""
    latest = max(_logs(settings, app), key=lambda found: found[0], default=None)
    if latest is not None:
        return latest[1]
    kept = (path for path in sorted(settings.kept_plans.glob("*.lpplan")) if app_of(path) == app)
    return next((Trace(_named(path, settings)) for path in kept), None)


def _logs(settings: Settings, app: str) -> Iterator[tuple[float, Trace]]:
    """Yield the event logs of *app*, each with the time of its first event. A damaged log shows nothing."""
    for path in settings.state_folder.glob("run-*.events.ndjson"):
        match first_event(path):
            case {"at": float(at), "run": int(run), "journal": str(journal), "app": str(of)} if of == app:
                yield at, Trace(_named(path, settings), journal, run, last_mark(path))
            case _:
                pass
