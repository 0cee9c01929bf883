"""
Past events: how the journal names them, and how old they may be.

An event of an import is known by the import's name and the row's key, as ``orders#1f3a...``. Other deliveries may have a ``#``
after a ``/``, as the increment ``spring/points#1``, but the name of an import has neither.
"""

from __future__ import annotations

from typing import Final

from leanplum_sync.wire.action import Action
from leanplum_sync.wire.fingerprint import fingerprint
from leanplum_sync.wire.outcome import ActionOutcome, Outcome

_MARK: Final = "#"
_OF_ATTRIBUTE: Final = "/"  # separates the two parts of an increment's name
_DAY: Final = 24 * 3600
# Source: Leanplum docs, CSV file reference: older than 365 days is stamped with the time of the import, so use 360 days.
MOST_DAYS: Final = 360
MOST_SECONDS: Final = MOST_DAYS * _DAY
# Source: recorded traffic: the API rewrites the time of an event that is older than 365 days.
REWRITTEN_SECONDS: Final = 365 * _DAY
# Source: recorded traffic: the API stores an event at its own time minus the difference between the times of the call and of the
# event. So each event is wrong by the difference between the clocks; from a day on, the API records it as happening now.
# A response may take two minutes, so the ``Date`` header shows the difference only roughly.
CLOCKS_DIFFER_SECONDS: Final = 300.0
PARAMETERS: Final = 50  # of one event; Source: Leanplum's OpenAPI, track


def event_delivery(imported_as: str, key: str) -> str:
    """Return the name of an event in the journal. *key* may be personal data, so only its fingerprint is kept."""
    return f"{imported_as}{_MARK}{fingerprint('event', key)}"


def import_of(delivery: str) -> str:
    """Return the name of the import that the delivery is part of; empty if the delivery is not an event."""
    imported_as, mark, _ = delivery.partition(_MARK)
    return imported_as if mark and _OF_ATTRIBUTE not in imported_as else ""


def is_event(delivery: str) -> bool:
    return bool(import_of(delivery))


def under(imported_as: str, delivery: str) -> str:
    """Return the name that the event *delivery* has in another import."""
    return f"{imported_as}{_MARK}{delivery.partition(_MARK)[2]}"


def has_wrong_time(action: Action, outcome: ActionOutcome) -> bool:
    """
    Return whether the API recorded an event, but as happening now.

    Source: recorded traffic: the warnings about clock skew and past events come with events that were recorded like this.
    """
    return action.name == "track" and outcome.outcome is Outcome.DONE and outcome.advisory
