"""The baseline of an environment: what plans assume, and how plans, pulls and runs add to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from leanplum_sync.address import Subject
from leanplum_sync.baseline import Baseline, Folder, Owner, Read, Shared, line_of
from leanplum_sync.clock import SystemClock
from leanplum_sync.encryption import SealingKeys
from leanplum_sync.errors import JournalError, LeanplumSyncError
from leanplum_sync.journal import read_journal
from leanplum_sync.journal.database import is_postgres
from leanplum_sync.journal.reader import JournalReader
from leanplum_sync.library.connect import settle_seconds, target_of
from leanplum_sync.observed.snapshot_writer import SnapshotWriter
from leanplum_sync.observed.users import Shown
from leanplum_sync.planner.change import Changes
from leanplum_sync.planner.plan import Target
from leanplum_sync.project.model import Observe
from leanplum_sync.project.settings import Settings
from leanplum_sync.staging.scratch import ScratchFolder


def baseline_of(settings: Settings, target: Target | None = None) -> Baseline:
    """Return the baseline of the environment, whether there is one or not. *target* None is the environment's."""
    target = target or target_of(settings)
    owner = Owner(target.app_id, target.host, target.environment)
    return Baseline(Folder(settings.baseline), owner, shared=_shared(settings, target))


def _shared(settings: Settings, target: Target) -> Shared | None:
    """Return the copy in the journal. There is none without a key, as of plans: it has ids of users, and the key of the hashes."""
    if not is_postgres(settings.journal):
        return None
    keys = SealingKeys.from_environment(os.environ)
    if not keys.keys:
        return None
    return Shared(str(settings.journal), target.app_id, target.environment, keys, SystemClock())


def is_kept(settings: Settings) -> bool:
    """
    Whether reads and runs add to the baseline: plans are made with it by default, or one was made with it before, here or by another
    machine.

    Raises:
        JournalError: the shared journal can't be read.
    """
    if settings.environment.observe is Observe.JOURNAL or settings.baseline.is_dir():
        return True
    shared = baseline_of(settings).shared
    return shared is not None and shared.exists


def before_reading(settings: Settings, snapshot: Path, fields: Collection[str]) -> Read | None:
    """
    Return what to add after users have been read into *snapshot*, None if no baseline is kept. Call it before.

    Raises:
        JournalError: a baseline is kept on this machine, and the journal can't be read.
    """
    try:
        if not is_kept(settings):
            return None
    except JournalError:
        return None  # reading needs no journal, and a machine without a baseline adds nothing
    since = SystemClock().now()
    with read_journal(settings.journal, keys=SealingKeys()) as journal:
        app = target_of(settings).app_id
        unsettled = journal.unsettled(app, settle_seconds(settings), since)
        return Read(snapshot, since, journal.position(app), fields, unsettled=frozenset(unsettled))


class ReadBack:
    """
    Users who are read back after a run. Add them to the baseline once what the run wrote was added.

    Nothing that goes wrong here matters to the run: the next plan reads whom the baseline doesn't know.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._scratch: ScratchFolder | None = None
        self._read: Read | None = None
        self._writer: SnapshotWriter | None = None

    def begin(self) -> None:
        """Call it before users are read. Those of an earlier reading are forgotten."""
        self.close()
        with suppress(LeanplumSyncError):
            if not is_kept(self._settings):
                return
            self._scratch = ScratchFolder(self._settings.state_folder)
            snapshot = self._scratch.path / "read-back.ndjson"
            self._read = before_reading(self._settings, snapshot, ())
            self._writer = SnapshotWriter(snapshot)

    def keep(self, shown: Shown) -> None:
        if self._writer is None:
            return
        try:
            self._writer.append(shown.subject, shown.element, shown.observed_at)
        except LeanplumSyncError:
            self.close()

    def add(self) -> str:
        """Add the users. Return why that can't be done, empty if it was or need not be."""
        if self._writer is None or self._read is None:
            return ""
        try:
            self._writer.close()
        except LeanplumSyncError as error:
            return str(error)
        self._writer = None
        return add_read(self._settings, self._read)

    def close(self) -> None:
        if self._writer is not None:
            with suppress(LeanplumSyncError):
                self._writer.close()
        if self._scratch is not None:
            self._scratch.close()
        self._scratch = self._read = self._writer = None


@contextmanager
def learning(
    settings: Settings, snapshot: Path, fields: Collection[str], complain: Callable[[str], None]
) -> Iterator[None]:
    """
    Add the users who are read live into *snapshot* meanwhile, if a baseline is kept. *complain* gets why that can't be done.

    Raises:
        JournalError: as for ``before_reading``.
    """
    read = before_reading(settings, snapshot, fields)
    yield
    if read is not None and snapshot.exists() and (lost := add_read(settings, read)):
        complain(lost)


def add_read(settings: Settings, read: Read) -> str:
    """Add users who were read. Return why that can't be done, empty if it was: the baseline stays as it was."""
    try:
        with read_journal(settings.journal, keys=SealingKeys()) as journal:
            baseline_of(settings).add_read(read, journal, SystemClock())
    except LeanplumSyncError as error:
        return str(error)
    return ""


def add_run(settings: Settings, run: int, plan: Changes, journal: JournalReader) -> str:
    """
    Add what *run* wrote: everything in *plan*, except for users with an exception or a request in doubt. The next plan reads
    those.

    Return why that can't be done, empty if it was.
    """
    found = journal.run(run)
    if found is None:
        return ""
    at = found.started_at  # the writes are younger, by as long as the run took

    def done(users: Sequence[str]) -> Mapping[str, bytes]:
        subjects = [Subject.user(user) for user in users]
        failed = journal.not_done(run, subjects)
        changes = plan.changes_of([each for each in subjects if each not in failed])
        return {subject.id: line_of(subject.id, of_subject, at) for subject, of_subject in changes.items()}

    try:
        if not is_kept(settings):
            return ""
        baseline_of(settings).add_run(run, done, journal, SystemClock())
    except LeanplumSyncError as error:
        return str(error)
    return ""
