"""How much room a text has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WIDTH: Final = 80  # of text that no terminal shows
HEIGHT: Final = 24


@dataclass(frozen=True, slots=True)
class Page:
    """*height* in lines is what fits one screen; *colour* only ever on a terminal."""

    width: int = WIDTH
    height: int = HEIGHT
    colour: bool = False
