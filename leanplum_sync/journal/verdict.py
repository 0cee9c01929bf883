"""The outcome of an action, as it is recorded in the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from leanplum_sync.journal.entry import Fate


@dataclass(frozen=True, slots=True)
class Verdict:
    """*message* is shown to people: the API's own sentence, or ours."""

    fate: Fate
    message: str = ""


DONE: Final = Verdict(Fate.DONE)
