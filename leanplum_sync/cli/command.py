"""Shared by all commands: the options for project and display, and the layout of the help."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import click

from leanplum_sync.cli import completion
from leanplum_sync.cli.context import EVENTS, PREFIX, remember, remembered
from leanplum_sync.cli.output.console import Console

P = ParamSpec("P")
R = TypeVar("R")
Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_WIDEST_TERM: Final = 42  # columns; a longer one has its text on the next line


class SharedOption(click.Option):
    """
    An option that may be given before or after the command.

    Its environment variable does not name the command.
    """

    def __init__(self, declarations: Sequence[str], **options: Any) -> None:
        options |= {"expose_value": False, "callback": remember, "allow_from_autoenv": False}
        super().__init__(declarations, **options)

    @property
    def variable(self) -> str:
        return f"{PREFIX}_{self.name}".upper()

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        # Read once, before the command: otherwise the variable would override an option given before the
        # command.
        return None if ctx.parent else os.environ.get(self.variable) or None


def _shared(*names: str, **options: Any) -> Callable[[Decorated], Decorated]:
    return click.option(*names, cls=SharedOption, **options)


def _all_of(*decorators: Callable[[Decorated], Decorated]) -> Callable[[Decorated], Decorated]:
    def decorate(function: Decorated) -> Decorated:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


project_options: Final = _all_of(
    _shared(
        "--project",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="The project file. Default: leanplum-sync.yaml in this folder or a parent folder.",
    ),
    _shared(
        "-e",
        "--environment",
        metavar="NAME",
        shell_complete=completion.environments,
        help="The environment to use. Default: the project file's defaultEnvironment.",
    ),
)
display_options: Final = _all_of(
    _shared("--quiet", is_flag=True, help="Print errors only: no progress and no notes."),
    _shared("--no-progress", is_flag=True, help="Print notes and errors, but no progress."),
    _shared("--verbose", is_flag=True, help="Print more details."),
    _shared("--no-color", is_flag=True, help="Print without color; NO_COLOR=1 does the same."),
)

specs_argument: Final = click.argument(
    "specs", metavar="[SPEC]...", nargs=-1, type=click.Path(path_type=Path)
)
plan_argument: Final = click.argument(
    "plan", metavar="PLAN", type=click.Path(path_type=Path), shell_complete=completion.plans
)


def with_console(function: Callable[Concatenate[Console, P], R]) -> Callable[P, R]:
    """Take the options for display, and pass a console that follows them."""

    @wraps(function)
    def passing_console(*arguments: P.args, **options: P.kwargs) -> R:
        console = Console(
            quiet=bool(remembered("quiet")),
            no_progress=bool(remembered("no_progress")),
            verbose=bool(remembered("verbose")),
            plain=bool(remembered("no_color")),
            events=click.get_current_context().meta.get(EVENTS),
        )
        return function(console, *arguments, **options)

    return display_options(passing_console)


def in_project(function: Callable[Concatenate[Console, P], R]) -> Callable[P, R]:
    """Like ``with_console``, and take the options for the project, which ``cli/project.py`` reads."""
    return project_options(with_console(function))


class Command(click.Command):
    """
    A command whose help describes only its own options; the shared ones are described by the program's help.

    The help of an option states its unit and its default. Files that a command writes hold people's data,
    so only their owner may read them, unless the command *shares_files*.

    The environment variable of an option is named after the option: ``LEANPLUM_SYNC_UNDO_PLAN`` sets ``undo
    --plan``.
    """

    def __init__(self, *arguments: Any, shares_files: bool = False, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._shares_files = shares_files

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # click would name the variable after the Python parameter.
        for option in self.params:
            if isinstance(option, click.Option) and not isinstance(option, SharedOption):
                option.allow_from_autoenv = False
                option.envvar = variable_of(ctx, option)
        return super().parse_args(ctx, args)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        given = tuple(args)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            from leanplum_sync.cli.output.endings import fail_unread  # noqa: PLC0415 - not needed for --help

            self._keep_files()
            fail_unread(self, info_name or "", given, parent, error)
            raise

    def invoke(self, ctx: click.Context) -> Any:
        from leanplum_sync.cli.output.endings import ending  # noqa: PLC0415 - as above
        from leanplum_sync.cli.signals import ending_by_signals  # noqa: PLC0415 - as above

        self._keep_files()
        with ending(ctx) as end, ending_by_signals():
            return end(super().invoke(ctx))

    def _keep_files(self) -> None:
        if not self._shares_files:
            os.umask(0o077)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [option for option in self.get_params(ctx) if isinstance(option, click.Option)]
        own = [option for option in options if not isinstance(option, SharedOption)]
        records = [
            (record[0], option.help or "") for option in own if (record := option.get_help_record(ctx))
        ]
        with formatter.section("Options"):
            formatter.write_dl(records, col_max=_WIDEST_TERM)
        formatter.write_paragraph()
        program = ctx.command_path.partition(" ")[0]
        if shared := [long_name(option) for option in options if isinstance(option, SharedOption)]:
            formatter.write_text(f"Shared options (see {program} --help): {', '.join(shared)}.")
        if examples := [option for option in own if "--help" not in option.opts]:
            example = min(examples, key=lambda option: option.is_flag)
            formatter.write_text(
                f"Options can also be set by environment variables, such as {variable_of(ctx, example)} for {long_name(example)}."
            )


class Group(click.Group):
    """A group that prints its help, and succeeds, where no command is given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)


def long_name(option: click.Option) -> str:
    """Return such as ``--output``."""
    return max(option.opts, key=len)


def variable_of(ctx: click.Context, option: click.Option) -> str:
    if isinstance(option, SharedOption):
        return option.variable
    name = long_name(option).removeprefix("--").replace("-", "_")
    return f"{ctx.auto_envvar_prefix}_{name}".upper()
