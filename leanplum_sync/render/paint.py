"""Lines and tables as text, with or without color."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from leanplum_sync.render.page import Page

HEADING: Final = "bold"
FAINT: Final = "dim"
GOOD: Final = "green"
CARE: Final = "yellow"
BAD: Final = "bold red"
NAME: Final = "cyan"
_GAP: Final = "  "
_NARROWEST: Final = 12  # cells of a last column


def paint(lines: Iterable[RenderableType], page: Page) -> str:
    """
    Return *lines* wrapped to the page's width, without trailing spaces.

    Only a page in color has escape codes.
    """
    file = StringIO()
    console = Console(
        file=file,
        width=page.width,
        force_terminal=page.color,
        color_system="standard" if page.color else None,
        no_color=not page.color,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    for line in lines:
        console.print(line)
    return "\n".join(_inert(line.rstrip()) for line in file.getvalue().splitlines()).rstrip() + "\n"


# Source: GitHub's actions/runner, ActionCommand.cs: such a line is a command, with or without leading spaces.
_COMMAND: Final = re.compile(r"^(\s*)(:(?=:)|#(?=#\[))")


def _inert(line: str) -> str:
    """Return *line* so that a pipeline's runner does not treat it as a command."""
    return _COMMAND.sub(r"\1\2 ", line)


@dataclass(frozen=True, slots=True)
class _Grid:
    rows: tuple[Sequence[Text], ...]
    right: Collection[int]
    indent: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        columns = max(map(len, self.rows))
        in_columns = [row for row in self.rows if len(row) == columns]
        *widths, _ = (max(cell.cell_len for cell in column) for column in zip(*in_columns, strict=True))
        start = self.indent + sum(widths) + len(_GAP) * len(widths)
        room = max(options.max_width - start, _NARROWEST)
        for row in self.rows:
            if len(row) < columns:
                yield row[0]
                continue
            *cells, last = row
            line = Text(" " * self.indent)
            for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
                blanks = Text(" " * (width - cell.cell_len))
                line = Text.assemble(
                    line, *((blanks, cell) if number in self.right else (cell, blanks)), _GAP
                )
            first, *more = last.wrap(console, room) or [Text()]
            for text in (line + first, *(Text(" " * start) + rest for rest in more)):
                # A row that is too long ends in an ellipsis; it is not wrapped at arbitrary places.
                text.rstrip()
                text.no_wrap, text.overflow = True, "ellipsis"
                yield text


def grid(rows: Iterable[Sequence[Text]], *, right: Collection[int] = (), indent: int = 2) -> RenderableType:
    """
    Return *rows* as columns; the columns numbered in *right* are right-aligned.

    The last column takes the remaining width and wraps if necessary; the other columns never wrap. A row of
    one cell among rows of several is a heading: it spans all columns, and is not indented.
    """
    found = tuple(rows)
    return _Grid(found, right, indent) if found else Text()


def heading(text: str) -> Text:
    return Text(text, HEADING)


def faint(text: str) -> Text:
    return Text(text, FAINT)


BLANK: Final = Text("")
