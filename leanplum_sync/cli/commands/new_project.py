"""The files of a new project."""

from __future__ import annotations

import json
import re
from functools import reduce
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from typing import Final

_TEMPLATES: Final = {
    "leanplum-sync.yaml": "leanplum-sync.yaml",
    "specs/loyalty.yaml": "loyalty.yaml",
    "data/customers.csv": "customers.csv",
    "seed/users.ndjson": "users.ndjson",
}
_INSTALL: Final = {".ci/install-leanplum-sync.sh": "install-leanplum-sync.sh"}
_PIPELINES: Final = {
    "github": {".github/workflows/leanplum-sync.yaml": "github.yaml", **_INSTALL},
    "gitlab": {".gitlab-ci.yml": "gitlab.yaml", **_INSTALL},
}
PIPELINES: Final = (*_PIPELINES, "all", "none")
IGNORED: Final = (".leanplum-sync/", "*.lpplan")  # journal, emulator state and plans hold values of users
_NAME: Final = re.compile(r"[^a-z0-9]+")


def project_files(name: str, pipeline: str = "all") -> dict[str, str]:
    """
    Return each file's text by its path in the project folder, except ``.gitignore``, which may already exist.

    A pipeline installs the version that wrote it, so that what plans is what applies.
    """
    source, commit = installed_from()
    folder = files("leanplum_sync.cli") / "templates"
    chosen = [each for kind, each in _PIPELINES.items() if pipeline in (kind, "all")]
    templates = {path: template for each in (_TEMPLATES, *chosen) for path, template in each.items()}
    names = {
        "{name: PROJECT}": f"{{name: {project_name(name)}}}",
        "SOURCE-URL": source,
        "SOURCE-COMMIT": commit,
    }
    return {
        path: reduce(
            lambda text, pair: text.replace(*pair), names.items(), (folder / template).read_text("utf-8")
        )
        for path, template in templates.items()
    }


def installed_from() -> tuple[str, str]:
    """
    Return the repository and the commit that this installation was made from; empty where pip did not record them.

    Source: PyPA specifications, recording the direct URL origin of installed distributions.
    """
    recorded = json.loads(distribution("leanplum-sync").read_text("direct_url.json") or "{}")
    commit = recorded.get("vcs_info", {}).get("commit_id", "")
    return (recorded["url"], commit) if commit else ("", "")


def project_name(folder_name: str) -> str:
    """Return a name of lower-case letters, digits and hyphens, as specs require."""
    return _NAME.sub("-", folder_name.lower()).strip("-") or "project"


def with_ignored(gitignore: str) -> str:
    """Return the text of a ``.gitignore`` that excludes everything that must not be committed."""
    missing = [line for line in IGNORED if line not in gitignore.splitlines()]
    start = f"{gitignore.rstrip()}\n" if gitignore.strip() else ""
    return start + "".join(f"{line}\n" for line in missing) if missing else gitignore


def in_the_way(folder: Path, paths: list[str]) -> list[str]:
    return [path for path in paths if (folder / path).exists()]
