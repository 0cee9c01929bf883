"""Commands that people can copy."""

from __future__ import annotations

import os
import shlex
from pathlib import Path


def quoted(path: Path) -> str:
    return shlex.quote(str(shortest(path)))


def shortest(location: str | Path) -> str | Path:
    """Return a path from the working folder where it is below it; an address stays as it is."""
    if isinstance(location, str):
        return location
    absolute = Path(os.path.abspath(location))  # noqa: PTH100 - resolve() would follow links that the user named
    here = Path.cwd()
    return absolute.relative_to(here) if absolute.is_relative_to(here) else absolute
