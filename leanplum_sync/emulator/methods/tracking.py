"""Events as they happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leanplum_sync.emulator.errors import RefusedError, SkippedError, missing
from leanplum_sync.emulator.names import check_names
from leanplum_sync.emulator.sessions import open_session

if TYPE_CHECKING:
    from leanplum_sync.emulator.work import Element, Work

_MAX_PARAMETERS = 50


def track(work: Work) -> Element:
    arguments = work.arguments
    event = _event_name(work)
    value = arguments.number("value")
    parameters = arguments.mapping("params")
    if len(parameters) > _MAX_PARAMETERS:
        raise RefusedError(f"'params' has more than {_MAX_PARAMETERS} entries", 400)
    disposition = arguments.text("disposition") or ("passive" if arguments.flag("allowOffline") else "active")
    session = open_session(work.user, work.now, arguments.plain("deviceId"))
    if disposition == "requireActive" and session is None:
        raise SkippedError("Event ignored: no active session.", ignored=True)
    check_names(work, "event", [event])
    happened(work.user.events, event, work.time, value)
    if session is None:
        return {"isOffline": True}
    session["seen"] = work.now
    if disposition == "active":
        work.user.last_active = work.now
    return {}


def _event_name(work: Work) -> str:
    event, message_id = work.arguments.text("event"), work.arguments.integer("messageId")
    if message_id is not None:
        return f".m{message_id} {event}" if event else f".m{message_id}"
    if event is None:
        raise missing("event")
    return event


def happened(known: dict[str, dict[str, Any]], name: str, time: float, value: float | None = None) -> None:
    """Count one more occurrence of an event or state."""
    entry = known.setdefault(name, {"count": 0, "firstTime": float(time), "lastTime": float(time)})
    entry["count"] = entry.get("count", 0) + 1
    entry["firstTime"] = float(min(entry.get("firstTime", time), time))
    entry["lastTime"] = float(max(entry.get("lastTime", time), time))
    if value is not None:
        entry["value"] = float(entry.get("value", 0.0) + value)
