"""The log of a run: one line of NDJSON per event, beside the journal."""

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
    Appends to ``run-N.events.ndjson`` in *folder*. A resumed run appends to the same file.

    The journal is what counts: if the log can't be written, that is reported once and the run continues.
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
                self._console.complain(
                    f"The run's log can't be written: {error.strerror}. The run continues without it."
                )

    def _opened(self, event: Event) -> IO[bytes]:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"run-{event['run']}.events.ndjson"
            number = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
            # Unbuffered, so that a killed run has logged everything it did.
            self._file = os.fdopen(number, "ab", buffering=0)
        return self._file
