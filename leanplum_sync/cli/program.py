"""The command itself: its verbs, and the one place where an error becomes a sentence and a number."""

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
VERBS: Final = {
    "init": "Make a new project that works at once.",
    "validate": "Check specs and data files, offline.",
    "fmt": "Bring spec files into their one layout.",
    "plan": "Compare the specs with what is there, and write a plan.",
    "show": "Show a plan.",
    "plan-diff": "Show what changed since the plan that was approved.",
    "explain": "Show what a plan means for one user, and why.",
    "apply": "Carry out a plan: exactly it, and each thing once.",
    "status": "Say what the journal knows of runs.",
    "resolve": "Decide about what may or may not have happened.",
    "undo": "Make a plan that takes back what a run did.",
    "drift": "Say what others changed since we applied.",
    "journal": "List, show, check and export what was sent and what became of it.",
    "pull": "Read users into a snapshot file.",
    "emulator": "Serve the Leanplum API on this machine, for rehearsals.",
    "call": "Call any action of the API by hand.",
    "doctor": "Check keys, clock, host and journal.",
    "key": "Make a key that encrypts the values in plans and journals.",
    "schema": "Print the JSON Schema of specs, or of a document.",
}


@click.group(
    NAME,
    cls=LazyGroup,
    verbs=VERBS,
    context_settings={"auto_envvar_prefix": PREFIX, "help_option_names": ["-h", "--help"]},
    epilog=f"Start with: {NAME} init my-project. Each verb has its own --help.",
)
@project_options
@display_options
@click.version_option(package_name=NAME, prog_name=NAME, message="%(prog)s %(version)s")
def program() -> None:
    """Keep the users, push tokens and sends of a Leanplum app as reviewed YAML."""


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
    """End like any other error, so that files and locks are let go."""
    sys.exit(128 + number)


def _report(error: Exception) -> int:
    if os.environ.get(f"{PREFIX}_DEBUG"):
        traceback.print_exception(error)
    click.echo(sentence_of(error), err=True)
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(f"See: {error.ctx.command_path} --help", err=True)
    return exit_code(error)
