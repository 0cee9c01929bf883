"""``-o FORMAT[=FILE]``: which documents to make and where to write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from leanplum_sync.cli.completion import starting
from leanplum_sync.cli.output.console import Console
from leanplum_sync.progress import Progress, SilentProgress
from leanplum_sync.render.page import Page
from leanplum_sync.render.values import in_words, listing

MARKDOWN_BYTES: Final = 59_000  # a comment on GitHub has at most 65,536 characters
_FEWEST_BYTES: Final = 6_000  # enough for the parts of a comment that are never left out
_MARKDOWN: Final = "markdown"
# Plans, specs, data and journals: a document is never written over them by mistake.
_NOT_DOCUMENTS: Final = frozenset((".lpplan", ".yaml", ".yml", ".csv", ".parquet", ".gz", ".zst", ".db"))
_ROWS: Final = frozenset((".ndjson", ".jsonl"))
# What names promise. Other names, such as .txt, promise nothing.
_PROMISED: Final = {
    ".json": frozenset(("json", "ndjson", "sarif")),
    ".ndjson": frozenset(("json", "ndjson")),
    ".jsonl": frozenset(("json", "ndjson")),
    ".sarif": frozenset(("sarif",)),
    ".md": frozenset(("markdown",)),
    ".markdown": frozenset(("markdown",)),
    ".html": frozenset(("html",)),
    ".htm": frozenset(("html",)),
    ".xml": frozenset(("junit",)),
}
_START_BYTES: Final = 200
STREAM: Final = "ndjson"  # written while the command runs, not at its end
_LIMIT: Final = "leanplum_sync.cli.markdown_bytes"
_ASKED: Final = "leanplum_sync.cli.outputs"
_MADE: Final = "leanplum_sync.cli.made"

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Output:
    """*path* is None for stdout."""

    format: str
    path: Path | None

    @classmethod
    def parse(cls, text: str) -> Output:
        name, _, path = text.partition("=")
        return cls(name, Path(path) if path else None)

    @property
    def is_misnamed(self) -> bool:
        """Whether the file's name promises another format."""
        return self.path is not None and self.format not in _PROMISED.get(
            self.path.suffix.lower(), (self.format,)
        )


