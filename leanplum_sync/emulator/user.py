"""A user as the emulator stores it, and as exportUser shows it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from leanplum_sync.emulator.switches import Switches
from leanplum_sync.emulator.values import stored, whole

TOKENS = ("iosPushToken", "gcmRegistrationId", "webPushSubscription", "huaweiPushRegId")
DEVICE_FIELDS = (
    "appVersion",
    "systemName",
    "systemVersion",
    "browserName",
    "browserVersion",
    "deviceName",
    "deviceModel",
    *TOKENS,
)
LOCATION_FIELDS = (
    "locale",
    "country",
    "region",
    "city",
    "location",
    "locationAccuracyType",
    "timezone",
    "timezoneOffsetSeconds",
)
_COUNTED = ("count", "firstTime", "lastTime", "value")  # of an event or a state


@dataclass(slots=True)
class User:
    """
    One profile. A user whose id is that of their device is *anonymous*: nobody has logged in on it.

    ``devices`` has ``{"deviceId": ..., "fields": {...}, "listed": {...}}``: *fields* were set by setDeviceAttributes and start,
    *listed* by the ``devices`` of setUserAttributes. ``sessions`` maps a device id ("" for none) to a session.
    """

    user_id: str
    created: float
    anonymous: bool = False
    blocked: bool = False
    last_active: float | None = None
    total_sessions: int = 0
    time_spent: float = 0.0
    attributes: dict[str, Any] = field(default_factory=dict)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    channels: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    devices: list[dict[str, Any]] = field(default_factory=list)
    location: dict[str, Any] = field(default_factory=dict)
    traffic: dict[str, Any] = field(default_factory=dict)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)

    def device(self, device_id: str) -> dict[str, Any]:
        """Return the user's device; add it if it is new."""
        for device in self.devices:
            if device["deviceId"] == device_id:
                return device
        device = {"deviceId": device_id, "fields": {}, "listed": {}}
        self.devices.append(device)
        return device

    def has_device(self, device_id: str) -> bool:
        return any(device["deviceId"] == device_id for device in self.devices)


def bucket(user_id: str) -> int:
    """Return 0 to 999. The formula fits the only published pair, which may be chance."""
    return int(hashlib.md5(user_id.encode(), usedforsecurity=False).hexdigest(), 16) % 1000


def exported(user: User, categories: Mapping[str, str], switches: Switches) -> dict[str, Any]:
    """Return the fields of an exportUser element; *categories* gives the names of unsubscribe categories."""
    element: dict[str, Any] = {
        "userId": user.user_id,
        "created": float(user.created),
        "lastActive": None if user.last_active is None else float(user.last_active),
        "totalSessions": user.total_sessions,
        "timeSpentInApp": float(user.time_spent),
        "userBucket": bucket(user.user_id),
        "userAttributes": user.attributes,
        "events": user.events,
        "states": user.states,
        "unsubscribeChannels": user.channels,
    }
    if user.categories:
        element["unsubscribeCategories"] = [
            {"id": int(key) if key.isdecimal() else key, "name": categories.get(key, "")}
            for key in user.categories
        ]
    element["devices"] = [exported_device(device, switches) for device in user.devices]
    return element | user.location


def exported_device(device: Mapping[str, Any], switches: Switches) -> dict[str, Any]:
    fields: dict[str, Any]
    match switches.device_details:
        case "by_source":
            fields = device["fields"]
        case "full":
            fields = device["listed"] | device["fields"]
        case "id_only":
            fields = {}
    shown = {name: value for name, value in fields.items() if switches.tokens_exported or name not in TOKENS}
    return {"deviceId": device["deviceId"], **shown}


def imported(element: Mapping[str, Any], now: float, switches: Switches) -> User:
    """
    Return the user in an exportUser element: the reverse of ``exported``.

    Raises:
        ValueError: the element names neither a user nor a device, or a field is of the wrong type.
    """
    devices = [_imported_device(device) for device in element.get("devices") or ()]
    own_id = _id(element, "userId")
    user_id = own_id
    if user_id is None:
        user_id = _id(element, "deviceId") or next((device["deviceId"] for device in devices), None)
    if user_id is None:
        raise ValueError("has neither a userId nor a device")
    has_no_own_id = own_id in (None, *(device["deviceId"] for device in devices))
    is_anonymous = bool(element.get("anonymous", has_no_own_id))
    created, last_active = _number(element, "created"), _number(element, "lastActive")
    user = User(
        user_id=user_id,
        created=now if created is None else created,
        anonymous=is_anonymous,
        blocked=bool(element.get("blocked")),
        last_active=last_active,
        total_sessions=whole(_number(element, "totalSessions") or 0),
        time_spent=_number(element, "timeSpentInApp") or 0.0,
        attributes={
            name: stored(value, switches)
            for name, value in _object(element, "userAttributes").items()
            if value is not None
        },
        events=_occurrences(element, "events"),
        states=_occurrences(element, "states"),
        channels=[str(channel) for channel in element.get("unsubscribeChannels") or ()],
        categories=[_category_id(category) for category in element.get("unsubscribeCategories") or ()],
        devices=devices,
        location={name: element[name] for name in LOCATION_FIELDS if element.get(name) is not None},
        traffic=_object(element, "trafficSource"),
    )
    if is_anonymous:
        user.device(user.user_id)
    return user


def _id(element: Mapping[str, Any], name: str) -> str | None:
    value = element.get(name)
    if isinstance(value, bool | float | list | dict):
        raise ValueError(f"{name} is not text")  # noqa: TRY004 (one error tells a bad line)
    return None if value in (None, "") else str(value)


def _number(element: Mapping[str, Any], name: str) -> float | None:
    """Return a number, which exports may spell as text."""
    value = element.get(name)
    number = None if value is None else float(value)
    if number is not None and not math.isfinite(number):
        raise ValueError(f"{name} is not a number")
    return number


def _occurrences(element: Mapping[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """Return what ``exported`` shows of events or states: ``{"buy": {"count": 2, "firstTime": ..., "lastTime": ...}}``."""
    given = _object(element, name)
    found = {each: _object(given, each) for each in given}
    for occurrence in found.values():
        for number in occurrence.keys() & _COUNTED:
            if not isinstance(occurrence[number], int | float):
                raise ValueError(f"{number} of {name} is not a number")  # noqa: TRY004 (one error tells a bad line)
    return found


def _object(element: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = element.get(name) or {}
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not an object")  # noqa: TRY004 (one error tells a bad line)
    return value


def _imported_device(device: Any) -> dict[str, Any]:
    if not isinstance(device, dict):
        raise ValueError("an entry of devices is not an object")  # noqa: TRY004 (one error tells a bad line)
    fields = {name: value for name, value in device.items() if name != "deviceId" and value is not None}
    return {"deviceId": _id(device, "deviceId"), "fields": fields, "listed": {}}


def _category_id(category: Any) -> str:
    return str(category["id"]) if isinstance(category, dict) and "id" in category else str(category)
