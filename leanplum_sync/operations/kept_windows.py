"""
The files of a window, on disk. A window is a folder with its files and a manifest, which lists them.

The files are written into a folder beside it, made durable, and checked; the manifest is written last, and then the folder gets its name. So
a window is there as a whole or not at all. It counts as present only if the manifest is of this export, and each file has its size.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final

from leanplum_sync.kinds.export_series import ExportSeries, Window
from leanplum_sync.wire.action import Json

MANIFEST: Final = "manifest.json"
_FORMAT: Final = "leanplum-sync/export"
_VERSION: Final = 1
_PART: Final = ".part"


class Presence(Enum):
    PRESENT = auto()
    MISSING = auto()
    DAMAGED = auto()  # there is something, but not all of the window
    FOREIGN = auto()  # it is a window of another app, or of something else


@dataclass(frozen=True, slots=True)
class WindowFolder:
    """The folder of one *window* of *series*. *root* is the project folder, *app* the app's id."""

    root: Path
    app: str
    series: ExportSeries
    window: Window

    @property
    def path(self) -> Path:
        return self.root / self.series.folder / self.window.name

    @property
    def name(self) -> str:
        """What people call it: ``exports/sessions/2026-11-29``."""
        return f"{self.series.folder}/{self.window.name}"

    def presence(self) -> Presence:
        """
        Raises:
            OSError: it can't be read.
        """
        try:
            manifest = json.loads((self.path / MANIFEST).read_bytes())
        except FileNotFoundError:
            return Presence.DAMAGED if self.path.exists() else Presence.MISSING
        except (NotADirectoryError, ValueError):
            return Presence.DAMAGED
        try:
            if {key: manifest[key] for key in self._identity()} != self._identity():
                return Presence.FOREIGN
            is_whole = all(map(self._is_whole, manifest["files"]))
        except (KeyError, TypeError, AttributeError):
            return Presence.DAMAGED
        return Presence.PRESENT if is_whole else Presence.DAMAGED

    def begin(self) -> Path:
        """Return an empty folder for the files. What an interrupted export left in it is deleted."""
        part = self._part()
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        return part

    def publish(self, files: Sequence[Path], told: Mapping[str, Json]) -> str:
        """
        Make *files*, which are in the folder that ``begin`` returned, the window. *told* is what the job said about them.

        Return the name of the folder that was in the way and is kept, empty if there was none.
        """
        listed = [_described(path) for path in files]
        manifest = {**self._identity(), **told, "files": listed}
        part = self._part()
        with (part / MANIFEST).open("wb") as file:
            file.write(json.dumps(manifest, indent=2, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        _make_durable(part)
        moved = self._move_away()
        part.rename(self.path)
        _make_durable(self.path.parent)
        return moved

    def _part(self) -> Path:
        return self.path.with_name(f".{self.window.name}{_PART}")

    def _move_away(self) -> str:
        """Nothing is deleted: somebody may have put a file there."""
        if not self.path.exists():
            return ""
        number = 1
        while (aside := self.path.with_name(f"{self.window.name}.damaged-{number}")).exists():
            number += 1
        self.path.rename(aside)
        return f"{self.series.folder}/{aside.name}"

    def _identity(self) -> dict[str, Json]:
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "app": self.app,
            "action": self.series.action,
            "arguments": dict(self.series.arguments),
            "firstDay": str(self.window.first),
            "lastDay": str(self.window.last),
        }

    def _is_whole(self, listed: Mapping[str, Any]) -> bool:
        path = self.path / listed["name"]
        return path.is_file() and bool(path.stat().st_size == listed["bytes"])


def _described(path: Path) -> dict[str, Json]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest}


def _make_durable(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
