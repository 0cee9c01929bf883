"""``validate``: checks specs and data files, offline."""

from __future__ import annotations

from pathlib import Path

import click

from leanplum_sync.cli.command import Command, in_project, specs_argument
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.options.checking import (
    listing_file,
    memory_option,
    problems_option,
    reading_of,
    set_option,
)
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.documents import advise, listed_words, show_problems
from leanplum_sync.cli.output.outputs import Output, asked_for, output_options
from leanplum_sync.cli.output.sentences import sentence_of
from leanplum_sync.cli.output.watching import repeat_on_change
from leanplum_sync.cli.project import project_file
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import LeanplumSyncError
from leanplum_sync.operations.check import check
from leanplum_sync.operations.read_rows import Reading, check_queries
from leanplum_sync.operations.things import things_of
from leanplum_sync.problem import Remark
from leanplum_sync.render.problems import Checked
from leanplum_sync.specs import load
from leanplum_sync.staging import LEAST_MEMORY_MB, Staging


@click.command("validate", cls=Command)
@specs_argument
@problems_option
@click.option(
    "--strict",
    is_flag=True,
    help="Treat remarks (about things that are valid but probably not intended) as problems. Default: only show remarks.",
)
@click.option(
    "--connect",
    is_flag=True,
    help="Also ask the databases for the columns of each query. No rows are read. Default: check only the text of queries.",
)
@click.option(
    "--watch",
    is_flag=True,
    help="Check again each time that a file of the project changes, until Ctrl-C. Default: check once.",
)
@set_option
@memory_option(LEAST_MEMORY_MB)
@output_options("text", "json", "ndjson", "markdown", "html", "sarif", "github", "junit")
@in_project
def command(
    console: Console,
    *,
    specs: tuple[Path, ...],
    problems: Path | None,
    strict: bool,
    connect: bool,
    watch: bool,
    given: tuple[tuple[str, str], ...],
    memory: int,
) -> ExitCode:
    """
    Check specs and data files offline. With --connect, also check queries against their databases.

    SPEC is a spec file or a folder; by default, all specs of the project. All problems are reported in one
    go: the first hundred on screen, as file:line:column, and all of them in a file. Exit code 3: there are
    problems.
    """
    if given and not connect:
        raise click.UsageError("--set is for queries, so it requires --connect.")
    file = project_file()

    def check_now() -> ExitCode:
        reading = reading_of(given, console.progress()) if connect else None
        return _check(console, file, specs, problems, reading, strict=strict, memory=memory)

    if not watch:
        return check_now()
    if [output for output in asked_for() if output != Output("text", None)]:
        raise click.UsageError("--watch shows text only. Leave out -o.")

    def check_again() -> None:
        click.clear()  # does nothing if this is no terminal
        try:
            check_now()
        except LeanplumSyncError as error:
            console.complain(sentence_of(error))
        console.say("\nWaiting for changes. Press Ctrl-C to stop.")

    return repeat_on_change(file.parent, check_again, SystemClock(), besides=problems)


def _check(
    console: Console,
    file: Path,
    specs: tuple[Path, ...],
    problems: Path | None,
    reading: Reading | None,
    *,
    strict: bool,
    memory: int,
) -> ExitCode:
    """Check once; queries only with *reading*."""
    loaded = load(file, specs)
    if reading is not None:
        loaded = check_queries(loaded, reading)
    with Staging(memory_limit_mb=memory, only_rows=True) as staging:
        findings = check(
            loaded, staging, console.progress(), listing_file(loaded.root, problems), strict=strict
        )
    things = things_of(loaded.resources)
    remarks = () if strict else (*map(Remark, loaded.notes), *findings.remarks)
    checked = Checked(
        findings.problems,
        findings.total,
        len(loaded.resources),
        findings.rows,
        findings.subjects,
        listed_words(findings.listed),
        remarks,
        is_connected=reading is not None,
        things=len(things),
        thing_kinds=frozenset(each.kind for each in things),
    )
    show_problems(checked, console, loaded.root)
    advise(remarks, console)
    for name in findings.unread if not findings.total else ():
        console.say(f"Rows of {name} were not read: `plan` reads and checks them.")
    return ExitCode.INVALID if findings.total else ExitCode.OK