class OutputType(click.ParamType[Output]):
    name = "format"

    def __init__(self, formats: Sequence[str]) -> None:
        self._formats = formats

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Output:
        if isinstance(value, Output):
            return value
        output = Output.parse(str(value))
        if output.format not in self._formats:
            known = listing(list(self._formats))
            self.fail(f"{output.format!r} is not a format. Choose from {known}.", param, ctx)
        if output.is_misnamed:
            self.fail(
                f"{output.path} is not a name for {output.format} output. Choose another file.", param, ctx
            )
        return output

    def found_in(self, words: Sequence[str]) -> Sequence[Output]:
        """Return the outputs that *words* name, at most one on stdout, where other words may be invalid."""
        values = [
            match[1] for word in words if (match := re.fullmatch(r"(?:-o=?|--output=)(.+)", word, re.DOTALL))
        ] + [value for name, value in pairwise(words) if name in ("-o", "--output")]
        parsed = map(Output.parse, values)
        found = [output for output in parsed if output.format in self._formats and not output.is_misnamed]
        on_stdout = [each for each in found if each.path is None]
        return on_stdout[:1] + [each for each in found if each.path is not None]

    def shell_complete(self, _: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return starting(self._formats, incomplete)


def _remember(ctx: click.Context, param: click.Parameter, outputs: Sequence[Output]) -> None:
    if sum(output.path is None for output in outputs) > 1:
        raise click.BadParameter(
            "only one output can go to stdout. Write the others to files, as in -o json=plan.json.",
            ctx,
            param,
        )
    ctx.meta[_ASKED] = tuple(outputs) or (Output("text", None),)


def asked_for(ctx: click.Context | None = None) -> Sequence[Output]:
    """Return the documents that the command should make; none for a command that makes none."""
    found: Sequence[Output] = (ctx or click.get_current_context()).meta.get(_ASKED, ())
    return found


def set_apart(
    outputs: Sequence[Output], given: Sequence[str | Path]
) -> tuple[Sequence[Output], Sequence[Output]]:
    """Return the allowed outputs, and the outputs that would overwrite a *given* file, or a plan, spec or data."""
    files = {Path(each).resolve() for each in given if each and "\0" not in str(each)}

    def is_wrong(output: Output) -> bool:
        path = output.path and output.path.resolve()
        return path is not None and (
            path in files or path.suffix.lower() in _NOT_DOCUMENTS or _holds_rows(path)
        )

    return [each for each in outputs if not is_wrong(each)], [each for each in outputs if is_wrong(each)]


def _holds_rows(path: Path) -> bool:
    """Whether *path* is NDJSON that is not an event stream of ours, such as data or a snapshot."""
    if path.suffix.lower() not in _ROWS or not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(_START_BYTES)
    return bool(start) and b"leanplum-sync/" not in start


def are_made(ctx: click.Context) -> bool:
    """Whether the documents were written already, so that no other may follow on stdout."""
    return bool(ctx.meta.get(_MADE))


def _remember_limit(ctx: click.Context, _: click.Parameter, value: int) -> None:
    ctx.meta[_LIMIT] = value


def output_options(*formats: str) -> Callable[[Decorated], Decorated]:
    """Return ``-o`` for *formats*, and ``--markdown-bytes`` if Markdown is one of them."""
    output = click.option(
        "-o",
        "--output",
        type=OutputType(formats),
        multiple=True,
        expose_value=False,
        callback=_remember,
        metavar="FORMAT[=FILE]",
        help=f"Output format: {in_words(formats, 'or')}, to stdout or to FILE; may be repeated. Default: text.",
    )
    limit = click.option(
        "--markdown-bytes",
        type=click.IntRange(_FEWEST_BYTES),
        default=MARKDOWN_BYTES,
        metavar="N",
        expose_value=False,
        callback=_remember_limit,
        help=f"Maximum size of Markdown output, at least {_FEWEST_BYTES:,}. Default: {MARKDOWN_BYTES:,}, which fits in a GitHub comment.",
    )

    def decorate(function: Decorated) -> Decorated:
        return output(limit(function)) if _MARKDOWN in formats else output(function)

    return decorate


output_option: Final = output_options("text", "json")


def deliver(
    console: Console,
    outputs: Sequence[Output] | None = None,
    progress: Progress | None = None,
    /,
    *,
    text: Callable[[Page], str],
    json: Callable[[], str],
    markdown: Callable[[int], str] | None = None,
    **others: Callable[[], str],
) -> None:
    """
    Make the *outputs*, by default the ones requested on the command line, and write each to its place.

    *markdown* takes the maximum size in bytes.
    """

    def content_of(output: Output) -> str:
        if output.format == "text":
            return text(console.page() if output.path is None else Page())
        if output.format == _MARKDOWN and markdown is not None:
            return markdown(meta.get(_LIMIT, MARKDOWN_BYTES))
        return {"json": json, STREAM: json, **others}[output.format]()

    outputs = asked_for() if outputs is None else outputs
    ctx = click.get_current_context(silent=True)
    meta = ctx.meta if ctx else {}
    contents = []
    # The progress bar is removed before a document is written to the same terminal.
    with (progress or SilentProgress()).track("Rendering", len(outputs), "document") as task:
        for output in outputs:
            contents.append(content_of(output))
            task.advance()
    meta[_MADE] = True
    for output, content in zip(outputs, contents, strict=True):
        if output.format == STREAM:
            if console.events is not None:
                console.events.note(content)
        elif output.path is None:
            console.document(content)
        else:
            _put(content, output.path)


def _put(content: str, path: Path) -> None:
    """Write all of *content*, or leave no file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("w", encoding="utf-8")
    try:
        with file:
            file.write(content)
    except OSError as error:
        # A link, such as /dev/stdout, may lead anywhere and is not ours to remove.
        if path.is_file() and not path.is_symlink():
            path.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error
