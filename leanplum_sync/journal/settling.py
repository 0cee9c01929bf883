"""The settle window, for decisions by a person: before it ends, nobody can know what happened."""

from __future__ import annotations

from leanplum_sync.clock import utc
from leanplum_sync.errors import TooEarlyError


def still_unsettled(doubted_at: float, settle_seconds: float, now: float) -> float:
    """
    Return for how many seconds a request in doubt since *doubted_at* may still take effect, by the journal's clock.

    Never longer than the window: a clock that was set back must not hold anybody up for longer.
    """
    return max(0.0, min(settle_seconds, doubted_at + settle_seconds - now))


def check_settled(sequence: int, doubted_at: float | None, *, settle_seconds: float, now: float) -> None:
    """
    Raises:
        TooEarlyError: the request of batch *sequence*, whose response was lost, may still take effect. A person who looks
            sees too little, and one who says "again" would have it twice.
    """
    until = (doubted_at or 0.0) + settle_seconds
    if now < until:
        raise TooEarlyError(
            f"Too early to tell what became of batch {sequence}: its request may still take effect until {utc(until)}. Nothing was changed. After that time, check what happened, and then decide.",
            until=until,
        )
