"""``fmt``: spec files in their one layout."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from leanplum_sync.cli.console import Console
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.project import project_file
from leanplum_sync.cli.shell import shortest
from leanplum_sync.cli.verb import Verb, display_options, pass_console, project_options
from leanplum_sync.errors import SpecError
from leanplum_sync.render.values import escaped
from leanplum_sync.render.words import amount
from leanplum_sync.resources.project import holds_key
from leanplum_sync.spec import project_files
from leanplum_sync.spec.tidying import Faulty, Found, LeftAlone, Tidied, files_below, tidied


@click.command("fmt", cls=Verb, shares_files=True)
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--check", is_flag=True, help="Change nothing, and exit with 3 if a file would change.")
@click.option("--diff", is_flag=True, help="Change nothing, and show what would change.")
@project_options
@display_options
@pass_console
def command(console: Console, *, paths: tuple[Path, ...], check: bool, diff: bool) -> ExitCode:
    """
    Bring spec files into their one layout, and list those that changed.

    PATH are files or folders; by default, the project file and the specs that it
    names. Keys stand in the order of the spec language, two blanks indent, and
    what is said stays the same, every comment included. A file that is not sound
    YAML is reported, and left alone.
    """
    files = list(dict.fromkeys(files_below(paths) if paths else project_files(project_file())))
    found = [tidied(path, Path(shortest(path)).as_posix()) for path in files]
    changed = [each for each in found if isinstance(each, Tidied) and each.differs]
    if diff:
        console.document("".join(map(_difference, changed)))
    else:
        console.document("".join(f"{escaped(str(shortest(each.path)))}\n" for each in changed))
    if not check and not diff:
        for each in changed:
            each.write()
    _remark(console, found, named=bool(paths))
    problems = [problem for each in found if isinstance(each, Faulty) for problem in each.problems]
    if problems:
        raise SpecError(problems)
    if check and changed:
        console.complain(f"{_files(changed)} would change. Next: leanplum-sync fmt")
        return ExitCode.INVALID
    did = "would change" if diff else "changed"
    console.say(f"{_files(changed)} {did}, of {len(files):,}." if files else "There is no spec file here.")
    return ExitCode.OK


def _files(changed: Sequence[Tidied]) -> str:
    return amount(len(changed), "file")


def _remark(console: Console, found: Iterable[Found], *, named: bool) -> None:
    """Say which files were passed over: what YAML is beside the specs is nobody's mistake, unless it was named."""
    for each in found:
        match each:
            case LeftAlone(path, ""):
                (console.say if named else console.say_more)(f"{escaped(str(shortest(path)))} is not a spec.")
            case LeftAlone(path, why):
                console.say(f"{escaped(str(shortest(path)))} is left as it is: it holds {why}.")
            case _:
                pass


def _difference(file: Tidied) -> str:
    name = Path(shortest(file.path)).as_posix()
    lines = difflib.unified_diff(
        file.before.splitlines(), file.after.splitlines(), name, f"{name} (as fmt writes it)", lineterm=""
    )
    return "".join(f"{_harmless(line)}\n" for line in lines)


def _harmless(line: str) -> str:
    return f"{line[0]} (a line with what looks like a key)" if holds_key(line) else escaped(line)
