"""Writing to a stream whose reader may be gone."""

from __future__ import annotations

import os
from typing import IO


def write(stream: IO[str], text: str) -> None:
    """
    Write *text* and flush. If the reader is gone (``| head``), the rest of the output is discarded.

    Raises:
        OSError: it can't be written for another reason.
    """
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        # The interpreter flushes once more when it exits: give it somewhere to write.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if not isinstance(error, BrokenPipeError):
            raise
