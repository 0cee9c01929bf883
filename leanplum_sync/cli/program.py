"""The program: its commands, and the only place where an error becomes a sentence and an exit code."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Final, NoReturn

import click

from leanplum_sync.cli.command import display_options, project_options
from leanplum_sync.cli.context import PREFIX
from leanplum_sync.cli.exit_codes import ExitCode, exit_code
from leanplum_sync.cli.lazy import LazyGroup
from leanplum_sync.cli.output.sentences import sentence_of

NAME: Final = "leanplum-sync"
COMMANDS: Final = {
    "init": "Create a new project that works right away.",
    "validate": "Check specs and data files, offline.",
    "fmt": "Format spec files.",
    "plan": "Compare the specs with the live state and write a plan.",
    "show": "Show a plan.",
    "plan-diff": "Compare two plans, such as the approved one and a new one.",
    "explain": "Explain what a plan changes for one user, and why.",
    "apply": "Apply a plan, making each change exactly once.",
    "status": "Show recent runs, locks and held sends.",
    "resolve": "Resolve sends that may or may not have happened.",
    "undo": "Create a plan that reverts a run.",
    "drift": "Show what others changed since the last apply.",
    "journal": "List, show, check, copy and export the journal.",
    "pull": "Read users into a snapshot file.",
    "emulator": "Serve the Leanplum API on this machine, for dry runs.",
    "call": "Call any action of the API.",
    "doctor": "Check keys, clock, host and journal.",
    "key": "Generate the key that encrypts values in plans and journals.",
    "schema": "Print the JSON Schema of specs or of a document.",
}


@click.group(
    NAME,
    cls=LazyGroup,
    summaries=COMMANDS,
    context_settings={"auto_envvar_prefix": PREFIX, "help_option_names": ["-h", "--help"]},
    epilog=f"To get started: {NAME} init my-project. Each command has its own --help.",
)
@project_options
@display_options
@click.version_option(package_name=NAME, prog_name=NAME, message="%(prog)s %(version)s")
def program() -> None:
    """Manage the users, push tokens and sends of a Leanplum app as reviewed YAML."""


def main() -> NoReturn:
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, _terminate)
    try:
        result = program.main(list(arguments), prog_name=NAME, standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - this is where errors become exit codes
        return _report(error)
    except KeyboardInterrupt as error:
        click.echo("Interrupted.", err=True)
        return exit_code(error)
    return result if isinstance(result, int) else ExitCode.OK


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    """Raise, so that files and locks are released as after any error."""
    sys.exit(128 + number)


def _report(error: Exception) -> int:
    if os.environ.get(f"{PREFIX}_DEBUG"):
        traceback.print_exception(error)
    click.echo(sentence_of(error), err=True)
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(f"See: {error.ctx.command_path} --help", err=True)
    return exit_code(error)
