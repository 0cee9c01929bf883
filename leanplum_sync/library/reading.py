"""The snapshot that planning reads into, so that users who were read but not used are not billed again."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from leanplum_sync.client.calls import OnRetry, nobody
from leanplum_sync.clock import SystemClock
from leanplum_sync.kinds.rows.source import audience_of
from leanplum_sync.library.connect import App, connected
from leanplum_sync.library.costs import Costs
from leanplum_sync.operations.audiences import read_audiences
from leanplum_sync.operations.exporting import Exporting, Owner
from leanplum_sync.operations.observing import Assumed, Live, Observed, Recorded
from leanplum_sync.operations.read_rows import Reading, ReadsAudiences
from leanplum_sync.planner.expectations import expected_audiences
from leanplum_sync.planner.parts import Part
from leanplum_sync.planner.plan import Summary
from leanplum_sync.progress import Progress
from leanplum_sync.project.model import Limits
from leanplum_sync.project.settings import Settings
from leanplum_sync.specs import Loaded
from leanplum_sync.wire.catalogue import KeyClass
from leanplum_sync.wire.limits import USERS_PER_BATCH

SAMPLE: Final = 1000  # users that are read back, if more changed
OTHERWISE: Final = "Or list the users in a file instead of an audience."
_UNUSED_FOR_SECONDS: Final = 3600.0
EXPORTED_FOR_SECONDS: Final = 3600.0  # how old a job may be that an interrupted plan started


def together(limits: Limits) -> int:
    """Return how many users to read with one request."""
    return USERS_PER_BATCH if limits.read_in_batches else 1


def live_into(file: Path, limits: Limits, max_age_seconds: float = 0.0) -> Live:
    """Read users live into *file*, unless it has them and they are younger than *max_age_seconds*."""
    return Live(file, max_age_seconds, limits.concurrency, limits.requests_per_second, together(limits))


def admitted(observed: Observed, costs: Costs) -> Observed:
    """Return *observed* so that reading users is refused beforehand if it would exceed the month's budget."""
    match observed:
        case Live():
            return replace(observed, admit=costs.admit)
        case Assumed(live=live):
            return replace(observed, live=replace(live, admit=costs.admit))
        case Recorded():
            return observed


def forecast_of(summary: Summary) -> int:
    """Return the lookups that applying a plan will cost: its writes, and reading users back as ``apply`` does by default."""
    return summary.cost.to_apply + min(summary.changed, SAMPLE)


def audiences(
    settings: Settings,
    command: str,
    *,
    expects: bool = False,
    on_retry: OnRetry = nobody,
    warn: Callable[[str], None] = lambda _: None,
) -> ReadsAudiences:
    """
    Return what exports the users of audiences. It connects to the app only if there are any. Audiences whose size is expected are
    counted only if it *expects* them.
    """

    def read(loaded: Loaded, reading: Reading) -> Loaded:
        expected = expected_audiences(loaded.resources) if expects else ()
        if not expected and not any(audience_of(each.source) for each in loaded.resources):
            return loaded
        age = EXPORTED_FOR_SECONDS if reading.max_age_seconds is None else reading.max_age_seconds
        with (
            connected(
                settings, command=command, needs=[KeyClass.DATA_EXPORT], on_retry=on_retry, warn=warn
            ) as app,
            exporting(settings, app, command, age, reading.progress) as jobs,
        ):
            exporter = replace(jobs, otherwise=OTHERWISE)
            return read_audiences(
                loaded, reading, exporter, f"{app.target.app_id} {app.target.host}", expected
            )

    return read


@contextmanager
def exporting(
    settings: Settings, app: App, command: str, max_age_seconds: float, progress: Progress
) -> Iterator[Exporting]:
    """Yield what exports users of *app*, with the ledger of the environment's journal."""
    from leanplum_sync.journal.ledger import open_ledger  # noqa: PLC0415 - the database library loads only when used

    clock = SystemClock()
    with open_ledger(settings.journal, clock) as ledger:
        yield Exporting(
            app.exporter(),
            ledger,
            Owner(app.target.app_id, settings.name, command),
            clock,
            progress,
            max_age_seconds,
        )


@contextmanager
def reading_live(
    settings: Settings, max_age_seconds: float | None, scratch: Path, part: Part | None = None
) -> Iterator[Live]:
    """
    Yield the file to read into, and how old users that are already in it may be.

    A finished snapshot is used again only if *max_age_seconds* allows it: an apply may have made it outdated. An interrupted
    one was never used for a plan, so it is continued for an hour. Each *part* has its own. While another process reads into the
    file, a new one in the folder *scratch* takes its place.
    """
    unfinished, finished = (own(path, part) for path in (settings.unfinished_snapshot, settings.snapshot))
    settings.state_folder.mkdir(parents=True, exist_ok=True)
    with _locked(unfinished.with_suffix(".lock")) as is_ours:
        if not is_ours:
            unfinished = scratch / unfinished.name
        if max_age_seconds is not None and finished.exists() and not unfinished.exists():
            if is_ours:
                finished.replace(unfinished)
            else:
                with suppress(FileNotFoundError):  # the other process has just taken it
                    shutil.copyfile(finished, unfinished)
        age = _UNUSED_FOR_SECONDS if max_age_seconds is None else max_age_seconds
        yield live_into(unfinished, settings.environment.limits, age)
        if unfinished.exists():
            unfinished.replace(finished)


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Lock the file, and yield whether that was possible: False if another process holds the lock."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        is_ours = True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            is_ours = False
        except OSError:
            pass  # a file system without locks
        yield is_ours
    finally:
        os.close(file)


def own(path: Path, part: Part | None) -> Path:
    """Return *path*, or a name beside it for *part*: processes side by side don't write the same file."""
    return path if part is None else path.with_name(f"{part.number}-of-{part.of}.{path.name}")
