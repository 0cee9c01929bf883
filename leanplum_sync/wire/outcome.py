"""What became of an action."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    DONE = "done"
    SKIPPED = "skipped"  # a warning says it was not carried out
    REJECTED = "rejected"  # an error
    NOT_SENT = "not sent"
    IN_DOUBT = "in doubt"  # sent, and no trustworthy answer came back


@dataclass(frozen=True, slots=True)
class ActionOutcome:
    """
    *message* is the API's own sentence, or ours where there is none.

    *advisory* marks a warning that came with an action that was carried out (clock skew, a past event).
    """

    outcome: Outcome
    message: str = ""
    advisory: bool = False
