"""The host's clock, as the ``Date`` header of its responses shows it."""

from __future__ import annotations

from email.utils import parsedate_to_datetime


def seconds_ahead(date: str, now: float) -> float | None:
    """Return how far the host's clock is ahead of ours, which shows *now*; None if *date* isn't a valid header."""
    try:
        return parsedate_to_datetime(date).timestamp() - now
    except ValueError:
        return None
