"""
Sessions, from ``start`` to ``stop`` or a timeout, and their records for the data export.

An open session is stored with its user, by device id ("" for none). Ended sessions and single offline events become records
in the format of the export.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from leanplum_sync.emulator.experiments import variants_of
from leanplum_sync.emulator.store import Transaction
from leanplum_sync.emulator.user import User, bucket
from leanplum_sync.emulator.values import java_double

IDLE_SECONDS = 2 * 60 * 60
PAUSED_SECONDS = 30 * 60
_MAX_ENTRIES = 1500  # events, and states, a session
_TRAFFIC = {
    "publisherId": "sourcePublisherId",
    "publisherName": "sourcePublisher",
    "publisherSubPublisher": "sourceSubPublisher",
    "publisherSubSite": "sourceSite",
    "publisherSubCampaign": "sourceCampaign",
    "publisherSubAdGroup": "sourceAdGroup",
    "publisherSubAd": "sourceAd",
}


def open_session(user: User, now: float, device_id: str | None = None) -> dict[str, Any] | None:
    """Return the user's session on the device, or on any device if none is named; None if all have ended."""
    wanted = [device_id] if device_id in user.sessions else list(user.sessions)
    for key in wanted:
        session = user.sessions.get(key or "")
        if session is not None and ends_at(session) > now:
            return session
    return None


def ends_at(session: dict[str, Any]) -> float:
    paused = session["paused"]
    return float(session["seen"] + IDLE_SECONDS if paused is None else paused + PAUSED_SECONDS)


