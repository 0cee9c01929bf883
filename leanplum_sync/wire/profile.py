"""A user as exportUser shows it, read leniently: every field may be missing, because fields were added over the years."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from leanplum_sync.errors import UnexpectedResponseError
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.excess import excess
from leanplum_sync.wire.subscription import last_unsubscribed, shown_states

# Source: Leanplum OpenAPI, setUserAttributes and exportUser. The first four also come back for users the SDKs never saw.
TIME_FIELDS: Final = ("created", "lastActive")
NUMBER_FIELDS: Final = ("totalSessions", "timeSpentInApp", "timezoneOffsetSeconds")
TEXT_FIELDS: Final = ("locale", "country", "region", "city", "location", "locationAccuracyType", "timezone")
PROFILE_FIELDS: Final = (*TIME_FIELDS, *NUMBER_FIELDS, *TEXT_FIELDS)

TOKEN_FIELDS: Final = ("iosPushToken", "gcmRegistrationId", "webPushSubscription")
DEVICE_FIELDS: Final = (
    "appVersion",
    "browserName",
    "browserVersion",
    "deviceModel",
    "deviceName",
    "systemName",
    "systemVersion",
    *TOKEN_FIELDS,
)

# The key of an entry made from exportUsers, which shows some attributes only. exportUser's responses never have it.
EXPORTED: Final = "exportedAttributes"
# The key of an entry about a thing of the app, which the reader makes. exportUser's responses never have it.
THINGS: Final = "thingsOfTheApp"
_MISSING: Final = "user not found"  # Source: recorded traffic: "User not found; request skipped."


@dataclass(frozen=True, slots=True)
class Profile:
    """
    *fields* are the top-level profile fields in the response; *devices* maps a deviceId to its device fields.

    *events* maps the name of an event to its ``count``, ``value``, ``firstTime`` and ``lastTime``.

    Of a thing of the app, *things* has its value by its name, and nothing if the app has no such thing; all else is empty.

    A device may be shown with fewer fields than it has (recorded: only its deviceId), so an absent field proves nothing.
    *subscriptions* has the state of each channel and category that the user unsubscribed from; *unsubscribed_at* is when the
    user last unsubscribed from any, in epoch seconds; None if never, infinity if it happened but its date can't be read.
    """

    exists: bool
    attributes: Mapping[str, Json]
    fields: Mapping[str, Json]
    devices: Mapping[str, Mapping[str, Json]]
    subscriptions: Mapping[str, str] = field(default_factory=dict)
    unsubscribed_at: float | None = None
    events: Mapping[str, Json] = field(default_factory=dict)
    things: Mapping[str, Json] = field(default_factory=dict)


NO_PROFILE: Final = Profile(exists=False, attributes={}, fields={}, devices={})


def read_profile(element: Mapping[str, Json]) -> Profile:
    """
    Return the profile in an exportUser *element*.

    A missing user is an element with a skip warning and no profile: ``NO_PROFILE``. Entries of ``devices`` without an
    id are left by malformed imports and can't be addressed: they are skipped.

    Raises:
        UnexpectedResponseError: *element* is not a profile and doesn't say that the user is missing; or it is over a bound.
    """
    if message := excess(element):
        raise UnexpectedResponseError(f"The API's response about a user can't be read: {message}.")
    if EXPORTED in element:
        raise UnexpectedResponseError(
            "This was made from exportUsers, and shows only some attributes of the user."
        )
    if (things := element.get(THINGS)) is not None:
        return Profile(exists=True, attributes={}, fields={}, devices={}, things=things)
    attributes = element.get("userAttributes")
    if attributes is None and (warning := element.get("warning")):
        return _without_profile(warning)
    devices = element.get("devices") or ()
    if not isinstance(attributes, dict | None) or not isinstance(devices, list | tuple):
        raise _unknown_shape()
    try:
        subscriptions = shown_states(element)
    except TypeError:
        raise _unknown_shape() from None
    return Profile(
        exists=True,
        attributes=attributes or {},
        fields={name: element[name] for name in PROFILE_FIELDS if element.get(name) is not None},
        devices=dict(_device(device) for device in devices if _is_addressable(device)),
        subscriptions=subscriptions,
        unsubscribed_at=last_unsubscribed(element),
        events=events if isinstance(events := element.get("events"), dict) else {},
    )


def _without_profile(warning: Json) -> Profile:
    message = warning.get("message") if isinstance(warning, dict) else None
    if isinstance(message, str) and message.lower().startswith(_MISSING):
        return NO_PROFILE
    raise _unknown_shape()


def _is_addressable(device: Json) -> bool:
    if not isinstance(device, dict):
        raise _unknown_shape()
    return device.get("deviceId") is not None


def _device(device: Mapping[str, Json]) -> tuple[str, Mapping[str, Json]]:
    fields = {name: device[name] for name in DEVICE_FIELDS if device.get(name) is not None}
    return str(device["deviceId"]), fields


def _unknown_shape() -> UnexpectedResponseError:
    return UnexpectedResponseError("Leanplum's response to exportUser is not a user.")
