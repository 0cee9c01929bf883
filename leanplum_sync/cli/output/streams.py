"""Writing to a stream that may go away."""

from __future__ import annotations

import os
from typing import IO


def write(stream: IO[str], text: str) -> None:
    """
    Write *text* at once. A reader that has gone away (``| head``) changes nothing.

    Raises:
        OSError: it can't be written, for another reason.
    """
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        # The interpreter flushes once more at its end: give it somewhere to write.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if not isinstance(error, BrokenPipeError):
            raise
