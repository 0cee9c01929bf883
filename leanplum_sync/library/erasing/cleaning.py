"""
Deletes what the project keeps about erased users: files of commands, baselines, and files in a shared journal.

Files of commands can't be edited, because they are digested, so each one that has an id of an erased user is deleted whole. They can be
made again: plans, snapshots, rows of queries, leftovers. All other files are never changed, see ``own_files``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from leanplum_sync.errors import CredentialError, LeanplumSyncError
from leanplum_sync.journal.kept_files import OF_PLAN, KeptFile
from leanplum_sync.journal.writer import Journal
from leanplum_sync.library.baseline_here import baseline_of
from leanplum_sync.library.connect import target_of
from leanplum_sync.library.erasing.needles import Matcher
from leanplum_sync.library.erasing.own_files import is_own
from leanplum_sync.library.erasing.searching import files_below, search_file, unreadable, unsearchable
from leanplum_sync.planfile import PlanFile
from leanplum_sync.project.model import ProjectFile
from leanplum_sync.project.settings import Settings
from leanplum_sync.staging.scratch import ScratchFolder, is_in_use

RECEIPTS: Final = "erasures"  # the folder of receipts, in the state folder
_EMULATOR: Final = "emulator.db"


@dataclass(slots=True)
class Cleaned:
    """*files* that were deleted, *kept* files deleted from the shared journal, and *rows* of the journal by table."""

    files: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    baselines: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    failed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_anything(self) -> bool:
        # Not baselines: the folder of one that was discarded stays, and is discarded again.
        return bool(self.files or self.kept or self.rows or self.failed)


def why_skipped(path: Path, settings: Settings) -> str | None:
    """Return why the search skips the file or folder at *path*; None if it doesn't."""
    if path.parent == settings.state_folder:
        if path.name.startswith(_EMULATOR):  # it stands for Leanplum: what it has was erased by the call
            return "the emulator's own state"
        if is_in_use(path):
            return "temporary files of a command that is running; they are deleted when it ends"
    return None


def delete_files(settings: Settings, matcher: Matcher, cleaned: Cleaned, besides: Collection[Path]) -> None:
    """
    Delete the commands' own files in the state folder that have ids, or are damaged. *besides* are left: they are needed to continue
    if this is interrupted.
    """
    if not settings.state_folder.is_dir():
        return
    for path in list(files_below(settings.state_folder)):
        if path.resolve() in besides:
            continue
        name = path.relative_to(settings.root).as_posix()
        try:
            is_found = is_own(path, settings) and _has_ids(path, matcher)
        except OSError as error:
            cleaned.failed.append((name, error.strerror or type(error).__name__))
            continue
        if is_found:
            _delete(path, name, cleaned)


def _has_ids(path: Path, matcher: Matcher) -> bool:
    """Return whether a file of a command has ids. If it is damaged, it was cut off, and is of no use to anybody: it counts as if."""
    try:
        return search_file(path, matcher, opens_plans=False).ids
    except unreadable():
        return True


def _delete(path: Path, name: str, cleaned: Cleaned) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        cleaned.failed.append((name, error.strerror or type(error).__name__))
    else:
        cleaned.files.append(name)


@dataclass(frozen=True, slots=True)
class Last:
    """
    What is deleted last, because it takes this to continue after an interruption: the plan, and snapshots, which have the values to
    search for. *files* are paths with the names that are shown, the plan at the end. *kept* are files in a shared journal.
    """

    files: tuple[tuple[Path, str], ...]
    kept: tuple[KeptFile, ...]

    @property
    def paths(self) -> frozenset[Path]:
        return frozenset(path.resolve() for path, _ in self.files)

    def announce(self, cleaned: Cleaned) -> None:
        """Add all to what was deleted: the receipts are written before."""
        cleaned.kept += map(_words, self.kept)
        cleaned.files += [name for _, name in self.files]

    def delete(self, journal: Journal, cleaned: Cleaned) -> None:
        """
        Raises:
            JournalError: the shared journal can't be written.
        """
        for kept in self.kept:
            journal.discard_kept(kept)
        for path, name in self.files:
            try:
                _delete_last(path)
            except OSError as error:
                cleaned.files.remove(name)
                cleaned.failed.append((name, error.strerror or type(error).__name__))


