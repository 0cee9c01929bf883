"""``init``: creates a project."""

from __future__ import annotations

from pathlib import Path

import click

from leanplum_sync.cli.command import Command, display_options, pass_console
from leanplum_sync.cli.commands.new_project import PIPELINES, in_the_way, project_files, with_ignored
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.shell import quoted
from leanplum_sync.render.words import listing


@click.command("init", cls=Command, shares_files=True)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--pipeline",
    type=click.Choice(PIPELINES),
    default="all",
    help="Which pipeline files to write: for GitHub Actions, GitLab CI, both or neither. Default: all.",
)
@display_options
@pass_console
def command(console: Console, *, folder: Path, pipeline: str) -> ExitCode:
    """
    Create a new project in DIR (default: the working folder).

    The new project works right away. It has a project file, a spec with sample data, users for the embedded
    emulator, and pipeline files. Existing files are never overwritten.
    """
    contents = project_files(folder.resolve().name, pipeline)
    existing = in_the_way(folder, list(contents))
    if existing:
        raise click.UsageError(
            f"{listing(existing)} in {folder} already {'exists' if len(existing) == 1 else 'exist'} and would be"
            f" overwritten. Name another folder, or move {'it' if len(existing) == 1 else 'them'}{_instead(existing)}."
        )
    for path, text in contents.items():
        _write(folder / path, text)
    gitignore = folder / ".gitignore"
    _write(gitignore, with_ignored(gitignore.read_text("utf-8") if gitignore.exists() else ""))
    console.document("".join(f"{folder / path}\n" for path in [*contents, ".gitignore"]))
    enter = "" if folder.resolve() == Path.cwd() else f"  cd {quoted(folder)}\n"
    console.say(
        f"\nThis project works right away, on the embedded emulator. Next:\n\n{enter}"
        "  leanplum-sync validate\n  leanplum-sync plan\n  leanplum-sync apply .leanplum-sync/sandbox.lpplan"
    )
    return ExitCode.OK


def _instead(existing: list[str]) -> str:
    """Return the choices of ``--pipeline`` that would write none of *existing*."""
    free = [kind for kind in PIPELINES if not set(project_files("", kind)).intersection(existing)]
    return f"; or choose other pipelines with --pipeline {'|'.join(free)}" if free else ""


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
