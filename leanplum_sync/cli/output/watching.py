"""Repeats something whenever a file below a folder changes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NoReturn, TypeAlias

from leanplum_sync.clock import Clock

POLL_SECONDS: Final = 0.5
_Stamp: TypeAlias = tuple[str, int, int, int]  # path, time of the last change, size, inode


def repeat_on_change(
    folder: Path, act: Callable[[], None], clock: Clock, *, besides: Path | None = None
) -> NoReturn:
    """
    Call *act* now, and again each time that a file below *folder* changed, *besides* the one that *act* writes.

    Files and folders whose names start with a dot don't count.

    A change during *act* is noticed after it.
    """
    while True:
        before = frozenset(_stamps(folder, besides))
        act()
        while frozenset(_stamps(folder, besides)) == before:
            clock.sleep(POLL_SECONDS)


def _stamps(folder: Path, besides: Path | None) -> Iterator[_Stamp]:
    left_out = str(besides.resolve()) if besides else ""
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = os.path.join(parent, name)  # noqa: PTH118 - Path takes ten times as long, and there may be many
            try:
                found = os.stat(path)  # noqa: PTH116 - as above
            except OSError:
                continue  # removed meanwhile, which shows next time
            if not name.startswith(".") and path != left_out:
                yield path, found.st_mtime_ns, found.st_size, found.st_ino
