"""The confirmation of a person's decision about held actions."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from leanplum_sync.journal.entry import Resolution
from leanplum_sync.render.documents import Resolved
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BAD, GOOD, paint
from leanplum_sync.render.values import amount


@dataclass(frozen=True, slots=True)
class ResolutionWords:
    """*choice* describes the option, *consequence* is for the confirmation prompt, *result* for what was done."""

    choice: str
    consequence: str
    result: str


def words_of(resolution: Resolution) -> ResolutionWords:
    match resolution:
        case Resolution.DONE:
            return ResolutionWords(
                "The held actions happened: count them as done.", "will count as done", "now count as done"
            )
        case Resolution.AGAIN:
            return ResolutionWords(
                "The held actions did not happen: send them again when the plan is applied with --resume.",
                "will be sent again",
                "are marked to be sent again",
            )
        case Resolution.DROP:
            return ResolutionWords(
                "Nobody knows whether they happened: count them as skipped and never send them.",
                "will count as skipped and will never be sent",
                "now count as skipped and will never be sent",
            )


def resolved_text(resolved: Resolved, page: Page) -> str:
    held = f"{amount(resolved.actions, 'held action')} for {amount(resolved.subjects, 'user')}"
    left = (
        Text(f"Still held in this run: {amount(resolved.still_held, 'action')}.", BAD)
        if resolved.still_held
        else Text("This run has no more held actions.", GOOD)
    )
    return paint([Text(f"Run {resolved.run}: {held} {words_of(resolved.resolution).result}."), left], page)
