"""
A model of profiles: what ``exportUser`` must tell after any actions, from the API's rules alone.

It shares nothing with the emulator, not even a helper, and is written to be read rather than to be fast. ``None`` stands
for a user that can't be exported.
"""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

DAY = 86_400
YEAR = 365 * DAY
_LOCATION = ("locale", "country", "region", "city", "timezone", "timezoneOffsetSeconds")
_DEVICE = ("appVersion", "systemName", "deviceModel", "iosPushToken", "gcmRegistrationId")
_SINGLE_VALUED = {"created": float, "lastActive": float, "totalSessions": int, "timeSpentInApp": float}


_IDLE, _PAUSED = 2 * 60 * 60, 30 * 60  # after so long a session ends by itself
_TRAFFIC = 2 * 60  # a source must be told so soon after the session began


class FailedError(Exception):
    """The action changes nothing, because it is refused or skipped."""


@dataclass
class Session:
    started: float
    seen: float
    is_counted: bool
    paused: float | None = None
    away: float = 0.0

    def is_over(self, now: float) -> bool:
        return now >= (self.seen + _IDLE if self.paused is None else self.paused + _PAUSED)

    def seconds(self, until: float) -> float:
        """The part of its duration that counts as time in the app."""
        away = self.away if self.paused is None else self.away + until - self.paused
        return max(0.0, until - self.started - away) if self.is_counted else 0.0


@dataclass
class Profile:
    user_id: str
    is_anonymous: bool
    own: dict[str, Any]  # created, lastActive, totalSessions, timeSpentInApp
    is_blocked: bool = False
    attributes: dict[str, Any] = field(default_factory=dict)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    channels: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    devices: list[dict[str, Any]] = field(default_factory=list)
    location: dict[str, Any] = field(default_factory=dict)
    sessions: dict[str | None, Session] = field(default_factory=dict)  # by device, as they began

    def session(self, device_id: str | None, now: float) -> Session | None:
        """Return the session on the device, or else any open session."""
        on_device = [self.sessions[device_id]] if device_id and device_id in self.sessions else None
        return next((each for each in on_device or self.sessions.values() if not each.is_over(now)), None)

    def begin(self, device_id: str | None, now: float, *, is_counted: bool = True) -> None:
        if device_id in self.sessions:
            self.end(device_id, now)
        self.sessions[device_id] = Session(now, now, is_counted)
        self.own["totalSessions"] += is_counted

    def end(self, device_id: str | None, at: float) -> None:
        self.own["timeSpentInApp"] += self.sessions.pop(device_id).seconds(at)

    def end_what_is_over(self, now: float) -> None:
        """End an expired session at the time it was last seen."""
        for device_id, session in list(self.sessions.items()):
            if session.is_over(now):
                self.end(device_id, session.seen if session.paused is None else session.paused)

    def device(self, device_id: str) -> dict[str, Any] | None:
        return next((device for device in self.devices if device["deviceId"] == device_id), None)


