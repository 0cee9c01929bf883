"""Commands that people can copy."""

from __future__ import annotations

import os
import shlex
from pathlib import Path


def quoted(path: Path) -> str:
    """Return *path* as a shell takes it, from the working folder where it is below it."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links that the user named
    here = Path.cwd()
    return shlex.quote(str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute))
