"""Replaces files as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO


@contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """
    Yield a text file that takes the place of *path* when the block ends, atomically. If the block fails, nothing is replaced.

    Line breaks are not converted. Links are followed, and the permissions of an existing file are kept.
    """
    target = path.resolve()
    mode = target.stat().st_mode if target.exists() else None
    with NamedTemporaryFile(
        "w", encoding="utf-8", errors="surrogateescape", newline="", dir=target.parent, delete=False
    ) as part:
        try:
            yield part
            part.flush()
            os.fsync(part.fileno())
            if mode is not None:
                os.chmod(part.name, mode)  # noqa: PTH101 - by the name that the file object has
            os.replace(part.name, target)  # noqa: PTH105 - as above
        except BaseException:
            os.unlink(part.name)  # noqa: PTH108 - as above
            raise
