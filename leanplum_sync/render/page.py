"""How much room a text has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WIDTH: Final = 80  # of text that no terminal shows
HEIGHT: Final = 24


@dataclass(frozen=True, slots=True)
class Page:
    """*height* in lines is what fits one screen. *colour* is only ever for a terminal; off one, sentences aren't broken."""

    width: int = WIDTH
    height: int = HEIGHT
    colour: bool = False
    is_terminal: bool = False
