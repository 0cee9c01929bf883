"""The settings of one environment, from the project file and environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from leanplum_sync.errors import CredentialError, UsageError
from leanplum_sync.planner.audit import AuditGoal
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
    audit: AuditGoal | None = None
    variables_user: str | None = None

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

    @property
    def baseline(self) -> Path:
        """The folder of the baseline: beside the journal, or, if that is a database, with the plans."""
        journal = Path(self.journal) if isinstance(self.journal, Path) else self.state_folder / "journal"
        return journal.with_name(f"{journal.stem}.{self.name}.baseline")

    def kept_plan(self, digest: str) -> Path:
        """The copy of an applied plan. Undo and resolve need it long after the next plan was made."""
        return self.kept_plans / kept_name(digest)

    @property
    def kept_plans(self) -> Path:
        return self.state_folder / "applied"

    @property
    def budget(self) -> dict[str, int | None]:
        """The budget by the names of hazards; None means no limit."""
        return self.environment.budget.model_dump(by_alias=True)

    @property
    def lookups_per_month(self) -> int | None:
        """How many billable lookups all commands may spend in a month; None means no limit."""
        return self.environment.budget.billable_lookups_per_month


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
            f"No environment is chosen. Pass one of {known} with -e, or set defaultEnvironment in the project file."
        )
    if chosen not in project.environments:
        raise UsageError(f"The project has no environment {chosen!r}. It has {known}.")
    return Settings(
        root,
        project.environments[chosen],
        _journal(project.journal, root, environ),
        project.sensitive,
        project.increment_receipts,
        project.audit,
        project.variables_user,
    )


def _journal(setting: Setting, root: Path, environ: Mapping[str, str]) -> str | Path:
    match setting:
        case str():
            return setting if "://" in setting else root / setting
        case FromVariable() if held := setting.held(environ):
            return _journal_in(setting.name, held, root)
        case FromVariable(otherwise=text) if text:
            return _journal(text, root, environ)
        case FromVariable(name=name):
            raise CredentialError(
                f"{name} is not set, but the project file reads the journal's address from it."
            )


def _journal_in(variable: str, text: str, root: Path) -> str | Path:
    """
    Return the journal that *variable* names.

    A connection string in another form (``host=... password=...``) would be taken for the name of a new,
    empty file, whose name is then shown, and everything would be sent again. So a file counts only in a
    folder that exists and is named.
    """
    if text.startswith("postgresql://"):
        return text
    folder, slash, _ = text.rpartition("/")
    if "://" in text or not slash or not (root / (folder or "/")).is_dir():
        raise CredentialError(
            f"{variable} does not contain the address of a journal: it must be postgresql://user:password@host/database, or the path of a file in an existing folder, such as ./journal.db. Its value is not shown, because it may contain a password."
        )
    return root / text
