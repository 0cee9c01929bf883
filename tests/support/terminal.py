"""A pseudo-terminal for one command: tests read its screen and type answers."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import doubts

_PATIENCE_SECONDS = 600


class Terminal:
    """Runs the command in *folder*, with stdout on the terminal too. Leaving the block ends it."""

    def __init__(self, folder: Path, environ: dict[str, str], *arguments: str) -> None:
        self.shown = ""
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "leanplum_sync", *arguments],
            cwd=folder,
            env=doubts.handed_on(
                {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "dumb", **environ}
            ),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def wait_for(self, text: str) -> None:
        """Read until *text* has been shown since the last answer."""
        while text not in self.shown:
            assert self._read(), f"it ended without {text!r}:\n{self.shown}"

    def answer(self, text: str) -> None:
        self.shown = ""
        os.write(self._ours, f"{text}\n".encode())

    def end(self) -> int:
        """Read to the end and return the exit code."""
        while self._read():
            pass
        return self._process.wait(timeout=_PATIENCE_SECONDS)

    def _read(self) -> bool:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not select.select([self._ours], [], [], 1)[0]:
            assert time.monotonic() < deadline, f"nothing more was shown:\n{self.shown}"
        try:
            part = os.read(self._ours, 4096)
        except OSError:
            return False  # how Linux says that a terminal has closed
        self.shown += part.decode().replace("\r\n", "\n")
        return bool(part)
