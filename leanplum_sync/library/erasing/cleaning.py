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
from leanplum_sync.journal.kept_files import KeptFile
from leanplum_sync.journal.writer import Journal
from leanplum_sync.library.baseline_here import baseline_of
from leanplum_sync.library.connect import target_of
from leanplum_sync.library.erasing.needles import Matcher
from leanplum_sync.library.erasing.own_files import is_own
from leanplum_sync.library.erasing.searching import files_below, search_file, unreadable, unsearchable
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


def delete_plan(path: Path, settings: Settings, cleaned: Cleaned) -> None:
    """Delete the plan that was applied, if it is in the project."""
    place = path.resolve()
    if place.is_relative_to(settings.root.resolve()) and place.is_file():
        _delete(place, place.relative_to(settings.root.resolve()).as_posix(), cleaned)


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
    journal: Journal, settings: Settings, app: str, matcher: Matcher, cleaned: Cleaned
) -> None:
    """Delete the files in a shared journal that have ids, but not files that are encrypted with another key."""
    scratch = ScratchFolder(settings.state_folder)
    try:
        for kept in journal.every_kept_file(app):
            path = scratch.path / f"kept{Path(kept.name.name).suffix}"
            try:
                with path.open("wb") as file:
                    journal.read_kept(kept, file)
                is_found = search_file(path, matcher, opens_plans=False).ids
            except CredentialError:
                cleaned.failed.append((_kept_name(kept), "it is encrypted with another key"))
                continue
            except unsearchable() as error:
                cleaned.failed.append((_kept_name(kept), f"it can't be read: {type(error).__name__}"))
                continue
            if is_found:
                journal.discard_kept(kept)
                cleaned.kept.append(f"{kept.name.name} of plan {kept.name.plan_digest[:12]}")
    finally:
        scratch.close()


def _kept_name(kept: KeptFile) -> str:
    return f"{kept.name.name} of plan {kept.name.plan_digest[:12]}, in the journal"
