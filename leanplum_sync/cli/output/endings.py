"""
The documents of a command, however it ends.

Documents of an earlier run are removed before the command starts, but never its inputs, and no file whose name is not a
document's. A command that fails before it has made its documents writes an error document instead of each, so that a
pipeline never reads an old one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from leanplum_sync.cli.context import EVENTS, remembered
from leanplum_sync.cli.exit_codes import ExitCode, exit_code
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.outputs import (
    STREAM,
    Output,
    OutputType,
    are_made,
    asked_for,
    deliver,
    set_apart,
)
from leanplum_sync.cli.output.sentences import sentence_of
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import HazardNotAllowedError, SpecError

# For these formats, the error on stderr is enough.
_FOR_PEOPLE = frozenset(("text",))


@contextmanager
def ending(ctx: click.Context) -> Iterator[Callable[[Any], Any]]:
    """Run a command in this context, and pass its exit code to the function that this yields."""
    command = _name_of(ctx)
    outputs, wrong = set_apart(asked_for(ctx), _files_of(ctx))
    for output in outputs:
        if output.path is not None and output.path.is_file() and not output.path.is_symlink():
            output.path.unlink()
    with _events(command, outputs, _console()) as events:
        ctx.meta[EVENTS] = events

        def end(code: Any) -> Any:
            if events is not None:
                events.end(code or ExitCode.OK)
            return code

        try:
            _refuse(wrong, ctx)
            yield end
        except click.exceptions.Exit:
            raise
        except BaseException as error:
            # A document may be unwritable for the same reason that the command failed.
            with suppress(OSError):
                _fail(error, command, () if are_made(ctx) else outputs, _console(ctx))
            raise


def fail_unread(
    command: click.Command,
    name: str,
    given: Sequence[str],
    parent: click.Context | None,
    error: click.UsageError,
) -> None:
    """Do as ``ending`` does where the options themselves are invalid. The outputs are taken from the words *given*."""
    full_name = " ".join(filter(None, [_name_of(parent) if parent and parent.parent else "", name]))
    option = next((each for each in command.params if each.name == "output"), None)
    if option is None or not isinstance(option.type, OutputType):
        return
    prefix = parent.auto_envvar_prefix if parent else ""
    variable = os.environ.get(f"{prefix}_{name}_OUTPUT".replace("-", "_").upper(), "")
    found = option.type.found_in(given) or option.type.found_in([f"-o{word}" for word in variable.split()])
    others = [
        word
        for before, word in pairwise(("", *given))
        if before not in ("-o", "--output") and not word.startswith(("-o", "--output="))
    ]
    files = [*_files_of(parent), *others, *(word.partition("=")[2] for word in others)]
    outputs, _ = set_apart(found, files)
    with suppress(OSError), _events(full_name, outputs, _console()) as events:
        _fail(error, full_name, outputs, Console(events=events))


def _fail(error: BaseException, command: str, outputs: Sequence[Output], console: Console) -> None:
    code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else exit_code(error)
    documents = [output for output in outputs if output.format not in _FOR_PEOPLE]
    if documents and isinstance(error, SpecError):
        from leanplum_sync.cli.output.documents import (  # noqa: PLC0415 - needed here only
            checked_of,
            show_problems,
        )

        show_problems(checked_of(error), console, Path.cwd(), documents, document=command)
    elif documents:
        from leanplum_sync.render import failure  # noqa: PLC0415 - as above

        over = error.over if isinstance(error, HazardNotAllowedError) else {}
        document = failure.Failure(
            command, code, sentence_of(error).removeprefix("Error: "), over, remembered("environment") or ""
        )
        deliver(
            console,
            documents,
            text=lambda _: "",
            json=lambda: failure.failure_json(document),
            markdown=lambda limit: failure.failure_markdown(document, limit),
            html=lambda: failure.failure_html(document),
            junit=lambda: failure.failure_junit(document),
            sarif=lambda: failure.failure_sarif(document),
            github=lambda: failure.failure_annotation(document),
        )
    if console.events is not None:
        console.events.end(code)


def _events(command: str, outputs: Sequence[Output], console: Console) -> Any:
    wanted = [output for output in outputs if output.format == STREAM]
    if not wanted:
        return nullcontext()
    from leanplum_sync.cli.output.event_stream import streaming  # noqa: PLC0415 - needed here only

    files = [output.path for output in wanted if output.path is not None]
    return streaming(command, console.stdout if len(files) < len(wanted) else None, files, SystemClock())


def _console(ctx: click.Context | None = None) -> Console:
    return Console(quiet=True, events=ctx.meta.get(EVENTS) if ctx else None)


def _refuse(outputs: Sequence[Output], ctx: click.Context) -> None:
    for output in outputs:
        raise click.UsageError(
            f"{output.path} can't be used for output: it is an input of the command, or it has the name of a plan, spec, or data file. Choose another file.",
            ctx,
        )


def _files_of(ctx: click.Context | None) -> Sequence[str | Path]:
    """Return the project file, and the arguments and options of *ctx* that may name files."""
    given = [remembered("project"), *(ctx.params.values() if ctx else ())]
    flat = [each for value in given for each in (value if isinstance(value, tuple) else (value,))]
    return [each for each in flat if isinstance(each, str | Path)]


def _name_of(ctx: click.Context | None) -> str:
    """Return such as ``journal show``."""
    return ctx.command_path.partition(" ")[2] if ctx else ""
