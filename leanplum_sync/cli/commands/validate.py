"""``validate``: checks specs and data files, offline."""

from __future__ import annotations

from pathlib import Path

import click

from leanplum_sync.cli.command import Command, in_project, specs_argument
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.options.checking import listing_file, memory_option, problems_option
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.documents import advise, listed_words, show_problems
from leanplum_sync.cli.output.outputs import output_options
from leanplum_sync.cli.project import project_file
from leanplum_sync.operations.check import check
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
@memory_option(LEAST_MEMORY_MB)
@output_options("text", "json", "ndjson", "markdown", "html", "sarif", "github", "junit")
@in_project
def command(
    console: Console,
    *,
    specs: tuple[Path, ...],
    problems: Path | None,
    strict: bool,
    memory: int,
) -> ExitCode:
    """
    Check specs and their data files, offline.

    SPEC is a spec file or a folder; by default, all specs of the project. All problems are reported in one
    go: the first hundred on screen, as file:line:column, and all of them in a file. Exit code 3: there are
    problems.
    """
    loaded = load(project_file(), specs)
    with Staging(memory_limit_mb=memory, only_rows=True) as staging:
        findings = check(
            loaded, staging, console.progress(), listing_file(loaded.root, problems), strict=strict
        )
    remarks = () if strict else (*map(Remark, loaded.notes), *findings.remarks)
    checked = Checked(
        findings.problems,
        findings.total,
        len(loaded.resources),
        findings.rows,
        findings.subjects,
        listed_words(findings.listed),
        remarks,
    )
    show_problems(checked, console, loaded.root)
    advise(remarks, console)
    return ExitCode.INVALID if findings.total else ExitCode.OK
