"""What every verb shares: its options for project and display, and the layout of its help."""

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
    """An option that stands before or after the verb. Its environment variable names no verb."""

    def __init__(self, declarations: Sequence[str], **options: Any) -> None:
        options |= {"expose_value": False, "callback": remember, "allow_from_autoenv": False}
        super().__init__(declarations, **options)

    @property
    def variable(self) -> str:
        return f"{PREFIX}_{self.name}".upper()

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        # Read once, before the verb: else the variable would win over an option given there.
        return None if ctx.parent else os.environ.get(self.variable) or None


_PROJECT_OPTIONS: Final = (
    click.option(
        "--project",
        cls=SharedOption,
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="The project file. Default: leanplum-sync.yaml here or in a folder above.",
    ),
    click.option(
        "-e",
        "--environment",
        cls=SharedOption,
        metavar="NAME",
        shell_complete=completion.environments,
        help="An environment of the project file. Default: the one it names.",
    ),
)
_DISPLAY_OPTIONS: Final = (
    click.option("--quiet", cls=SharedOption, is_flag=True, help="No progress and no remarks, only errors."),
    click.option("--verbose", cls=SharedOption, is_flag=True, help="Say more about what is being done."),
    click.option("--no-color", cls=SharedOption, is_flag=True, help="Plain text; NO_COLOR=1 does the same."),
)


def _all_of(decorators: tuple[Callable[[Decorated], Decorated], ...]) -> Callable[[Decorated], Decorated]:
    def decorate(function: Decorated) -> Decorated:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


project_options: Final = _all_of(_PROJECT_OPTIONS)
display_options: Final = _all_of(_DISPLAY_OPTIONS)


specs_argument: Final = click.argument(
    "specs", metavar="[SPEC]...", nargs=-1, type=click.Path(path_type=Path)
)
plan_argument: Final = click.argument(
    "plan", metavar="PLAN", type=click.Path(path_type=Path), shell_complete=completion.plans
)


def pass_console(function: Callable[Concatenate[Console, P], R]) -> Callable[P, R]:
    @wraps(function)
    def with_console(*arguments: P.args, **options: P.kwargs) -> R:
        console = Console.for_this_process(
            quiet=bool(remembered("quiet")),
            verbose=bool(remembered("verbose")),
            plain=bool(remembered("no_color")),
            events=click.get_current_context().meta.get(EVENTS),
        )
        return function(console, *arguments, **options)

    return with_console


class Command(click.Command):
    """
    A command whose help keeps its own options, the shared ones and the environment variables apart.

    The help of an option says its unit and its default in words of its own.
    Files that a verb writes hold people's data and are their owner's only, but
    for those of a verb that *shares_files*.
    """

    def __init__(self, *arguments: Any, shares_files: bool = False, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._shares_files = shares_files

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        given = tuple(args)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            from leanplum_sync.cli.output.endings import fail_unread  # noqa: PLC0415 - --help can do without

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
        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        variables: list[tuple[str, str]] = []
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx)
            if not isinstance(option, click.Option) or record is None:
                continue
            is_help = "--help" in option.opts
            (shared if is_help or isinstance(option, SharedOption) else own).append(
                (record[0], option.help or "")
            )
            if not is_help:
                variables.append((_variable(ctx, option), max(option.opts, key=len)))
        for title, records in (("Options", own), ("Shared options", shared), ("Environment", variables)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records, col_max=_WIDEST_TERM)


def _variable(ctx: click.Context, option: click.Option) -> str:
    if isinstance(option, SharedOption):
        return option.variable
    return f"{ctx.auto_envvar_prefix}_{option.name}".upper()
