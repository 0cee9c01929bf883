"""The size of the terminal or page that a text is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WIDTH: Final = 80  # where the output is not a terminal
HEIGHT: Final = 24


@dataclass(frozen=True, slots=True)
class Page:
    """*width* in cells and *height* in lines of one screen. *color* is set for terminals only."""

    width: int = WIDTH
    height: int = HEIGHT
    color: bool = False
    is_terminal: bool = False
