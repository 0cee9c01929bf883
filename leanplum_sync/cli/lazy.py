"""Groups of commands. Those of the program are imported only when they run, which keeps ``--help`` fast."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Mapping
from typing import Any

import click
from click.exceptions import NoSuchCommand
from click.shell_completion import CompletionItem

from leanplum_sync.cli.context import PREFIX


class Group(click.Group):
    """A group that prints its help, and succeeds, where no command is given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)


class LazyGroup(Group):
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
            f"Options can also be set by environment variables: {PREFIX}_ENVIRONMENT sets --environment, {PREFIX}_PLAN_OUT sets plan --out."
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))
