"""Paths that specs name: relative to the file that names them, and inside of the project folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath


@dataclass(frozen=True, slots=True)
class PathFault:
    message: str
    hint: str


def inside(root: Path, folder: Path, text: str) -> Path | PathFault:
    """
    Return the path that *text*, in a file of *folder*, names: below *root*, without ``..``, and there.

    Symbolic links are followed before it is judged, and stay in the path returned. *root* and *folder* are resolved.
    """
    if PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute() or "\0" in text:
        return PathFault("this is not a valid relative path", "Write it relative to this file.")
    target = folder / text
    try:
        resolved = target.resolve()
    except (OSError, RuntimeError):
        return PathFault("this path can't be resolved", "Do symbolic links in it form a loop?")
    if not resolved.is_relative_to(root):
        return PathFault("this path is outside the project folder", "Copy the file into the project.")
    try:
        is_there = resolved.exists()
    except OSError as error:
        return PathFault(
            f"this path can't be opened: {(error.strerror or 'unknown reason').lower()}", "Check the path."
        )
    if not is_there:
        return PathFault("this file or folder doesn't exist", _missing_hint(root, folder, text))
    lexical = Path(os.path.normpath(target))
    return lexical if lexical.is_relative_to(root) and lexical.resolve() == resolved else resolved


def _missing_hint(root: Path, folder: Path, text: str) -> str:
    if "\\" in text:
        return "Write paths with forward slashes."
    if folder != root and (root / text).exists():
        up = "/".join([".."] * len(folder.relative_to(root).parts))
        return f"Paths are relative to this file: write {up}/{text}."
    return "Paths are relative to this file."
