"""A group whose commands are loaded when they are run: ``--help`` costs what click costs."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Mapping
from typing import Any

import click
from click.exceptions import NoSuchCommand
from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """*verbs* maps each verb, in the order of the help, to its one line there. Its module is in `commands`."""

    def __init__(self, *arguments: Any, verbs: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in self.verbs:
            return None
        # Importing makes much and drops little: to look for what was dropped takes a tenth of its time.
        gc.disable()
        try:
            command = importlib.import_module(
                f"leanplum_sync.cli.commands.{cmd_name.replace('-', '_')}"
            ).command
        finally:
            gc.freeze()
            gc.enable()
        assert isinstance(command, click.Command)  # noqa: S101 - tells mypy what every verb's module holds
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer verbs without loading any of them, and the options that may stand before a verb."""
        verbs = [
            CompletionItem(verb, help=text)
            for verb, text in self.verbs.items()
            if verb.startswith(incomplete)
        ]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and args[0] not in self.verbs:
            raise NoSuchCommand(args[0], possibilities=self.verbs, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(self.verbs.items()))
