"""
What stands where a document was asked for, however a command ends.

A document of an earlier run is gone before the command begins; what the command reads, or is no document by its name,
stays. A command that ends with an error before it made its documents leaves one in each place that says so: a pipeline
that reads them is never told of something else.
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
from leanplum_sync.cli.exit_codes import exit_code
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

# They say on stderr what went wrong, and nothing of theirs is read by a machine.
_FOR_PEOPLE = frozenset(("text",))


@contextmanager
def ending(ctx: click.Context) -> Iterator[Callable[[Any], Any]]:
    """Run a verb in here, and hand its exit code to what this gives."""
    verb = _verb_of(ctx)
    outputs, wrong = set_apart(asked_for(ctx), _files_of(ctx))
    for output in outputs:
        if output.path is not None and output.path.is_file() and not output.path.is_symlink():
            output.path.unlink()
    with _events(verb, outputs, _console()) as events:
        ctx.meta[EVENTS] = events

        def end(code: Any) -> Any:
            if events is not None:
                events.end(code)
            return code

        try:
            _refuse(wrong, ctx)
            yield end
        except click.exceptions.Exit:
            raise
        except BaseException as error:
            # What can't be written now may be the very error that is told.
            with suppress(OSError):
                _fail(error, verb, () if are_made(ctx) else outputs, _console(ctx))
            raise


def fail_unread(
    command: click.Command,
    name: str,
    given: Sequence[str],
    parent: click.Context | None,
    error: click.UsageError,
) -> None:
    """Do as `ending` does where the options themselves are wrong: of the words *given*, those count that ask for documents."""
    verb = " ".join(filter(None, [_verb_of(parent) if parent and parent.parent else "", name]))
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
    with suppress(OSError), _events(verb, outputs, _console()) as events:
        _fail(error, verb, outputs, Console.for_this_process(events=events))


def _fail(error: BaseException, verb: str, outputs: Sequence[Output], console: Console) -> None:
    code = _code_of(error)
    documents = [output for output in outputs if output.format not in _FOR_PEOPLE]
    if documents and isinstance(error, SpecError):
        from leanplum_sync.cli.output.problem_documents import (  # noqa: PLC0415 - needed here only
            checked_of,
            show_problems,
        )

        show_problems(checked_of(error), console, documents, Path.cwd(), document=verb)
    elif documents:
        from leanplum_sync.render import failure  # noqa: PLC0415 - as above

        over = error.over if isinstance(error, HazardNotAllowedError) else {}
        told = failure.Failure(
            verb, code, sentence_of(error).removeprefix("Error: "), over, remembered("environment") or ""
        )
        deliver(
            console,
            documents,
            text=lambda _: "",
            json=lambda: failure.failure_json(told),
            markdown=lambda limit: failure.failure_markdown(told, limit),
            html=lambda: failure.failure_html(told),
            junit=lambda: failure.failure_junit(told),
            sarif=lambda: failure.failure_sarif(told),
            github=lambda: failure.failure_annotation(told),
        )
    if console.events is not None:
        console.events.end(code)


def _code_of(error: BaseException) -> int:
    match error:
        case SystemExit(code=int(number)):
            return number
        case _:
            return exit_code(error)


def _events(verb: str, outputs: Sequence[Output], console: Console) -> Any:
    wanted = [output for output in outputs if output.format == STREAM]
    if not wanted:
        return nullcontext()
    from leanplum_sync.cli.output.event_stream import streaming  # noqa: PLC0415 - needed here only

    files = [output.path for output in wanted if output.path is not None]
    return streaming(verb, console.stdout if len(files) < len(wanted) else None, files, SystemClock())


def _console(ctx: click.Context | None = None) -> Console:
    return Console.for_this_process(quiet=True, events=ctx.meta.get(EVENTS) if ctx else None)


def _refuse(outputs: Sequence[Output], ctx: click.Context) -> None:
    for output in outputs:
        raise click.UsageError(
            f"{output.path} is no place for a document: it is what a command reads, or a plan. Name another file.",
            ctx,
        )


def _files_of(ctx: click.Context | None) -> Sequence[str | Path]:
    """Return what may name a file among the arguments and options of *ctx*, and the project file."""
    given = [remembered("project"), *(ctx.params.values() if ctx else ())]
    flat = [each for value in given for each in (value if isinstance(value, tuple) else (value,))]
    return [each for each in flat if isinstance(each, str | Path)]


def _verb_of(ctx: click.Context | None) -> str:
    """Return such as ``journal show``."""
    return ctx.command_path.partition(" ")[2] if ctx else ""
