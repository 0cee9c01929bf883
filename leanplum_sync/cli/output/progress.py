"""Progress for people: a live bar on a terminal, a line now and then elsewhere. Both only for what takes a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from threading import Lock, Timer
from typing import IO, Final

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
)
from rich.progress import Progress as RichProgress
from rich.progress import Task as RichTask
from rich.text import Text

from leanplum_sync.clock import Clock, SystemClock
from leanplum_sync.progress import Task
from leanplum_sync.render.words import amount, duration, plural

PATIENCE_SECONDS: Final = 1.0  # shorter work shows nothing
LINE_EVERY_SECONDS: Final = 10.0


@dataclass(slots=True)
class _LineTask:
    what: str
    total: int | None
    unit: str
    clock: Clock
    say: Callable[[str], None]
    said: float
    done: int = 0
    done_when_said: int = 0
    lock: Lock = field(default_factory=Lock)

    def advance(self, steps: int = 1) -> None:
        with self.lock:
            self.done += steps
            now = self.clock.monotonic()
            if now - self.said >= LINE_EVERY_SECONDS:
                # The rate is that of late: who goes on after an interruption is past the first part in no time.
                rate = (self.done - self.done_when_said) / (now - self.said)
                self.said, self.done_when_said = now, self.done
                self.say(progress_line(self.what, self.unit, self.done, self.total, rate))


class LineProgress:
    """Every ten seconds one line; a last line for what took more than a second."""

    def __init__(self, say: Callable[[str], None], clock: Clock | None = None) -> None:
        self._say = say
        self._clock = clock or SystemClock()

    def track(self, what: str, total: int | None, unit: str) -> AbstractContextManager[Task]:
        return self._tracked(what, total, unit)

    @contextmanager
    def _tracked(self, what: str, total: int | None, unit: str) -> Iterator[Task]:
        started = self._clock.monotonic()
        task = _LineTask(what, total, unit, self._clock, self._say, started)
        yield task
        seconds = self._clock.monotonic() - started
        if seconds >= PATIENCE_SECONDS:
            self._say(f"{what}: {amount(task.done, unit)} in {duration(seconds)}.")


class BarProgress:
    """Bars that appear after a second and go when their work is done."""

    def __init__(self, stream: IO[str], *, colour: bool, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        console = RichConsole(file=stream, no_color=not colour, highlight=False, force_terminal=True)
        self._rich = RichProgress(*_columns(), console=console, transient=True)
        self._lock = Lock()
        self._shown = 0

    def track(self, what: str, total: int | None, unit: str) -> AbstractContextManager[Task]:
        return self._tracked(what, total, unit)

    @contextmanager
    def _tracked(self, what: str, total: int | None, unit: str) -> Iterator[Task]:
        identifier = self._rich.add_task(what, total=total, unit=unit, visible=False)
        task = _BarTask(self, identifier, self._clock.monotonic())
        # Some work takes long without a step to tell of: a query, say.
        timer = Timer(PATIENCE_SECONDS, self._show, [task])
        timer.daemon = True
        timer.start()
        try:
            yield task
        finally:
            timer.cancel()
            with self._lock:
                task.is_over = True
            self._rich.remove_task(identifier)
            if task.is_shown:
                self._hide()

    def advance(self, task: _BarTask, steps: int) -> None:
        if not task.is_shown and self._clock.monotonic() - task.started >= PATIENCE_SECONDS:
            self._show(task)
        self._rich.advance(task.identifier, steps)

    def _show(self, task: _BarTask) -> None:
        with self._lock:
            if task.is_shown or task.is_over:
                return
            task.is_shown = True
            self._shown += 1
            self._rich.update(task.identifier, visible=True)
            self._rich.start()
            self._rich.refresh()

    def _hide(self) -> None:
        with self._lock:
            self._shown -= 1
            if not self._shown:
                self._rich.stop()


@dataclass(slots=True)
class _BarTask:
    bar: BarProgress
    identifier: TaskID
    started: float
    is_shown: bool = False
    is_over: bool = False

    def advance(self, steps: int = 1) -> None:
        self.bar.advance(self, steps)


class _Amounts(ProgressColumn):
    """``12,000 of 100,000, 1,200 a second, 1 min 13 s left``: short enough for a narrow terminal."""

    def render(self, task: RichTask) -> Text:
        of = "" if task.total is None else f" of {int(task.total):,}"
        rate = "" if not task.speed else f", {task.speed:,.0f} a second"
        left = "" if task.time_remaining is None else f", {duration(task.time_remaining)} left"
        return Text(f"{int(task.completed):,}{of}{rate}{left}", style="dim", no_wrap=True)


def _columns() -> tuple[ProgressColumn, ...]:
    return TextColumn("{task.description}"), BarColumn(bar_width=16), TaskProgressColumn(), _Amounts()


def progress_line(what: str, unit: str, done: int, total: int | None, rate: float) -> str:
    """Return such as ``Reading users: 12,000 of 100,000 users, 1,200 a second, about 1 min 13 s left.``."""
    of = "" if total is None else f" of {total:,}"
    left = f", about {duration((total - done) / rate)} left" if total is not None and rate > 0 else ""
    return f"{what}: {done:,}{of} {plural(unit)}, {rate:,.0f} a second{left}."
