"""Finds the project and the environment to use."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from leanplum_sync.cli.context import remembered
from leanplum_sync.errors import CredentialError, SpecError
from leanplum_sync.library.access import missing_access
from leanplum_sync.project.model import Environment, ProjectFile
from leanplum_sync.project.settings import Settings, settle
from leanplum_sync.specs import Loaded, find_project, load, load_project
from leanplum_sync.specs.covering import check_selection, covered
from leanplum_sync.wire.catalogue import KeyClass


def project_file() -> Path:
    """Return the file that ``--project`` names, or the one in the working folder or above it. Its folder is the root."""
    named: Path | None = remembered("project")
    if named is not None and not named.is_file():
        raise click.UsageError(f"{named}: no such project file.")
    return named.resolve() if named else find_project(Path.cwd())


def specs_here(only: Sequence[Path] = (), name: str | None = None) -> tuple[Loaded, ProjectFile]:
    """
    Return the project's specs, or those of *only*, with their problems, and the project file. Specs that the environment doesn't
    cover are left out.

    Raises:
        SpecError: the project file can't be used.
        UsageError: the environment covers no spec of *only*.
    """
    loaded = load(project_file(), only)
    project = loaded.project
    if project is None:
        raise SpecError(loaded.problems)
    environment = environment_here(project, name)
    if environment is not None:
        check_selection(loaded, environment, is_chosen=bool(only))
        loaded = covered(loaded, environment)
    return loaded, project


def environment_here(project: ProjectFile, name: str | None = None) -> Environment | None:
    """Return the environment *name*, or that ``-e`` names, or the default one. None if there is none: ``settings_of`` says so."""
    return project.environments.get(name or remembered("environment") or project.default_environment or "")


def settings_here() -> Settings:
    """Return the settings of the environment that ``-e`` names. No spec is read."""
    file = project_file()
    return settings_of(load_project(file), file.parent)


def settings_of(
    project: ProjectFile, root: Path, name: str | None = None, *, needs: Collection[KeyClass] = ()
) -> Settings:
    """
    Return the settings of the environment *name*, or that ``-e`` names. *root* is the project folder.

    Raises:
        CredentialError: variables are missing, among them those of the keys in *needs*; the error names all of them.
    """
    with naming_all_missing(project, name, needs):
        settings = settle(project, root, name or remembered("environment"), os.environ)
        if needs and (missing := missing_access(settings.environment, needs)):
            raise CredentialError(missing[0])
        return settings


@contextmanager
def naming_all_missing(project: ProjectFile, name: str | None, needs: Collection[KeyClass]) -> Iterator[None]:
    """Add to an error about a missing variable all others that are missing for an app's id and the keys in *needs*."""
    try:
        yield
    except CredentialError as error:
        chosen = name or remembered("environment") or project.default_environment or ""
        environment = project.environments.get(chosen)
        missing = missing_access(environment, needs) if environment is not None and needs else []
        raise CredentialError(" ".join(dict.fromkeys([str(error), *missing]))) from error
