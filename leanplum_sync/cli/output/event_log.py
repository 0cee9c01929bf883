"""The log of a run: one line of NDJSON for each thing that happened, beside the journal and readable by any tool."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import orjson

from leanplum_sync.cli.output.console import Console
from leanplum_sync.clock import Clock
from leanplum_sync.journal.events import Event


class EventLog:
    """
    Appends to ``run-N.events.ndjson`` in *folder*; a resumed run goes on in its file.

    The journal is what counts: a log that can't be written is told once, and the run goes on without it.
    """

    def __init__(self, folder: Path, clock: Clock, console: Console) -> None:
        self._folder, self._clock, self._console = folder, clock, console
        self._file: IO[bytes] | None = None
        self._is_lost = False
        self._writing = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def __call__(self, event: Event) -> None:
        with self._writing:
            line = orjson.dumps({"at": self._clock.now(), **event}, option=orjson.OPT_APPEND_NEWLINE)
            if self._is_lost:
                return
            try:
                self._opened(event).write(line)
            except OSError as error:
                self._is_lost = True
                self._console.complain(f"The run's log can't be written: {error.strerror}. The run goes on.")

    def _opened(self, event: Event) -> IO[bytes]:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"run-{event['run']}.events.ndjson"
            number = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
            # Unbuffered: a killed run has told what it did.
            self._file = os.fdopen(number, "ab", buffering=0)
        return self._file
