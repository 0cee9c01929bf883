"""Lines and tables as one text, with colour or without."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Final

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from leanplum_sync.render.page import Page

HEADING: Final = "bold"
FAINT: Final = "dim"
GOOD: Final = "green"
CARE: Final = "yellow"
BAD: Final = "bold red"
NAME: Final = "cyan"


def paint(lines: Iterable[RenderableType], page: Page) -> str:
    """Return *lines* set to the page's width, without trailing blanks. Only a page in colour has escape codes."""
    file = StringIO()
    console = Console(
        file=file,
        width=page.width,
        force_terminal=page.colour,
        color_system="standard" if page.colour else None,
        no_color=not page.colour,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    for line in lines:
        console.print(line)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def grid(rows: Iterable[Sequence[Text]], *, right: tuple[int, ...] = (), indent: int = 2) -> RenderableType:
    """Return *rows* as columns, those numbered in *right* set flush right. The last column takes what room is left."""
    table = Table.grid(padding=(0, 2, 0, 0))
    rows = [tuple(row) for row in rows]
    for index in range(max((len(row) for row in rows), default=0)):
        table.add_column(justify="right" if index in right else "left", no_wrap=index in right)
    for row in rows:
        table.add_row(*row)
    return Padding(table, (0, 0, 0, indent), expand=False)


def heading(text: str) -> Text:
    return Text(text, HEADING)


def faint(text: str) -> Text:
    return Text(text, FAINT)


BLANK: Final = Text("")
