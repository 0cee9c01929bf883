"""``fmt``: formats spec files."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import click

from leanplum_sync.cli.command import Command, in_project
from leanplum_sync.cli.context import remembered
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.project import project_file
from leanplum_sync.cli.shell import shortest
from leanplum_sync.errors import SpecError
from leanplum_sync.project.model import FILE_NAME, holds_key
from leanplum_sync.render.values import amount, escaped
from leanplum_sync.specs import find_project, project_files, sensitive_in
from leanplum_sync.specs.tidying import Faulty, Found, LeftAlone, Tidied, files_below, tidied
from leanplum_sync.specs.withholding import withheld_lines

_PART: Final = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


@click.command("fmt", cls=Command, shares_files=True)
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--check", is_flag=True, help="Change nothing; exit with 3 if a file would change.")
@click.option("--diff", is_flag=True, help="Change nothing; show what would change.")
@in_project
def command(console: Console, *, paths: tuple[Path, ...], check: bool, diff: bool) -> ExitCode:
    """
    Format spec files and list the ones that changed.

    PATH is a file or a folder; by default, the project file and all its specs. Keys are sorted as in the documentation and indented by two spaces. Values and comments are kept. A file that is not valid YAML is
    reported and left as it is.
    """
    files = list(dict.fromkeys(files_below(paths) if paths else project_files(project_file())))
    found = [tidied(path, Path(shortest(path)).as_posix(), _sensitive(path)) for path in files]
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
    console.say(
        f"{len(changed):,} of {amount(len(files), 'file')} {did}." if files else "There are no spec files."
    )
    return ExitCode.OK


def _files(changed: Sequence[Tidied]) -> str:
    return amount(len(changed), "file")


def _remark(console: Console, found: Iterable[Found], *, named: bool) -> None:
    """Report the skipped files. Other YAML beside the specs is no mistake, unless it was named."""
    for each in found:
        match each:
            case LeftAlone(path, ""):
                (console.say if named else console.say_more)(f"{escaped(str(shortest(path)))} is not a spec.")
            case LeftAlone(path, why):
                console.say(f"{escaped(str(shortest(path)))} was skipped, because it contains {why}.")
            case Tidied() | Faulty():
                pass


def _sensitive(path: Path) -> frozenset[str] | None:
    """Return the names that the project of a spec file marks as sensitive. A project file holds no values."""
    return frozenset() if path.name == FILE_NAME else _sensitive_below(path.absolute().parent)


@cache
def _sensitive_below(folder: Path) -> frozenset[str] | None:
    try:
        return sensitive_in(project_file() if remembered("project") else find_project(folder))
    except SpecError:
        return frozenset()  # without a project, nothing is marked as sensitive


def _difference(file: Tidied) -> str:
    name = Path(shortest(file.path)).as_posix()
    before, after = file.before.splitlines(), file.after.splitlines()
    lines = difflib.unified_diff(before, after, name, f"{name} (as fmt writes it)", lineterm="")
    return "".join(f"{line}\n" for line in _harmless(lines, before, after, file.sensitive))


def _harmless(
    difference: Iterable[str], before: Sequence[str], after: Sequence[str], sensitive: frozenset[str] | None
) -> Iterator[str]:
    """Yield the lines of a unified *difference*, with keys and sensitive values removed."""
    withheld = {"-": withheld_lines(before, sensitive), "+": withheld_lines(after, sensitive)}
    old = new = 0  # the numbers of the next lines, from 1; 0 before the first hunk
    for line in difference:
        if part := _PART.match(line):
            old, new = int(part[1]), int(part[2])
            yield line
            continue
        mark = line[0]
        side, number = ("-", old) if mark == "-" else ("+", new)
        if holds_key(line):
            yield f"{mark} (a line with what looks like a key)"
        elif number and withheld[side][number - 1]:
            yield f"{mark} (a line that may hold a sensitive value)"
        else:
            yield escaped(line)
        old += mark in "- " and old > 0
        new += mark in "+ " and new > 0
