"""A folder for what is needed no longer than a process runs."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

_PREFIX: Final = "leanplum-sync-staging-"
_OWNER: Final = "owner"


class ScratchFolder:
    """
    An empty folder in *parent*, or where the system keeps such; only its owner may look into it.

    It is gone after ``close``. A killed process can't do that, and what it left may be a million people's data, so a new
    folder takes away those beside it whose process is no more: its lock on the file ``owner`` ended with it.

    Raises:
        OSError: nothing can be written there.
    """

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        parent.mkdir(parents=True, exist_ok=True)
        for other in parent.glob(f"{_PREFIX}*"):
            with suppress(OSError):  # its process works, or it has just gone
                _remove_if_abandoned(other)
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent)
        self.path: Final = Path(self._folder.name)
        unlocked = self.path / "new"
        self._owner = unlocked.open("wb")
        with suppress(OSError):  # a file system that knows no locks: others will leave the folder alone
            fcntl.flock(self._owner, fcntl.LOCK_EX)
            unlocked.rename(self.path / _OWNER)  # seen by others only when it is locked

    def close(self) -> None:
        _empty(self.path)
        self._folder.cleanup()
        self._owner.close()


def _remove_if_abandoned(folder: Path) -> None:
    if folder.lstat().st_uid != os.geteuid():  # in a folder for all, anybody could have put it there
        return
    with (folder / _OWNER).open("r+b") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _empty(folder)
        shutil.rmtree(folder)


def _empty(folder: Path) -> None:
    """Remove all but ``owner``: with it, others take up a removal that is cut short."""
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        elif each.name != _OWNER:
            each.unlink()
