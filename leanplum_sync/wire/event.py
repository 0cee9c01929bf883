"""
Past events: how the journal names them, and how old they may be.

An event of an import is known by the import's name and the row's key, as ``orders#1f3a...``. No other delivery has a ``#``.
"""

from __future__ import annotations

from typing import Final

from leanplum_sync.wire.fingerprint import fingerprint

MARK: Final = "#"
_DAY: Final = 24 * 3600
# Source: Leanplum docs, CSV file reference: older than 365 days is stamped with the time of the import, so use 360 days.
MOST_DAYS: Final = 360
MOST_SECONDS: Final = MOST_DAYS * _DAY
# Source: recorded traffic: the API rewrites the time of an event that is older than 365 days.
REWRITTEN_SECONDS: Final = 365 * _DAY
PARAMETERS: Final = 50  # of one event; Source: Leanplum's OpenAPI, track


def event_delivery(imported_as: str, key: str) -> str:
    """Return the name of an event in the journal. *key* may be personal data, so only its fingerprint is kept."""
    return f"{imported_as}{MARK}{fingerprint('event', key)}"


def import_of(delivery: str) -> str:
    """Return the name of the import that the delivery is part of; of other deliveries, empty."""
    imported_as, mark, _ = delivery.partition(MARK)
    return imported_as if mark else ""


def under(imported_as: str, delivery: str) -> str:
    """Return the name that the event *delivery* has in another import."""
    return f"{imported_as}{MARK}{delivery.partition(MARK)[2]}"
