"""The program: its commands, and the only place where an error becomes a sentence and an exit code."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any, Final, NoReturn

import click
from click.exceptions import NoSuchCommand
from click.shell_completion import CompletionItem

from leanplum_sync.cli.command import Group, display_options, project_options
from leanplum_sync.cli.context import PREFIX
from leanplum_sync.cli.exit_codes import ExitCode, exit_code
from leanplum_sync.cli.output.sentences import sentence_of

NAME: Final = "leanplum-sync"
COMMANDS: Final = {
    "init": "Create a new project that works right away.",
    "validate": "Check specs and data files offline.",
    "fmt": "Format spec files.",
    "plan": "Compare the specs with the live state and write a plan.",
    "show": "Show a plan.",
    "plan-diff": "Compare two plans, such as the approved one and a new one.",
    "explain": "Explain what a plan changes for one user, and why.",
    "apply": "Apply a plan, making each change exactly once.",
    "worker": "Apply shards of a plan, beside other workers.",
    "status": "Show recent runs, locks, and held sends.",
    "resolve": "Resolve sends that may or may not have happened.",
    "undo": "Create a plan that reverts a run.",
    "adopt": "Write live values into the specs, or record sends made elsewhere.",
    "drift": "Show what others changed since the last apply.",
    "journal": "List, show, check, copy, rebuild, sign, and export the journal.",
    "baseline": "Show the baseline that plans can compare with, or discard it.",
    "pull": "Read users into a snapshot file.",
    "emulator": "Serve the Leanplum API on this machine, for dry runs.",
    "call": "Call any action of the API.",
    "doctor": "Check keys, clock, host, journal, and connections.",
    "key": "Generate the key that encrypts values in plans and journals.",
    "schema": "Print the JSON Schema of specs or of a command's JSON output.",
}


class _Program(Group):
    """
    *summaries* maps each command, in the order of the help, to its line there.

    Its module is in ``commands``.
    """

    def __init__(self, *arguments: Any, summaries: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.summaries = summaries

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in self.summaries:
            return None
        # Imports allocate much and free little: the garbage collector would take a tenth of their time.
        gc.disable()
        try:
            command = importlib.import_module(
                f"leanplum_sync.cli.commands.{cmd_name.replace('-', '_')}"
            ).command
        finally:
            gc.freeze()
            gc.enable()
        assert isinstance(command, click.Command)  # noqa: S101 - tells mypy what every module of a command defines
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer commands without importing them, and the options that may be given before a command."""
        commands = [
            CompletionItem(name, help=text)
            for name, text in self.summaries.items()
            if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and args[0] not in self.summaries:
            raise NoSuchCommand(args[0], possibilities=self.summaries, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(
            f"Options can also be set by environment variables: for example, {PREFIX}_ENVIRONMENT sets --environment, and {PREFIX}_PLAN_OUT sets plan --out."
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))


@click.group(
    NAME,
    cls=_Program,
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
