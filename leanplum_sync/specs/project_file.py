"""Finds the project file in a folder or the folders above it."""

from __future__ import annotations

from pathlib import Path

from leanplum_sync.errors import SpecError
from leanplum_sync.problem import Place, Problem
from leanplum_sync.project.model import FILE_NAME


def find_project(start: Path) -> Path:
    """
    Return the project file of the folder *start*, or of the nearest folder above it.

    Raises:
        SpecError: there is none.
    """
    folder = start.resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / FILE_NAME).is_file():
            return candidate / FILE_NAME
    raise SpecError(
        [
            Problem(
                Place(FILE_NAME),
                "there is no project file in this folder or above it",
                "Go into a project, or make one with `leanplum-sync init`.",
            )
        ]
    )
