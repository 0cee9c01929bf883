"""What a document of kind Exports asks for: files of sessions or of a report, for each day or week."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.fingerprint import fingerprint

Every = Literal["day", "week"]

# Days are those of California. Source: API reference, exportData. A day is over for certain when it is over in winter time.
_WINTER: Final = dt.timezone(dt.timedelta(hours=-8))
_OLDEST_DAYS: Final = 59  # Source: API reference, exportData: data of the last 60 days
_DAYS: Final[Mapping[Every, int]] = {"day": 1, "week": 7}


@dataclass(frozen=True, slots=True)
class Window:
    """The days from *first* to *last*, both included."""

    first: dt.date
    last: dt.date

    @property
    def name(self) -> str:
        """The name of its folder: ``2026-11-29``, or ``2026-11-23-to-2026-11-29``."""
        return f"{self.first}" if self.first == self.last else f"{self.first}-to-{self.last}"

    def is_available(self, now: float) -> bool:
        """Whether Leanplum still has its data, at *now* in epoch seconds."""
        return self.first >= _today(now) - dt.timedelta(days=_OLDEST_DAYS)


@dataclass(frozen=True, slots=True)
class ExportSeries:
    """
    *action* is ``exportData`` or ``exportReport``, and *arguments* are its arguments besides the days.

    Windows begin with *first*, and end with *until*, None for no end. One is due once it has been over for *delay_days*. *folder* is relative
    to the project folder; ``{environment}`` in it stands for the name of the environment.
    """

    action: str
    arguments: Mapping[str, Json]
    every: Every
    first: dt.date
    until: dt.date | None
    delay_days: int
    folder: str
    place: Place

    def of(self, environment: str) -> ExportSeries:
        """Return the same with the folder of *environment*."""
        return replace(self, folder=self.folder.replace("{environment}", environment))

    def due(self, now: float) -> Iterator[Window]:
        """Yield the windows that are due at *now*, in epoch seconds, the oldest first."""
        end = _today(now) - dt.timedelta(days=self.delay_days + 1)
        if self.until is not None:
            end = min(end, self.until)
        length = dt.timedelta(days=_DAYS[self.every])
        first = self.first
        while (last := first + length - dt.timedelta(days=1)) <= end:
            yield Window(first, last)
            first += length

    def key_of(self, window: Window) -> str:
        """Return what stands for the job of a *window* in the ledger, whichever document asks for it."""
        told = fingerprint(json.dumps(dict(self.arguments), sort_keys=True))[:16]
        return f"{self.action}|{told}|{window.name}"


def _today(now: float) -> dt.date:
    return dt.datetime.fromtimestamp(now, _WINTER).date()
