"""``-o FORMAT[=FILE]``: which documents are asked for, and where they go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from leanplum_sync.cli.console import Console
from leanplum_sync.render.page import Page

FORMATS: Final = ("text", "json")


@dataclass(frozen=True, slots=True)
class Output:
    """*path* is None for stdout."""

    format: str
    path: Path | None


class OutputType(click.ParamType[Output]):
    name = "format"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Output:
        if isinstance(value, Output):
            return value
        name, _, path = str(value).partition("=")
        if name not in FORMATS:
            self.fail(f"{name!r} is not a format; there are {' and '.join(FORMATS)}.", param, ctx)
        return Output(name, Path(path) if path else None)


def _one_on_stdout(ctx: click.Context, param: click.Parameter, outputs: Sequence[Output]) -> Sequence[Output]:
    if sum(output.path is None for output in outputs) > 1:
        raise click.BadParameter(
            "only one document fits on stdout: give the others a file, as in -o json=plan.json.", ctx, param
        )
    return outputs or (Output("text", None),)


output_option = click.option(
    "-o",
    "--output",
    type=OutputType(),
    multiple=True,
    callback=_one_on_stdout,
    metavar="FORMAT[=FILE]",
    help="text or json, on stdout or in FILE; may be repeated. Default: text.",
)


def deliver(
    console: Console, outputs: Sequence[Output], *, text: Callable[[Page], str], json: Callable[[], str]
) -> None:
    """Make each document that is asked for and put it where it belongs."""
    for output in outputs:
        page = console.page() if output.path is None else Page()
        content = text(page) if output.format == "text" else json()
        if output.path is None:
            console.document(content)
        else:
            output.path.parent.mkdir(parents=True, exist_ok=True)
            output.path.write_text(content, encoding="utf-8")