class Model:
    def __init__(self) -> None:
        self._profiles: dict[str, Profile] = {}
        self._device_users: dict[str, str] = {}
        self._known_requests: set[tuple[str, str]] = set()

    def exported(self, subject: dict[str, str]) -> dict[str, Any] | None:
        profile = self._profiles.get(self._whose(subject) or "")
        if profile is None or profile.is_blocked:
            return None
        element = {
            "userId": profile.user_id,
            "userBucket": int(hashlib.md5(profile.user_id.encode()).hexdigest(), 16) % 1000,
            "userAttributes": profile.attributes,
            "events": profile.events,
            "states": profile.states,
            "unsubscribeChannels": profile.channels,
            "devices": profile.devices,
            **profile.own,
            **profile.location,
        }
        if profile.categories:
            element["unsubscribeCategories"] = [{"id": int(key), "name": ""} for key in profile.categories]
        return copy.deepcopy(element)

    def call(
        self, actions: list[dict[str, Any]], now: float, sent: float | None = None, batch: str | None = None
    ) -> None:
        """Carry out a call that arrives at *now*; *sent* is a multi's ``time``, *batch* its ``uuid``."""
        for action in actions:
            request = (batch or "", action.get("reqId", ""))
            if all(request) and request in self._known_requests:
                continue
            self._known_requests.add(request)
            before = copy.deepcopy((self._profiles, self._device_users))
            try:
                self._act(action, now, _moment(now, sent, action.get("time")))
            except FailedError:
                self._profiles, self._device_users = before

    def _act(self, action: dict[str, Any], now: float, moment: float) -> None:
        match action["action"]:
            case "deleteUser":
                self._delete(self._known(action), action)
            case "block":
                profile = self._known(action)
                own = _nothing_yet(profile.own["created"])
                self._profiles[profile.user_id] = Profile(
                    profile.user_id, profile.is_anonymous, own, is_blocked=True
                )
                self._come_from(self._profiles[profile.user_id], action, may_join=False)
            case "unblock":
                profile = self._known(action)
                profile.is_blocked = False
                profile.end_what_is_over(now)
                self._come_from(profile, action, may_join=False)
            case "track":
                profile = self._found(action, now)
                _track(profile, action, now, moment)
                self._come_from(profile, action)
                profile.end_what_is_over(now)
            case "setDeviceAttributes":
                profile = self._found(action, now)
                if "deviceId" not in action:
                    raise FailedError
                self._come_from(profile, action)
                _set_device(profile.device(action["deviceId"]) or {}, action)
                profile.end_what_is_over(now)
            case "setUserAttributes":
                goes_on = self._under_new_id(self._found(action, now), action, now)
                self._set_user(goes_on, action, moment)
                self._come_from(goes_on, action)
                goes_on.end_what_is_over(now)
            case _:
                self._act_in_session(action, now, moment)

    def _act_in_session(self, action: dict[str, Any], now: float, moment: float) -> None:
        device_id = action.get("deviceId")
        match action["action"]:
            case "start":
                profile = self._found(action, now)
                self._come_from(profile, action)
                _start(profile, action, now)
            case "setTrafficSourceInfo":
                profile = self._found(action, now)
                session = profile.session(device_id, now)
                if session is not None and abs(moment - session.started) > _TRAFFIC:
                    raise FailedError
                self._come_from(profile, action)
            case name:
                may_create = action.get("createDisposition") == "CreateIfNeeded"
                profile = self._found(action, now) if may_create else self._known(action)
                match name, profile.session(device_id, now):
                    case "resumeSession", session:
                        _resume(profile, session, device_id, now)
                    case "advance", None:
                        raise FailedError
                    case _, Session() as session:
                        _go_on(profile, session, action, now, moment)
                self._come_from(profile, action, may_join=may_create)
        profile.end_what_is_over(now)

    def _whose(self, action: dict[str, Any]) -> str | None:
        """Return the user of a device: its current one, or an anonymous user with the id of the device."""
        device_id = action.get("deviceId")
        return action.get("userId") or self._device_users.get(device_id or "", device_id)

    def _known(self, action: dict[str, Any]) -> Profile:
        profile = self._profiles.get(self._whose(action) or "")
        if profile is None:
            raise FailedError
        if profile.is_blocked and action["action"] not in ("block", "unblock"):
            raise FailedError
        return profile

    def _found(self, action: dict[str, Any], now: float) -> Profile:
        """Return the profile, creating it unless that is forbidden."""
        user_id = self._whose(action)
        if user_id is not None and user_id not in self._profiles:
            if action.get("createDisposition") == "CreateNever":
                raise FailedError
            self._profiles[user_id] = Profile(user_id, _is_anonymous(action), _nothing_yet(now))
        return self._known(action)

    def _come_from(self, profile: Profile, action: dict[str, Any], *, may_join: bool = True) -> None:
        """Assign the device of an action to its user."""
        device_id = action.get("deviceId")
        profile.is_anonymous |= _is_own_device(profile, action)
        if device_id is not None and (may_join or profile.device(device_id)):
            if profile.device(device_id) is None:
                profile.devices.append({"deviceId": device_id})
            self._device_users[device_id] = profile.user_id

    def _delete(self, profile: Profile, action: dict[str, Any]) -> None:
        if "userId" not in action and not profile.is_anonymous:
            raise FailedError
        self._remove(profile)

    def _remove(self, profile: Profile) -> None:
        del self._profiles[profile.user_id]
        self._device_users = {
            device: user for device, user in self._device_users.items() if user != profile.user_id
        }

    def _set_user(self, profile: Profile, action: dict[str, Any], moment: float) -> None:
        _change_attributes(profile.attributes, action)
        for kind, known in (("events", profile.events), ("states", profile.states)):
            for name, summary in action.get(kind, {}).items():
                _merge_summary(known.setdefault(name, {"count": 0}), summary)
        profile.own |= {name: kind(action[name]) for name, kind in _SINGLE_VALUED.items() if name in action}
        profile.location |= {name: action[name] for name in _LOCATION if name in action}
        for device in action.get("devices", ()):
            device_id = device.get("deviceId")
            if device_id is None or profile.device(device_id) is None:
                profile.devices.append({"deviceId": device_id})
            if device_id is not None:
                self._device_users[device_id] = profile.user_id
        for kind, opted_out in (("Channels", profile.channels), ("Categories", profile.categories)):
            for item in action.get(f"unsubscribe{kind}ToAdd", ()):
                if item not in opted_out:
                    opted_out.append(item)
                    _happen(profile.events, "Unsubscribe", moment)
            opted_out[:] = [
                item for item in opted_out if item not in action.get(f"unsubscribe{kind}ToRemove", ())
            ]

    def _under_new_id(self, profile: Profile, action: dict[str, Any], now: float) -> Profile:
        """Log in (merge), register (rename), or switch (another user takes over)."""
        new_id = action.get("newUserId")
        if new_id is None or new_id == profile.user_id:
            return profile
        other = self._profiles.get(new_id)
        if other is not None and other.is_blocked:
            raise FailedError
        if not profile.is_anonymous and not _is_own_device(profile, action):
            other = self._profiles.setdefault(new_id, Profile(new_id, False, _nothing_yet(now)))
            profile.end_what_is_over(now)
            other.end_what_is_over(now)
            for device_id in list(profile.sessions):
                profile.end(device_id, now)
                other.begin(device_id, now)
            return other
        for device_id, user_id in self._device_users.items():
            if user_id == profile.user_id:
                self._device_users[device_id] = new_id
        self._remove(profile)
        if other is None:
            profile.user_id, profile.is_anonymous = new_id, False
            self._profiles[new_id] = profile
            return profile
        _merge(other, profile)
        return other