def last_of(plan: PlanFile, settings: Settings, journal: Journal, matcher: Matcher) -> Last:
    """Return what is to be deleted last. A plan outside the project is left."""
    snapshots = (settings.snapshot, settings.unfinished_snapshot)
    files = [path for path in snapshots if path.is_file() and _is_to_delete(path, settings, matcher)]
    named = {path.resolve(): path.relative_to(settings.root).as_posix() for path in files}
    for path in (settings.kept_plan(plan.digest), plan.path):
        place = path.resolve()
        for folder in (settings.root, settings.state_folder):  # the state folder may be a link
            if place.is_file() and place.is_relative_to(folder.resolve()):
                below = place.relative_to(folder.resolve())
                named.pop(place, None)
                named[place] = (folder / below).relative_to(settings.root).as_posix()
    kept = (each for each in journal.every_kept_file(plan.header.target.app_id) if _is_copy(each, plan))
    return Last(tuple(named.items()), tuple(kept))


def _is_to_delete(snapshot: Path, settings: Settings, matcher: Matcher) -> bool:
    if snapshot.is_symlink():
        return False  # what it points to may be the user's own
    try:
        return is_own(snapshot, settings) and _has_ids(snapshot, matcher)
    except OSError:
        return False  # `delete_files` tells why


def _is_copy(kept: KeptFile, plan: PlanFile) -> bool:
    return kept.name.run == OF_PLAN and kept.name.plan_digest == plan.digest


def _delete_last(path: Path) -> None:
    path.unlink(missing_ok=True)


def discard_baselines(settings: Settings, project: ProjectFile, cleaned: Cleaned) -> None:
    """Discard the baseline of each environment of the app, here and in a shared journal: the next plans read all users."""
    app = target_of(settings).app_id
    for environment in project.environments.values():
        of_other = replace(settings, environment=environment)
        try:
            if target_of(of_other).app_id != app:
                continue
            baseline = baseline_of(of_other)
            if of_other.baseline.is_dir() or (baseline.shared is not None and baseline.shared.exists):
                baseline.forget()
                cleaned.baselines.append(environment.name)
        except CredentialError:
            continue  # its app's id isn't known here
        except LeanplumSyncError as error:
            cleaned.failed.append((f"the baseline of {environment.name}", type(error).__name__))


def delete_kept_files(
    journal: Journal,
    settings: Settings,
    app: str,
    matcher: Matcher,
    cleaned: Cleaned,
    *,
    besides: Collection[KeptFile],
) -> None:
    """Delete the files in a shared journal that have ids, except *besides*, and files that are encrypted with another key."""
    scratch = ScratchFolder(settings.state_folder)
    try:
        for kept in journal.every_kept_file(app):
            if kept in besides:
                continue
            path = scratch.path / f"kept{Path(kept.name.name).suffix}"
            try:
                with path.open("wb") as file:
                    journal.read_kept(kept, file)
                is_found = search_file(path, matcher, opens_plans=False).ids
            except CredentialError:
                cleaned.failed.append((f"in the journal: {_words(kept)}", "it is encrypted with another key"))
                continue
            except unsearchable() as error:
                cleaned.failed.append(
                    (f"in the journal: {_words(kept)}", f"it can't be read: {type(error).__name__}")
                )
                continue
            if is_found:
                journal.discard_kept(kept)
                cleaned.kept.append(_words(kept))
    finally:
        scratch.close()


def _words(kept: KeptFile) -> str:
    return f"{kept.name.name} of plan {kept.name.plan_digest[:12]}"
