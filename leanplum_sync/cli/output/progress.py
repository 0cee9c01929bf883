"""Progress for people: a live bar on a terminal, or a line every ten seconds. Quick work shows neither."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock, Timer
from typing import IO, Final

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    ProgressColumn,
    TaskID,
    TextColumn,
)
from rich.progress import Progress as RichProgress
from rich.progress import Task as RichTask
from rich.text import Text

from leanplum_sync.clock import Clock, SystemClock
from leanplum_sync.progress import Task
from leanplum_sync.render.values import amount, duration, plural

PATIENCE_SECONDS: Final = 1.0  # shorter work shows nothing
LINE_EVERY_SECONDS: Final = 10.0
_BAR_COLUMNS: Final = 16
_RATE_SECONDS: Final = 30


@dataclass(slots=True)
class _LineTask:
    what: str
    total: int | None
    unit: str
    clock: Clock
    say: Callable[[str], None]
    said: float
    done: int = 0
    since: int = 0  # steps since the last line
    lock: Lock = field(default_factory=Lock)

    def advance(self, steps: int = 1) -> None:
        with self.lock:
            self.done += steps
            self.since += steps
            now = self.clock.monotonic()
            if now - self.said >= LINE_EVERY_SECONDS:
                rate = self.since / (now - self.said)
                self.said, self.since = now, 0
                self.say(progress_line(self.what, self.unit, self.done, self.total, rate))

    def skip(self, steps: int = 1) -> None:
        with self.lock:
            self.done += steps


class LineProgress:
    """Prints a line every ten seconds, and one at the end of work that took more than a second."""

    def __init__(self, say: Callable[[str], None], clock: Clock | None = None) -> None:
        self._say = say
        self._clock = clock or SystemClock()

    @contextmanager
    def track(self, what: str, total: int | None, unit: str) -> Iterator[Task]:
        started = self._clock.monotonic()
        task = _LineTask(what, total, unit, self._clock, self._say, started)
        yield task
        seconds = self._clock.monotonic() - started
        if seconds >= PATIENCE_SECONDS:
            self._say(f"{what}: {amount(task.done, unit)} in {duration(seconds)}.")


class BarProgress:
    """Shows bars that appear after a second and disappear when their work is done."""

    def __init__(self, stream: IO[str], *, color: bool, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        console = RichConsole(file=stream, no_color=not color, highlight=False, force_terminal=True)
        columns = (TextColumn("{task.description}"), BarColumn(_BAR_COLUMNS), _Amounts(console))
        self._rich = RichProgress(*columns, console=console, transient=True)
        self._lock = Lock()
        self._shown = 0

    @contextmanager
    def track(self, what: str, total: int | None, unit: str) -> Iterator[Task]:
        # A single step has no share to show.
        total = None if total == 1 else total
        task = _BarTask(self, TaskID(0), self._clock, unit, self._clock.monotonic())
        task.identifier = identifier = self._rich.add_task(what, total=total, task=task, visible=False)
        # The bar also appears while a single step takes long, such as a query.
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
        with self._lock:
            task.count(steps)
        if not task.is_shown and self._clock.monotonic() - task.started >= PATIENCE_SECONDS:
            self._show(task)
        self._rich.advance(task.identifier, steps)

    def skip(self, task: _BarTask, steps: int) -> None:
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
    clock: Clock
    unit: str
    started: float
    is_shown: bool = False
    is_over: bool = False
    counted: int = 0  # steps done, without the skipped ones
    samples: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_RATE_SECONDS))

    def advance(self, steps: int = 1) -> None:
        self.bar.advance(self, steps)

    def skip(self, steps: int = 1) -> None:
        self.bar.skip(self, steps)

    def count(self, steps: int) -> None:
        """Keep one sample a second of how many steps were done."""
        now = self.clock.monotonic()
        if not self.samples or now - self.samples[-1][0] >= 1:
            self.samples.append((now, self.counted))
        self.counted += steps

    def rate(self) -> float:
        """Return the steps per second of the last half minute; 0 while that isn't known."""
        if not self.samples:
            return 0.0
        since, counted = self.samples[0]
        seconds = self.clock.monotonic() - since
        return (self.counted - counted) / seconds if seconds >= 1 else 0.0


class _Amounts(ProgressColumn):
    """
    ``12,000 of 100,000 users, 1,200 a second, 1 min 13 s left``, or as much of it as fits: the time left
    comes first.
    """

    def __init__(self, console: RichConsole) -> None:
        super().__init__()
        self._console = console

    def render(self, task: RichTask) -> Text:
        state: _BarTask = task.fields["task"]
        columns = self._console.width - len(task.description) - _BAR_COLUMNS - 2
        return Text(
            amounts_that_fit(state, int(task.completed), task.total, columns), style="dim", no_wrap=True
        )


def amounts_that_fit(task: _BarTask, done: int, total: float | None, columns: int) -> str:
    if total is None and not done:
        return ""
    rate = task.rate()
    of = f" of {int(total):,}" if total is not None else ""
    count = f"{done:,}{of} {plural(task.unit)}"
    speed = f", {rate:,.0f} a second" if rate else ""
    is_under_way = total is not None and done < total and rate
    left = f"{duration((total - done) / rate)} left" if is_under_way and total is not None else ""
    after = f", {left}" if left else ""
    choices = (f"{count}{speed}{after}", f"{count}{after}", f"{done:,}{of}{after}", left or f"{done:,}{of}")
    return next((text for text in choices if len(text) <= columns), choices[-1])


def progress_line(what: str, unit: str, done: int, total: int | None, rate: float) -> str:
    """Return such as ``Reading users: 12,000 of 100,000 users, 1,200 a second, about 1 min 13 s left.``."""
    of = "" if total is None else f" of {total:,}"
    is_under_way = total is not None and done < total and rate > 0
    left = f", about {duration((total - done) / rate)} left" if is_under_way and total is not None else ""
    return f"{what}: {done:,}{of} {plural(unit)}, {rate:,.0f} a second{left}."