def _is_anonymous(action: dict[str, Any]) -> bool:
    return action.get("userId") in (None, action.get("deviceId"))


def _is_own_device(profile: Profile, action: dict[str, Any]) -> bool:
    """SDKs send the device's id as the user id until a user logs in."""
    return profile.user_id == action.get("userId") == action.get("deviceId")


def _nothing_yet(created: float) -> dict[str, Any]:
    return {"created": float(created), "lastActive": None, "totalSessions": 0, "timeSpentInApp": 0.0}


def _moment(now: float, sent: float | None, given: float | None) -> float:
    """A day late, or of more than a year before it was sent: stamped on arrival."""
    sent = now if sent is None else sent
    if given is None or now - sent >= DAY or sent - given > YEAR:
        return now
    return now - (sent - given)


def _start(profile: Profile, action: dict[str, Any], now: float) -> None:
    """Start a session. A session in the background counts once it is resumed."""
    device_id = action.get("deviceId")
    _change_attributes(profile.attributes, action)
    profile.location |= {name: action[name] for name in _LOCATION if name in action}
    if device_id is not None:
        _set_device(profile.device(device_id) or {}, action)
    profile.end_what_is_over(now)
    profile.begin(device_id, now, is_counted=not action.get("background"))
    profile.own["lastActive"] = float(now)


def _resume(profile: Profile, session: Session | None, device_id: str | None, now: float) -> None:
    """Resume a session that was paused or in the background. If all have expired, start another."""
    if session is not None:
        session.away += 0 if session.paused is None else now - session.paused
        session.paused, session.seen = None, now
        profile.own["totalSessions"] += not session.is_counted
        session.is_counted = True
    elif profile.sessions:
        profile.end_what_is_over(now)
        profile.begin(device_id, now)
    profile.own["lastActive"] = float(now)


def _go_on(profile: Profile, session: Session, action: dict[str, Any], now: float, moment: float) -> None:
    match action["action"]:
        case "stop":
            device_id = action.get("deviceId")
            profile.end_what_is_over(now)
            is_there = device_id is not None and device_id in profile.sessions
            for each in [device_id] if is_there else list(profile.sessions):
                profile.end(each, now)
        case "pauseSession" if session.paused is None:
            session.paused = now
        case "heartbeat":
            session.seen = now
        case "advance":
            if "state" not in action:
                raise FailedError
            session.seen = now
            if action["state"]:
                _happen(profile.states, action["state"], moment)


