"""``-o ndjson``: events as they happen, one JSON object per line. The last one holds the document and the exit code."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from leanplum_sync.cli.output.streams import write
from leanplum_sync.clock import Clock
from leanplum_sync.journal.events import Event
from leanplum_sync.progress import Progress, Task

FORMAT: Final = "leanplum-sync/events"
PROGRESS_EVERY_SECONDS: Final = 1.0


class EventStream:
    """
    Writes events to *streams*, a whole line at a time, from any thread.

    A run continues if an event can't be written, because the journal is what counts; ``end`` raises the error.
    """

    def __init__(self, command: str, streams: Sequence[IO[str]], clock: Clock) -> None:
        self._streams, self._clock = streams, clock
        self._writing = threading.Lock()
        self._lost: OSError | None = None
        self._document: Any = None
        self({"event": "start", "format": FORMAT, "version": 1, "command": command})

    def __call__(self, event: Event) -> None:
        with self._writing:
            # ASCII, because values may hold control characters.
            line = json.dumps({"at": self._clock.now(), **event}, separators=(",", ":"))
            for stream in self._streams:
                try:
                    write(stream, line.replace("\x7f", "\\u007f") + "\n")
                except OSError as error:
                    self._lost, self._streams = _naming(stream, error), ()
                    break

    def note(self, document: str) -> None:
        """Keep *document*, the JSON for the last line."""
        self._document = json.loads(document)

    def end(self, code: int) -> None:
        """
        Raises:
            OSError: an event could not be written.
        """
        self({"event": "end", "exit": code, "document": self._document})
        if self._lost is not None:
            raise self._lost

    def progress(self, shown: Progress) -> Progress:
        return _ToldProgress(self, shown, self._clock)


def _naming(stream: IO[str], error: OSError) -> OSError:
    """Return *error* with the file it is about; stdout has no name to speak of."""
    is_file = stream is not sys.stdout
    return OSError(error.errno, error.strerror, stream.name) if is_file else error


@contextmanager
def streaming(
    command: str, stdout: IO[str] | None, files: Sequence[Path], clock: Clock
) -> Iterator[EventStream]:
    with ExitStack() as stack:
        streams = [] if stdout is None else [stdout]
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            streams.append(stack.enter_context(file.open("w", encoding="utf-8")))
        yield EventStream(command, streams, clock)


@dataclass(frozen=True, slots=True)
class _ToldProgress:
    events: EventStream
    shown: Progress
    clock: Clock

    @contextmanager
    def track(self, what: str, total: int | None, unit: str) -> Iterator[Task]:
        with self.shown.track(what, total, unit) as task:
            told = _ToldTask(self.events, task, self.clock, {"what": what, "total": total, "unit": unit})
            told.tell()
            yield told
            told.tell()


class _ToldTask:
    def __init__(self, events: EventStream, shown: Task, clock: Clock, about: Event) -> None:
        self._events, self._shown, self._clock, self._about = events, shown, clock, about
        self._done, self._told_at = 0, clock.monotonic()
        self._lock = threading.Lock()

    def advance(self, steps: int = 1) -> None:
        self._shown.advance(steps)
        self._count(steps)

    def skip(self, steps: int = 1) -> None:
        self._shown.skip(steps)
        self._count(steps)

    def _count(self, steps: int) -> None:
        with self._lock:
            self._done += steps
            if self._clock.monotonic() - self._told_at >= PROGRESS_EVERY_SECONDS:
                self.tell()

    def tell(self) -> None:
        self._told_at = self._clock.monotonic()
        self._events({"event": "progress", **self._about, "done": self._done})
