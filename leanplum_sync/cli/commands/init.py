"""``init``: creates a project."""

from __future__ import annotations

import json
import re
from functools import reduce
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from leanplum_sync.cli.command import Command, with_console
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.shell import quoted
from leanplum_sync.render.values import listing
from leanplum_sync.specs import json_schema

_TEMPLATES: Final = {
    "leanplum-sync.yaml": "leanplum-sync.yaml",
    "specs/loyalty.yaml": "loyalty.yaml",
    "data/customers.csv": "customers.csv",
    "seed/users.ndjson": "users.ndjson",
}
_INSTALL: Final = {".ci/install-leanplum-sync.sh": "install-leanplum-sync.sh"}
_EDITOR: Final = {".vscode/settings.json": "vscode.json"}
_SCHEMA: Final = ".vscode/leanplum-sync.schema.json"
_PIPELINES: Final = {
    "github": {".github/workflows/leanplum-sync.yaml": "github.yaml", **_INSTALL},
    "gitlab": {".gitlab-ci.yml": "gitlab.yaml", **_INSTALL},
}
PIPELINES: Final = (*_PIPELINES, "all", "none")
# Journal, emulator state and plans hold values of users. What pull writes beside a snapshot has ids.
IGNORED: Final = (".leanplum-sync/", "*.lpplan", "*.ndjson.prints-*")
_CONNECTION: Final = re.compile(r"^ *# CONNECTION\n", re.MULTILINE)
_VARIABLE: Final = re.compile(r"(?!LEANPLUM_)[A-Z][A-Z0-9_]*")
_OTHERS: Final = "surrogateescape"  # keeps the bytes of someone's .gitignore that isn't UTF-8
_NAME: Final = re.compile(r"[^a-z0-9]+")


@click.command("init", cls=Command, shares_files=True)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--pipeline",
    type=click.Choice(PIPELINES),
    default="all",
    help="Which pipeline files to write: for GitHub Actions, GitLab CI, both, or neither. Default: all.",
)
@click.option(
    "--connection",
    "variable",
    metavar="VARIABLE",
    help="Add the database or object store whose URL is in VARIABLE to the project, and let the pipeline jobs that plan connect to it. Default: none.",
)
@with_console
def command(console: Console, *, folder: Path, pipeline: str, variable: str | None) -> None:
    """
    Create a new project in DIR (default: the working folder).

    The new project works right away. It has a project file, a spec with sample data, users for the embedded
    emulator, pipeline files, and settings with which editors complete and check specs. Existing files are
    never overwritten.
    """
    if variable is not None and not _VARIABLE.fullmatch(variable):
        raise click.BadParameter(
            "it must be the name of an environment variable of yours, in capital letters, such as WAREHOUSE_URL.",
            param_hint="--connection",
        )
    contents = project_files(folder.resolve().name, pipeline, variable)
    kept = [
        path for path in _EDITOR if (folder / path).exists()
    ]  # someone's own; the files name their schema, too
    for path in kept:
        del contents[path]
    existing = [path for path in contents if (folder / path).exists()]
    if existing:
        raise click.UsageError(
            f"{listing(existing)} in {folder} already {'exists' if len(existing) == 1 else 'exist'} and would be"
            f" overwritten. Choose another folder, or move {'it' if len(existing) == 1 else 'them'}{_instead(existing)}."
        )
    for path, text in contents.items():
        _write(folder / path, text)
    gitignore = folder / ".gitignore"
    _write(gitignore, with_ignored(gitignore.read_text("utf-8", _OTHERS) if gitignore.exists() else ""))
    console.document("".join(f"{folder / path}\n" for path in [*contents, ".gitignore"]))
    for path in kept:
        console.say(f"{quoted(folder / path)} already exists and was left unchanged.")
    enter = "" if folder.resolve() == Path.cwd() else f"  cd {quoted(folder)}\n"
    console.say(
        f"\nThis project works right away, on the embedded emulator. Next:\n\n{enter}"
        "  leanplum-sync validate\n  leanplum-sync plan\n  leanplum-sync apply .leanplum-sync/sandbox.lpplan"
    )


def _instead(existing: list[str]) -> str:
    """Return the choices of ``--pipeline`` that would write none of *existing*."""
    free = [kind for kind in PIPELINES if not set(project_files("", kind)).intersection(existing)]
    return f"; or choose other pipelines with --pipeline {'|'.join(free)}" if free else ""


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8", _OTHERS)


def project_files(name: str, pipeline: str = "all", variable: str | None = None) -> dict[str, str]:
    """
    Return each file's text by its path in the project folder, except ``.gitignore``, which may already exist.

    *variable* holds the URL of a connection.

    A pipeline installs the version that wrote it, so that what plans is what applies.
    """
    source, commit = installed_from()
    folder = files("leanplum_sync.cli") / "templates"
    chosen = [each for kind, each in _PIPELINES.items() if pipeline in (kind, "all")]
    templates = {path: template for each in (_TEMPLATES, _EDITOR, *chosen) for path, template in each.items()}
    names = {
        "{name: PROJECT}": f"{{name: {project_name(name)}}}",
        "SOURCE-URL": source,
        "SOURCE-COMMIT": commit,
    }
    found = {
        path: reduce(
            lambda text, pair: text.replace(*pair), names.items(), (folder / template).read_text("utf-8")
        )
        for path, template in templates.items()
    }
    for path, text in found.items():
        found[path] = _CONNECTION.sub(_connection(path, variable), text)
    return found | {_SCHEMA: json.dumps(json_schema(), indent=2) + "\n"}


def _connection(path: str, variable: str | None) -> str:
    """Return the lines that let the file at *path* use the connection whose URL is in *variable*."""
    if variable is None:
        return ""
    if path == "leanplum-sync.yaml":
        name = project_name(variable.removesuffix("_URL"))
        return f"  connections: {{{name}: {{url: {{env: {variable}}}}}}}\n"
    return f"          {variable}: ${{{{ secrets.{variable} }}}}\n"


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
