"""The outcome of an action, as it is recorded in the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from leanplum_sync.journal.entry import Fate


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    *message* is shown to people: the API's own sentence, or ours. *is_rejected_before*: skipped because the API rejected the
    same action in an earlier run.
    """

    fate: Fate
    message: str = ""
    is_rejected_before: bool = False


DONE: Final = Verdict(Fate.DONE)
