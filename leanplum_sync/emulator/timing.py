"""Converts times to the server's clock. The client's clock only supplies differences."""

from __future__ import annotations

from leanplum_sync.emulator.switches import Switches

DAY = 86_400
YEAR = 365 * DAY


def resolved(
    now: float, envelope_time: float | None, action_time: float | None, switches: Switches
) -> tuple[float, str | None]:
    """
    Return when the action happened, and a warning about its time, if any.

    If the batch is a day or more late, or the action more than 365 days old, the time is now.
    """
    sent = now if envelope_time is None else envelope_time
    if now - sent >= DAY:
        return (
            now,
            f"Device clock skew detected ({int((now - sent) // DAY)} days behind). Rewriting timestamp.",
        )
    if sent - now >= DAY and switches.future_clock == "warn":
        return (
            now,
            f"Device clock skew detected ({int((sent - now) // DAY)} days ahead). Rewriting timestamp.",
        )
    if action_time is None:
        return now, None
    age = sent - action_time
    if age > YEAR:
        return now, f"Past event detected ({int(age // DAY)} days ago). Rewriting timestamp."
    return now - age, None
