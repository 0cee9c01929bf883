"""Sessions and what happens in them: events and states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from leanplum_sync.emulator import sessions
from leanplum_sync.emulator.errors import RefusedError, SkippedError, invalid, missing
from leanplum_sync.emulator.methods.content import content_for
from leanplum_sync.emulator.methods.devices import device_fields, set_fields
from leanplum_sync.emulator.methods.messages import trigger
from leanplum_sync.emulator.profile import check_names, happened, location_of, set_attributes
from leanplum_sync.emulator.work import Element, Work

_MAX_PARAMETERS = 50
_TRAFFIC_SECONDS = 120
_DISPOSITIONS = ("active", "passive", "requireActive")


def track(work: Work) -> Element:
    arguments = work.arguments
    event, value = _event_name(work), arguments.number("value")
    parameters = _parameters(work)
    disposition = arguments.text("disposition") or ("passive" if arguments.flag("allowOffline") else "active")
    if disposition not in _DISPOSITIONS:
        raise invalid("disposition")
    if (currency := arguments.text("currencyCode")) is not None:
        parameters = {**parameters, "localCurrency": currency, "localPrice": value or 0.0}
    session = sessions.open_session(work.user, work.now, arguments.plain("deviceId"))
    if disposition == "requireActive" and session is None:
        raise SkippedError("Event ignored: no active session.", ignored=True)
    check_names(work, "event", [event])
    noted: dict[str, Any] = {"name": event, "time": work.time, "value": float(value or 0.0)}
    noted |= sessions.until_first(work.user, work.time, work.user.events, event)
    happened(work.user.events, event, work.time, value)
    # By its time as sent: the time as stored also depends on how long the request took.
    work.transaction.count_occurrence(work.user.user_id, event, arguments.number("time"), value, parameters)
    trigger(work, event)
    noted |= {"info": info} if (info := arguments.text("info")) else {}
    noted |= {"parameters": parameters} if parameters else {}
    if session is None:
        sessions.note_offline(work.user, arguments.plain("deviceId"), noted, work.transaction, _sdk(work))
        return {"isOffline": True}
    sessions.note_event(session, noted)
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


def _parameters(work: Work) -> Mapping[str, Any]:
    parameters = work.arguments.mapping("params")
    if len(parameters) > _MAX_PARAMETERS:
        raise RefusedError(f"'params' has more than {_MAX_PARAMETERS} entries", 400)
    return parameters


def start(work: Work) -> Element:
    """Open a session, ending the one the device may have, and return the content for the user."""
    arguments, user = work.arguments, work.user
    given = arguments.mapping("userAttributes")
    check_names(work, "attribute", given)
    fields, location = device_fields(arguments), location_of(work)
    device_id = arguments.plain("deviceId")
    if device_id is not None:
        set_fields(user.device(device_id)["fields"], fields)
    set_attributes(user, given, work.switches)
    user.location.update(location)
    sessions.expire(user, work.now, work.transaction)
    if (device_id or "") in user.sessions:
        sessions.end(user, device_id or "", work.now, work.transaction)
    sessions.begin(user, device_id, work.now, background=arguments.flag("background"), sdk=_sdk(work))
    user.last_active = work.now
    return content_for(work) | {"token": f"token-{sessions.number(user.user_id, work.now) & 0xFFFFFFFF:08x}"}


def stop(work: Work) -> Element:
    device_id = work.arguments.plain("deviceId")
    for key in [device_id] if device_id in work.user.sessions else list(work.user.sessions):
        if sessions.ends_at(work.user.sessions[key or ""]) > work.now:
            sessions.end(work.user, key or "", work.now, work.transaction)
    return {}


def _on_open_session(change: Callable[[dict[str, Any], float], None]) -> Callable[[Work], Element]:
    """Return the function of an action that makes *change* to the open session, if there is one."""

    def run(work: Work) -> Element:
        if (session := _session(work)) is not None:
            change(session, work.now)
        return {}

    return run


pause_session = _on_open_session(sessions.pause)
heartbeat = _on_open_session(sessions.touch)
pause_state = _on_open_session(sessions.pause_state)
resume_state = _on_open_session(sessions.resume_state)


def resume_session(work: Work) -> Element:
    """Continue the session; if it ended meanwhile, start a new one."""
    session = _session(work)
    if session is not None:
        sessions.resume(work.user, session, work.now)
    elif work.user.sessions:
        sessions.expire(work.user, work.now, work.transaction)
        sessions.begin(work.user, work.arguments.plain("deviceId"), work.now, background=False)
    work.user.last_active = work.now
    return {}


def advance(work: Work) -> Element:
    arguments = work.arguments
    if "state" not in arguments:
        raise missing("state")
    state, parameters = arguments.text("state") or "", _parameters(work)
    session = _session(work)
    if session is None:
        raise RefusedError("No active session.")
    check_names(work, "state", [state] if state else [])
    info = arguments.text("info")
    details: dict[str, Any] = {"info": info, "parameters": dict(parameters)} if info or parameters else {}
    details |= sessions.until_first(work.user, work.time, work.user.states, state) if state else {}
    sessions.enter_state(session, state, work.time, details)
    session["seen"] = work.now
    if state:
        happened(work.user.states, state, work.time)
    return {}


def set_traffic_source_info(work: Work) -> Element:
    """Note where the user came from. It has to be told within two minutes of a session's start."""
    source = work.arguments.mapping("trafficSource")
    if not source:
        raise missing("trafficSource")
    session = _session(work)
    if session is not None and abs(work.time - session["started"]) > _TRAFFIC_SECONDS:
        raise SkippedError("Traffic source is too late for the session; request skipped.")
    work.user.traffic.update({name: str(value) for name, value in source.items() if value is not None})
    return {}


def _sdk(work: Work) -> dict[str, str]:
    """Return what an SDK says of itself; it says so for all actions of a call, or for one."""
    return {name: value for name in ("client", "sdkVersion") if (value := work.arguments.plain(name))}


def _session(work: Work) -> dict[str, Any] | None:
    return sessions.open_session(work.user, work.now, work.arguments.plain("deviceId"))
