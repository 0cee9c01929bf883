"""A project and one of its environments."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from leanplum_sync.project.model import ProjectFile
from leanplum_sync.project.settings import Settings, settle
from leanplum_sync.specs import find_project, load_project


@dataclass(frozen=True, slots=True)
class Project:
    """
    A loaded project file, and the *settings* of one environment: the one that was named, or else the project's default.

    Keys, and whatever else the file takes from the environment, come from ``os.environ``.
    """

    path: Path
    file: ProjectFile
    settings: Settings

    @classmethod
    def load(cls, path: Path | str, environment: str | None = None) -> Self:
        """
        Load the project file at *path*.

        Raises:
            SpecError: the project file is missing or has problems.
            UsageError: there is no such environment, or none is named and there is no default.
            CredentialError: the file names an environment variable that is not set.
        """
        file = Path(path).resolve()
        loaded = load_project(file)
        return cls(file, loaded, settle(loaded, file.parent, environment, os.environ))

    @classmethod
    def find(cls, environment: str | None = None, start: Path | str = ".") -> Self:
        """Load the project file of the folder *start*, or of the nearest folder above it. Errors are those of ``load``."""
        return cls.load(find_project(Path(start)), environment)

    @property
    def root(self) -> Path:
        """The project folder, from which the paths in specs start."""
        return self.path.parent

    @property
    def environment(self) -> str:
        return self.settings.name
