"""Finds the project and the environment to use."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from leanplum_sync.cli.context import remembered
from leanplum_sync.errors import SpecError
from leanplum_sync.project.model import ProjectFile
from leanplum_sync.project.settings import Settings, settle
from leanplum_sync.specs import Loaded, find_project, load, load_project


def project_file() -> Path:
    """Return the file that ``--project`` names, or the one in the working folder or above it. Its folder is the root."""
    named: Path | None = remembered("project")
    if named is not None and not named.is_file():
        raise click.UsageError(f"{named}: no such project file.")
    return named.resolve() if named else find_project(Path.cwd())


def specs_here(only: Sequence[Path] = ()) -> tuple[Loaded, ProjectFile]:
    """
    Return the project's specs, or those of *only*, with their problems, and the project file.

    Raises:
        SpecError: the project file can't be used.
    """
    loaded = load(project_file(), only)
    if loaded.project is None:
        raise SpecError(loaded.problems)
    return loaded, loaded.project


def settings_here() -> Settings:
    """Return the settings of the environment that ``-e`` names. No spec is read."""
    file = project_file()
    return settings_of(load_project(file), file.parent)


def settings_of(project: ProjectFile, root: Path, name: str | None = None) -> Settings:
    """Return the settings of the environment *name*, or that ``-e`` names. *root* is the project folder."""
    return settle(project, root, name or remembered("environment"), os.environ)
