"""What a person decided about held actions, said back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from leanplum_sync.journal.entry import Resolution
from leanplum_sync.render.document import document
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BAD, GOOD, paint
from leanplum_sync.render.words import amount

_DEEDS: Final[Mapping[Resolution, str]] = {
    Resolution.DONE: "will count as done",
    Resolution.AGAIN: "will be sent again",
    Resolution.DROP: "will count as skipped and never be sent",
}
_RESULTS: Final[Mapping[Resolution, str]] = {
    Resolution.DONE: "now count as done",
    Resolution.AGAIN: "are to be sent again",
    Resolution.DROP: "now count as skipped, and are never sent",
}


@dataclass(frozen=True, slots=True)
class Resolved:
    """*left* counts the actions of the run that are still held."""

    run: int
    resolution: Resolution
    actions: int
    subjects: int
    batches: tuple[int, ...]
    left: int


def deed(resolution: Resolution) -> str:
    """Return such as ``will count as done``, for a question."""
    return _DEEDS[resolution]


def resolved_text(resolved: Resolved, page: Page) -> str:
    held = f"{amount(resolved.actions, 'held action')} of {amount(resolved.subjects, 'user')}"
    left = (
        Text(f"{amount(resolved.left, 'action')} of the run: still held.", BAD)
        if resolved.left
        else Text("Nothing of the run is held any more.", GOOD)
    )
    return paint([Text(f"Run {resolved.run}: {held} {_RESULTS[resolved.resolution]}."), left], page)


def resolved_json(resolved: Resolved) -> str:
    return document(
        "resolved",
        1,
        run=resolved.run,
        resolution=resolved.resolution.value,
        actions=resolved.actions,
        subjects=resolved.subjects,
        batches=list(resolved.batches),
        stillHeld=resolved.left,
    )
