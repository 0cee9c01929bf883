"""The files of a new project, and where they go."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Final

_TEMPLATES: Final = {
    "leanplum-sync.yaml": "leanplum-sync.yaml",
    "specs/loyalty.yaml": "loyalty.yaml",
    "data/customers.csv": "customers.csv",
    "seed/users.ndjson": "users.ndjson",
    ".github/workflows/leanplum-sync.yaml": "workflow.yaml",
}
IGNORED: Final = (".leanplum-sync/", "*.lpplan")  # journal, emulator state and plans hold values of users
_NAME: Final = re.compile(r"[^a-z0-9]+")


def project_files(name: str) -> dict[str, str]:
    """Return each file's text by its path from the project folder. ``.gitignore`` is another matter: it may exist."""
    folder = files("leanplum_sync.cli") / "templates"
    return {
        path: (folder / template).read_text("utf-8").replace("PROJECT", project_name(name))
        for path, template in _TEMPLATES.items()
    }


def project_name(folder_name: str) -> str:
    """Return a name that specs allow: lower-case letters, digits and hyphens."""
    return _NAME.sub("-", folder_name.lower()).strip("-") or "project"


def with_ignored(gitignore: str) -> str:
    """Return the text of a ``.gitignore`` with what must not be committed."""
    missing = [line for line in IGNORED if line not in gitignore.splitlines()]
    start = f"{gitignore.rstrip()}\n" if gitignore.strip() else ""
    return start + "".join(f"{line}\n" for line in missing) if missing else gitignore


def in_the_way(folder: Path, paths: list[str]) -> list[str]:
    return [path for path in paths if (folder / path).exists()]
