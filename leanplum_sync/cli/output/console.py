"""Output: the requested document goes to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Final

import click

from leanplum_sync.cli.output.streams import write
from leanplum_sync.progress import Progress, SilentProgress
from leanplum_sync.render.page import HEIGHT, WIDTH, Page

if TYPE_CHECKING:
    from leanplum_sync.cli.output.event_stream import EventStream

WIDEST: Final = 110  # longer lines are hard to read


@dataclass(frozen=True, slots=True)
class Console:
    """
    *plain* is without color, as is a console where NO_COLOR is set.

    One that does not repeat itself says nothing again that was *said*.
    """

    quiet: bool = False
    no_progress: bool = False
    verbose: bool = False
    plain: bool = False
    events: EventStream | None = None
    stdout: IO[str] = field(default_factory=lambda: sys.stdout)
    stderr: IO[str] = field(default_factory=lambda: sys.stderr)
    repeats: bool = True
    said: set[str] = field(default_factory=set)

    @property
    def has_color(self) -> bool:
        # Source: no-color.org: any value that is not empty.
        return not (self.plain or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb")

    def document(self, text: str) -> None:
        """Write to stdout. If the reader is gone (``| head``), the command continues."""
        write(self.stdout, text if text.endswith("\n") or not text else f"{text}\n")

    def say(self, text: str) -> None:
        if not self.quiet:
            self.complain(text)

    def say_more(self, text: str) -> None:
        if self.verbose:
            self.complain(text)

    def complain(self, text: str) -> None:
        """Write to stderr even if quiet. On a terminal, lines are wrapped between words."""
        if text in self.said and not self.repeats:
            return
        self.said.add(text)
        if self.stderr.isatty():
            text = "\n".join(map(self._wrapped, text.split("\n")))
        write(self.stderr, f"{text}\n")

    def _wrapped(self, line: str) -> str:
        # Short lines may be indented on purpose; textwrap would count escape codes as columns.
        width = self.page(self.stderr).width
        wraps = len(line) > width and "\x1b" not in line
        return textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False) if wraps else line

    @property
    def is_interactive(self) -> bool:
        """Whether a person can see a question and answer it."""
        return sys.stdin is not None and sys.stdin.isatty() and self.stderr.isatty()

    def ask(self, question: str) -> str:
        self.stderr.write(question)
        self.stderr.flush()
        answer = sys.stdin.readline()
        if not answer:
            raise click.Abort
        return answer.strip()

    def confirm(
        self,
        question: str,
        *,
        unattended: str,
        stopped: str,
        expected: str = "yes",
        accepted: Collection[str] = ("yes",),
    ) -> None:
        """
        Ask *question* and return if the answer is one of *accepted*. *expected* tells people what to type.

        A command that starts again asks only what was not answered before: the numbers in the question may be others by then.

        Raises:
            click.ClickException: there is nobody to ask; the sentence is *unattended*.
            click.Abort: another answer was given, and *stopped* was printed.
        """
        if question in self.said and not self.repeats:
            return
        if not self.is_interactive:
            raise click.ClickException(unattended)
        answer = self.ask(f"{question}\nType {expected} to go ahead, anything else to stop: ")
        if answer.lower() not in accepted:
            self.complain(stopped)
            raise click.Abort
        self.said.add(question)

    def page(self, stream: IO[str] | None = None) -> Page:
        stream = stream or self.stdout
        if not stream.isatty():
            return Page(width=_columns_asked_for() or WIDTH)
        columns, lines = os.get_terminal_size(stream.fileno())
        # A terminal may not know its size: 0.
        return Page(min(columns or WIDTH, WIDEST), lines or HEIGHT, color=self.has_color, is_terminal=True)

    def progress(self) -> Progress:
        shown = self._shown_progress()
        return shown if self.events is None else self.events.progress(shown)

    def _shown_progress(self) -> Progress:
        if self.quiet or self.no_progress:
            return SilentProgress()
        from leanplum_sync.cli.output.progress import (  # noqa: PLC0415 - rich is slow to import, and many commands show no progress
            BarProgress,
            LineProgress,
        )

        if self.stderr.isatty() and os.environ.get("TERM") != "dumb":
            return BarProgress(self.stderr, color=self.has_color)
        return LineProgress(self.say)


def _columns_asked_for() -> int | None:
    columns = os.environ.get("COLUMNS", "")
    return min(int(columns), WIDEST) if columns.isdecimal() and int(columns) > 0 else None