def begin(
    user: User,
    device_id: str | None,
    now: float,
    *,
    background: bool,
    sdk: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Open a session; one in the background does not count until it is resumed. *sdk* is which SDK opened it."""
    session: dict[str, Any] = {
        "started": now,
        "seen": now,
        "paused": None,
        "away": 0.0,
        "background": background,
        "sdk": dict(sdk),
        "prior": {
            "priorEvents": sum(entry.get("count", 0) for entry in user.events.values()),
            "priorSessions": user.total_sessions,
            "priorStates": sum(entry.get("count", 0) for entry in user.states.values()),
            "priorTimeSpentInApp": user.time_spent,
        },
        "states": [],
        "loose": [],
    }
    user.sessions[device_id or ""] = session
    if not background:
        count(user, session)
    return session


def count(user: User, session: dict[str, Any]) -> None:
    session["background"] = False
    user.total_sessions += 1


def touch(session: dict[str, Any], now: float) -> None:
    session["seen"] = now


def pause(session: dict[str, Any], now: float) -> None:
    if session["paused"] is None:
        session["paused"] = now
    pause_state(session, now)


def resume(user: User, session: dict[str, Any], now: float) -> None:
    if session["paused"] is not None:
        session["away"] += now - session["paused"]
        session["paused"] = None
    session["seen"] = now
    if session["background"]:
        count(user, session)
    resume_state(session, now)


def enter_state(session: dict[str, Any], name: str, now: float, details: dict[str, Any]) -> None:
    """Enter a state, leaving the current one; the name "" only leaves it."""
    leave_state(session, now)
    if name and len(session["states"]) < _MAX_ENTRIES:
        state = {"name": name, "started": now, "ended": None, "paused": None, "away": 0.0, "events": []}
        session["states"].append(state | details)


def leave_state(session: dict[str, Any], now: float) -> None:
    if (state := current_state(session)) is not None:
        resume_state(session, now)
        state["ended"] = now


def current_state(session: dict[str, Any]) -> dict[str, Any] | None:
    states = session["states"]
    state: dict[str, Any] | None = states[-1] if states else None
    return state if state is not None and state["ended"] is None else None


def pause_state(session: dict[str, Any], now: float) -> None:
    state = current_state(session)
    if state is not None and state["paused"] is None:
        state["paused"] = now


def resume_state(session: dict[str, Any], now: float) -> None:
    state = current_state(session)
    if state is not None and state["paused"] is not None:
        state["away"] += now - state["paused"]
        state["paused"] = None


def note_event(session: dict[str, Any], event: dict[str, Any]) -> None:
    state = current_state(session)
    events = session["loose"] if state is None else state["events"]
    if len(events) < _MAX_ENTRIES:
        events.append(event)


def end(user: User, device_id: str, at: float, transaction: Transaction) -> None:
    session = user.sessions.pop(device_id)
    if session["paused"] is not None:
        session["away"] += at - session["paused"]
    leave_state(session, at)
    duration = max(0.0, at - session["started"] - session["away"])
    if not session["background"]:
        user.time_spent += duration
    record = _record(user, device_id, session["started"], duration, session.get("sdk", {}))
    record |= session["prior"] | {"isSession": True}
    record["experiments"] = [
        {"id": _as_number(key), "variantId": _as_number(variant["id"])}
        for key, variant in variants_of(transaction.things("abTest"), user.user_id).items()
    ]
    loose = (
        [{"name": "", "started": session["started"], "events": session["loose"]}] if session["loose"] else []
    )
    record["states"] = [_state(record, state) for state in (*loose, *session["states"])]
    transaction.log_session(user.user_id, session["started"], at, record)


def expire(user: User, now: float, transaction: Transaction) -> None:
    """Close the sessions that timed out, as of the time when they were last active or paused."""
    for device_id, session in list(user.sessions.items()):
        if ends_at(session) <= now:
            seen: float = session["seen"] if session["paused"] is None else session["paused"]
            end(user, device_id, seen, transaction)


def note_offline(
    user: User,
    device_id: str | None,
    event: dict[str, Any],
    transaction: Transaction,
    sdk: Mapping[str, str] = MappingProxyType({}),
) -> None:
    record = _record(user, device_id or "", event["time"], 0.0, sdk) | {"isSession": False}
    record["states"] = [_state(record, {"name": "", "started": event["time"], "events": [event]})]
    transaction.log_session(user.user_id, event["time"], event["time"], record)


def _record(
    user: User, device_id: str, started: float, duration: float, sdk: Mapping[str, str]
) -> dict[str, Any]:
    """
    Return the fields of a raw session that say who, where and on what.

    Times are text, as are attributes; other numbers are numbers. Source: a sample file of the vendor's.
    """
    device = next((device for device in user.devices if device["deviceId"] == device_id), None)
    fields: dict[str, Any] = {} if device is None else device["listed"] | device["fields"]
    location = dict(user.location)
    latitude, _, longitude = str(location.pop("location", "")).partition(",")
    location.pop("locationAccuracyType", None)
    record: dict[str, Any] = {
        "sessionId": str(number("session", user.user_id, device_id, started)),
        "userId": user.user_id,
        "deviceId": device_id,
        "userBucket": bucket(user.user_id),
        "firstRun": java_double(float(user.created)),
        "time": java_double(float(started)),
        "duration": float(duration),
        "lat": latitude,
        "lon": longitude,
        "userAttributes": {name: _text(value) for name, value in user.attributes.items()},
        "experiments": [],
    }
    record |= {
        name: fields.get(name)
        for name in (
            "appVersion",
            "systemName",
            "systemVersion",
            "deviceModel",
            "browserName",
            "browserVersion",
        )
    }
    record |= location
    record |= {field: user.traffic.get(name) for name, field in _TRAFFIC.items()}
    record |= sdk
    return {name: value for name, value in record.items() if value not in (None, "")}


def _as_number(value: Any) -> Any:
    return int(value) if str(value).isdecimal() else value


def _state(record: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    key = (record["sessionId"], state["name"], state["started"])
    shown: dict[str, Any] = {"stateId": number("state", *key)}
    if state["name"]:
        shown["name"] = state["name"]
    if state.get("info"):
        shown["info"] = state["info"]
    if "timeUntilFirstForUser" in state:
        shown["timeUntilFirstForUser"] = state["timeUntilFirstForUser"]
    shown["time"] = java_double(float(state["started"]))
    shown["duration"] = java_double(
        max(0.0, (state.get("ended") or state["started"]) - state["started"] - state.get("away", 0.0))
    )
    shown["events"] = [
        {"eventId": number("event", *key, index), **event, "time": java_double(float(event["time"]))}
        for index, event in enumerate(state["events"])
    ]
    return shown


def until_first(user: User, time: float, known: Mapping[str, Any], name: str) -> dict[str, float]:
    """Return how many seconds after the user's first one an event or state first happened, if it is the first of its name."""
    return {} if name in known else {"timeUntilFirstForUser": float(max(0.0, time - user.created))}


def number(*parts: Any) -> int:
    """Return an id as in exports: signed, 64 bits, always the same for the same parts."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def _text(value: Any) -> str:
    return java_double(value) if isinstance(value, float) else str(value)