def _track(profile: Profile, action: dict[str, Any], now: float, moment: float) -> None:
    session = profile.session(action.get("deviceId"), now)
    if session is None and action.get("disposition") == "requireActive":
        raise FailedError
    if "messageId" in action:
        event = f".m{action['messageId']}" + (f" {action['event']}" if "event" in action else "")
    elif "event" in action:
        event = action["event"]
    else:
        raise FailedError
    _happen(profile.events, event, moment, action.get("value"))
    if session is not None:
        session.seen = now
        if action.get("disposition", "active") == "active":
            profile.own["lastActive"] = float(now)


def _happen(events: dict[str, dict[str, Any]], name: str, moment: float, value: float | None = None) -> None:
    entry = events.setdefault(name, {"count": 0})
    summary: dict[str, Any] = {"countIncrement": 1, "firstTime": moment, "lastTime": moment}
    _merge_summary(entry, summary if value is None else summary | {"valueIncrement": value})


def _merge_summary(entry: dict[str, Any], given: dict[str, Any]) -> None:
    """Set or add counts and values. The first time only gets earlier, the last time only later."""
    for time in ("firstTime", "lastTime"):
        if time in given:
            try:
                told = float(given[time])
            except ValueError:
                raise FailedError from None
            pick = min if time == "firstTime" else max
            entry[time] = pick(told, entry.get(time, told))
    entry["count"] = given.get("count", entry["count"]) + given.get("countIncrement", 0)
    if "value" in given:
        entry["value"] = float(given["value"])
    if "valueIncrement" in given:
        entry["value"] = float(entry.get("value", 0.0) + given["valueIncrement"])


def _change_attributes(attributes: dict[str, Any], action: dict[str, Any]) -> None:
    """Set, remove, add and increment, in this order."""
    for name, value in action.get("userAttributes", {}).items():
        if value is None:
            attributes.pop(name, None)
        else:
            attributes[name] = _kept(value)
    for name, value in action.get("userAttributeValuesToRemove", {}).items():
        if isinstance(attributes.get(name), list):
            unwanted = _listed(_kept(value))
            attributes[name] = [item for item in attributes[name] if item not in unwanted]
    for name, value in action.get("userAttributeValuesToAdd", {}).items():
        before = _listed(attributes[name]) if name in attributes else []
        attributes[name] = _set_of([*before, *_listed(_kept(value))])
    for name, by in action.get("userAttributeValuesToIncrement", {}).items():
        before = attributes.get(name, 0)
        if type(before) is int and type(by) is int:
            attributes[name] = before + by


def _kept(value: Any) -> Any:
    """Booleans are stored as words, and lists as sets in order of arrival."""
    if isinstance(value, list):
        return _set_of([_kept(item) for item in value])
    return str(value) if isinstance(value, bool) else value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _set_of(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if not any(json.dumps(item) == json.dumps(other) for other in found):
            found.append(item)
    return found


def _set_device(device: dict[str, Any], action: dict[str, Any]) -> None:
    for name in _DEVICE:
        if action.get(name) == "":
            device.pop(name, None)
        elif name in action:
            device[name] = action[name]


def _merge(known: Profile, anonymous: Profile) -> None:
    """The known user's values win, sets are merged, counts and values are summed, and time ranges widen."""
    for name, value in anonymous.attributes.items():
        mine = known.attributes.setdefault(name, value)
        if isinstance(mine, list) and isinstance(value, list):
            known.attributes[name] = _set_of([*mine, *value])
    for mine_by_name, theirs_by_name in ((known.events, anonymous.events), (known.states, anonymous.states)):
        for name, theirs in theirs_by_name.items():
            summary = {"countIncrement": theirs["count"]} | {
                time: theirs[time] for time in ("firstTime", "lastTime") if time in theirs
            }
            if "value" in theirs:
                summary["valueIncrement"] = theirs["value"]
            _merge_summary(mine_by_name.setdefault(name, {"count": 0}), summary)
    known.channels = _set_of([*known.channels, *anonymous.channels])
    known.categories = _set_of([*known.categories, *anonymous.categories])
    known.devices += [
        device
        for device in anonymous.devices
        if device["deviceId"] is None or known.device(device["deviceId"]) is None
    ]
    known.location = anonymous.location | known.location
    known.sessions = anonymous.sessions | known.sessions
    mine, theirs = known.own, anonymous.own
    times = [time for time in (mine["lastActive"], theirs["lastActive"]) if time is not None]
    known.own = {
        "created": min(mine["created"], theirs["created"]),
        "lastActive": max(times, default=None),
        "totalSessions": mine["totalSessions"] + theirs["totalSessions"],
        "timeSpentInApp": mine["timeSpentInApp"] + theirs["timeSpentInApp"],
    }
