"""The confirmation of a person's decision about held actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich.text import Text

from leanplum_sync.journal.entry import Resolution
from leanplum_sync.render.documents import Resolved
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BAD, GOOD, paint
from leanplum_sync.render.values import amount

_CONSEQUENCES: Final[Mapping[Resolution, str]] = {
    Resolution.DONE: "will count as done",
    Resolution.AGAIN: "will be sent again",
    Resolution.DROP: "will count as skipped and will never be sent",
}
_RESULTS: Final[Mapping[Resolution, str]] = {
    Resolution.DONE: "now count as done",
    Resolution.AGAIN: "are marked to be sent again",
    Resolution.DROP: "now count as skipped and will never be sent",
}


def deed(resolution: Resolution) -> str:
    """Return the consequence of a decision, such as ``will count as done``, for a confirmation prompt."""
    return _CONSEQUENCES[resolution]


def resolved_text(resolved: Resolved, page: Page) -> str:
    held = f"{amount(resolved.actions, 'held action')} for {amount(resolved.subjects, 'user')}"
    left = (
        Text(f"Still held in this run: {amount(resolved.still_held, 'action')}.", BAD)
        if resolved.still_held
        else Text("This run has no more held actions.", GOOD)
    )
    return paint([Text(f"Run {resolved.run}: {held} {_RESULTS[resolved.resolution]}."), left], page)
