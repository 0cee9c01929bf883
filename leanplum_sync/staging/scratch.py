"""A temporary folder that is removed at the latest after its process has ended."""

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
    An empty folder in *parent*, or in the system's temporary folder. Only its owner has access. ``close``
    removes it. A killed process can't remove its folder, which may contain the data of a million people. So
    whoever makes a new folder removes abandoned ones next to it: the ones whose file ``owner`` is no longer
    locked by their process.

    Raises:
        OSError: nothing can be written there.
    """

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        parent.mkdir(parents=True, exist_ok=True)
        for other in parent.glob(f"{_PREFIX}*"):
            with suppress(OSError):  # its process is running, or the folder has just been removed
                _remove_if_abandoned(other)
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent)
        self.path: Final = Path(self._folder.name)
        unlocked = self.path / "new"
        self._owner = unlocked.open("wb")
        with suppress(OSError):  # a file system without locks: other processes will leave the folder alone
            fcntl.flock(self._owner, fcntl.LOCK_EX)
            unlocked.rename(self.path / _OWNER)  # visible to other processes only after it is locked

    def close(self) -> None:
        _empty(self.path)
        self._folder.cleanup()
        self._owner.close()


def is_in_use(folder: Path) -> bool:
    """Whether *folder* is a scratch folder whose process is running, as far as can be told."""
    if not folder.name.startswith(_PREFIX) or not folder.is_dir():
        return False
    try:
        with (folder / _OWNER).open("r+b") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def _remove_if_abandoned(folder: Path) -> None:
    if folder.lstat().st_uid != os.geteuid():  # in a shared folder, anybody could have created it
        return
    with (folder / _OWNER).open("r+b") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _empty(folder)
        shutil.rmtree(folder)


def _empty(folder: Path) -> None:
    """Remove everything except ``owner``, so that another process can finish an interrupted removal."""
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        elif each.name != _OWNER:
            each.unlink()
