"""The log of a run: one line of NDJSON for each event, in a file that any tool can read."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, Self

import orjson

from leanplum_sync.clock import Clock
from leanplum_sync.journal.events import Event

FIRST_LINE_BYTES: Final = 4096
_LAST_LINES_BYTES: Final = 256 * 1024


def first_event(path: Path) -> Any:
    """Return the first event of the log at *path*, None if there is no readable one."""
    try:
        with path.open("rb") as file:
            return orjson.loads(file.readline(FIRST_LINE_BYTES))
    except (OSError, ValueError):
        return None


def last_mark(path: Path) -> int:
    """Return the journal's mark when the run of the log at *path* was last started or ended; 0 if its last lines don't say."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_LINES_BYTES))
            lines = file.read(_LAST_LINES_BYTES).splitlines()
    except OSError:
        return 0
    for line in reversed(lines):
        if b'"mark"' in line:
            with suppress(ValueError):
                match orjson.loads(line):
                    case {"event": "run", "mark": int(mark)}:
                        return mark
                    case _:
                        pass
    return 0


def set_aside(path: Path, journal: str) -> None:
    """Rename a log that a run of another journal than *journal* wrote: after a new journal, numbers start again."""
    match first_event(path):
        case {"journal": str(other)} if other != journal:
            path.rename(path.with_name(f"{path.name.split('.')[0]}.of-{other[:8]}.events.ndjson"))
        case _:
            pass


class EventLog:
    """
    Appends to ``run-N.events.ndjson`` in *folder*; a resumed run continues its file.

    The journal is what counts. If the log can't be written, *warn* is called once, and the run continues without it.
    """

    def __init__(self, folder: Path, clock: Clock, warn: Callable[[str], None]) -> None:
        self._folder, self._clock, self._warn = folder, clock, warn
        self._file: IO[bytes] | None = None
        self._is_lost = False
        self._writing = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
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
                self._warn(f"The run's log can't be written: {error.strerror}. The run continues without it.")

    def _opened(self, event: Event) -> IO[bytes]:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"run-{event['run']}.events.ndjson"
            set_aside(path, str(event.get("journal", "")))
            number = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
            # Unbuffered, so that the log of a killed run is complete.
            self._file = os.fdopen(number, "ab", buffering=0)
        return self._file
