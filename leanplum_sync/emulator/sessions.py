"""Sessions: open from start to stop, unless they time out first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leanplum_sync.emulator.user import User

IDLE_SECONDS = 2 * 60 * 60
PAUSED_SECONDS = 30 * 60


def open_session(user: User, now: float, device_id: str | None = None) -> dict[str, Any] | None:
    """Return the user's session on the device, or on any device if none is named; None if all have ended."""
    wanted = [device_id] if device_id in user.sessions else list(user.sessions)
    for key in wanted:
        session = user.sessions.get(key or "")
        if session is not None and ends_at(session) > now:
            return session
    return None


def ends_at(session: dict[str, Any]) -> float:
    """Return when the session ends by itself."""
    paused = session.get("paused")
    return float(session["seen"] + IDLE_SECONDS if paused is None else paused + PAUSED_SECONDS)
