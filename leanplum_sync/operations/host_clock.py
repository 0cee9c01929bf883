"""Whether this machine's clock and the host's differ too much to send events."""

from __future__ import annotations

from leanplum_sync.errors import ClockError
from leanplum_sync.planner.plan import Contents
from leanplum_sync.wire.event import CLOCKS_DIFFER_SECONDS


def check_clock(host_ahead_seconds: float | None, contents: Contents) -> None:
    """
    Check, before applying, that the events of a plan would get their own times. If the host shows no time, this is not checked.

    Raises:
        ClockError: the clocks differ by more than five minutes.
    """
    if not contents.events or host_ahead_seconds is None or abs(host_ahead_seconds) <= CLOCKS_DIFFER_SECONDS:
        return
    minutes = round(abs(host_ahead_seconds) / 60)
    raise ClockError(
        f"This machine's clock is {minutes:,} minutes {'behind' if host_ahead_seconds > 0 else 'ahead of'} the host's."
        " Leanplum computes the time of each event from the clock of the sender, so it would record the events of this plan with"
        " wrong times, and this can't be corrected later. Nothing was sent. Set the clock, and apply the plan again."
    )
