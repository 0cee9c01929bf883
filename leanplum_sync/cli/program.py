"""The command itself: its verbs, and the one place where an error becomes a sentence and a number."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import click

from leanplum_sync.cli.exit_codes import ExitCode, exit_code
from leanplum_sync.cli.lazy import LazyGroup
from leanplum_sync.cli.verb import PREFIX, display_options, project_options
from leanplum_sync.errors import LeanplumSyncError, SpecError

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
    click.echo(_sentence(error), err=True)
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(f"See: {error.ctx.command_path} --help", err=True)
    return exit_code(error)


def _sentence(error: Exception) -> str:
    match error:
        case click.Abort():
            return "Interrupted."
        case SpecError():
            return _problems(error)
        case click.ClickException():
            return f"Error: {_escaped(error.format_message())}"
        case LeanplumSyncError():
            return f"Error: {_escaped(str(error))}"
        case OSError():
            file = f"{error.filename}: " if error.filename else ""
            return f"Error: {_escaped(file)}{error.strerror or type(error).__name__}."
        case _:
            # The message stays out: it may hold somebody's values. So does the traceback.
            return (
                f"Error: unexpected {type(error).__name__} in {_origin(error)}. This is a fault of {NAME}; run again with"
                f" {PREFIX}_DEBUG=1 to see all of it (what it prints may hold values of users)."
            )


def _escaped(text: str) -> str:
    """Files, arguments and answers of the API may hold what moves a cursor."""
    from leanplum_sync.render.values import escaped  # noqa: PLC0415 - brings rich along, which --help can do without

    return escaped(text)


def _problems(error: SpecError) -> str:
    from leanplum_sync.cli.shell import shortest  # noqa: PLC0415 - needed here only
    from leanplum_sync.render.page import Page  # noqa: PLC0415 - as above
    from leanplum_sync.render.problems import problems_text  # noqa: PLC0415 - as above

    listed = str(shortest(error.listed)) if error.listed else ""
    return problems_text(error.problems, error.total, Page(), listed).rstrip()


def _origin(error: Exception) -> str:
    """Return the innermost place in this package, such as ``planner/order.py:12``."""
    package = Path(__file__).parents[1]
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(package)
    ]
    if not frames:
        return "an unknown place"
    return f"{Path(frames[-1].filename).relative_to(package).as_posix()}:{frames[-1].lineno}"
