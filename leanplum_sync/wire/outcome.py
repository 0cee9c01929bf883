"""The outcome of an action."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    DONE = "done"
    SKIPPED = "skipped"  # a warning says it was not carried out
    REJECTED = "rejected"  # an error
    NOT_SENT = "not sent"
    IN_DOUBT = "in doubt"  # sent, and no trustworthy response came back


@dataclass(frozen=True, slots=True)
class ActionOutcome:
    """
    *message* is the API's reason, or ours if it gave none.

    *advisory*: the action was carried out with a warning (clock skew, a past event).
    """

    outcome: Outcome
    message: str = ""
    advisory: bool = False
