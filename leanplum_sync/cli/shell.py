"""Paths as they appear in commands that people copy."""

from __future__ import annotations

import os
import shlex
from pathlib import Path


def quoted(path: Path) -> str:
    return shlex.quote(str(shortest(path)))


def shortest(location: str | Path) -> str | Path:
    """Return a path relative to the working folder if it is below it. An address is returned unchanged."""
    if isinstance(location, str):
        return location
    absolute = Path(os.path.abspath(location))  # noqa: PTH100 - resolve() would follow links that the user named
    here = Path.cwd()
    return absolute.relative_to(here) if absolute.is_relative_to(here) else absolute
