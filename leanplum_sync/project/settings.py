"""The settings of one environment, from the project file and environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pydantic.alias_generators import to_camel

from leanplum_sync.errors import CredentialError, UsageError
from leanplum_sync.project.model import Environment, FromVariable, ProjectFile, Setting

STATE_FOLDER: Final = ".leanplum-sync"


@dataclass(frozen=True, slots=True)
class Settings:
    """*root* is the project folder. *journal* is a file, or ``postgresql://...``, which may hold a password."""

    root: Path
    environment: Environment
    journal: str | Path
    sensitive: frozenset[str]
    increment_receipts: str | None = None

    @property
    def name(self) -> str:
        return self.environment.name

    @property
    def state_folder(self) -> Path:
        """The folder of plans, snapshots and the emulator's users; not for version control."""
        return self.root / STATE_FOLDER

    @property
    def default_plan(self) -> Path:
        return self.state_folder / f"{self.name}.lpplan"

    @property
    def snapshot(self) -> Path:
        """The users that the latest plan from live state was made from."""
        return self.state_folder / f"{self.name}.snapshot.ndjson"

    @property
    def unfinished_snapshot(self) -> Path:
        """The users that are being read, or had been read when a plan was interrupted."""
        return self.state_folder / f"{self.name}.reading.ndjson"

    def kept_plan(self, digest: str) -> Path:
        """The copy of an applied plan. Undo and resolve need it long after the next plan was made."""
        return self.kept_plans / kept_name(digest)

    @property
    def kept_plans(self) -> Path:
        return self.state_folder / "applied"

    @property
    def budget(self) -> dict[str, int | None]:
        """The budget by the names of hazards; None means no limit."""
        return {to_camel(name): allowed for name, allowed in asdict(self.environment.budget).items()}


def kept_name(digest: str) -> str:
    return f"{digest[:12]}.lpplan"


def settle(project: ProjectFile, root: Path, name: str | None, environ: Mapping[str, str]) -> Settings:
    """
    Return the settings of the environment *name*, or of the project's default one.

    Raises:
        UsageError: there is no such environment, or none is named and there is no default.
        CredentialError: a variable that the project file names is missing.
    """
    chosen = name or project.default_environment
    known = ", ".join(project.environments)
    if chosen is None:
        raise UsageError(
            f"Which environment? Name one of {known} with -e, or a defaultEnvironment in the project."
        )
    if chosen not in project.environments:
        raise UsageError(f"The project has no environment {chosen!r}; it has {known}.")
    return Settings(
        root,
        project.environments[chosen],
        _journal(project.journal, root, environ),
        project.sensitive,
        project.increment_receipts,
    )


def _journal(setting: Setting, root: Path, environ: Mapping[str, str]) -> str | Path:
    text = setting.text(environ) if isinstance(setting, FromVariable) else setting
    if isinstance(setting, FromVariable) and not text:
        raise CredentialError(f"{setting.name} is not set: the project file says that it names the journal.")
    return text if "://" in text else root / text
