"""Users and devices: read, write, delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leanplum_sync.client.api.call import Call, Done, call, done, who
from leanplum_sync.client.api.fields import each, flag, integer, mapping, number, text, texts
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.catalogue import KeyClass


@dataclass(frozen=True, slots=True)
class Activity:
    """How often and when an event happened, or a state was entered. Times are in epoch seconds."""

    count: int | None
    first_time: float | None
    last_time: float | None
    value: float | None


@dataclass(frozen=True, slots=True)
class User:
    """
    A user as exportUser returns it. Missing fields are None or empty.

    Attribute values are as they come back: booleans as the texts ``True`` and ``False``. *devices* may show nothing
    but their ``deviceId``. *fields* is the whole element, place and locale included.
    """

    user_id: str
    created: float | None
    last_active: float | None
    total_sessions: int | None
    time_spent_in_app: float | None
    bucket: int | None
    attributes: Mapping[str, Json]
    events: Mapping[str, Activity]
    states: Mapping[str, Activity]
    unsubscribed_channels: tuple[str, ...]
    unsubscribed_category_ids: tuple[int, ...]
    devices: tuple[Mapping[str, Json], ...]
    fields: Mapping[str, Json]


def export_user(user_id: str | None = None, *, device_id: str | None = None) -> Call[User | None]:
    """Return the user, or None if there is none. One billable lookup."""
    return call("exportUser", _read_user, who(user_id, device_id), answers_when_skipped=True)


def set_user_attributes(
    user_id: str | None = None,
    *,
    device_id: str | None = None,
    create: bool = False,
    attributes: Mapping[str, Json] | None = None,
    add: Mapping[str, Json] | None = None,
    remove: Mapping[str, Json] | None = None,
    increment: Mapping[str, int] | None = None,
    unsubscribe_channels: Sequence[str] = (),
    resubscribe_channels: Sequence[str] = (),
    unsubscribe_categories: Sequence[str] = (),
    resubscribe_categories: Sequence[str] = (),
    events: Mapping[str, Json] | None = None,
    states: Mapping[str, Json] | None = None,
    devices: Sequence[Mapping[str, Json]] = (),
    profile: Mapping[str, Json] | None = None,
    new_user_id: str | None = None,
) -> Call[Done]:
    """
    Change only the given values. The attribute value ``None`` removes the attribute.

    *add* and *remove* work on lists as sets; *increment* on whole numbers only. *profile* holds ``created``,
    ``lastActive``, ``totalSessions``, ``timeSpentInApp`` and location fields. *events* and *states* map a name to
    ``{count | countIncrement, value | valueIncrement, firstTime, lastTime}``, where the earliest first time
    and the latest last time are kept.
    """
    return done(
        "setUserAttributes",
        {
            **who(user_id, device_id, create=create),
            **(profile or {}),
            "userAttributes": attributes,
            "userAttributeValuesToAdd": add,
            "userAttributeValuesToRemove": remove,
            "userAttributeValuesToIncrement": increment,
            "unsubscribeChannelsToAdd": _one_or_several(unsubscribe_channels),
            "unsubscribeChannelsToRemove": _one_or_several(resubscribe_channels),
            "unsubscribeCategoriesToAdd": list(unsubscribe_categories) or None,
            "unsubscribeCategoriesToRemove": list(resubscribe_categories) or None,
            "events": events,
            "states": states,
            "devices": list(devices) or None,
            "newUserId": new_user_id,
        },
    )


def reset_anomalies(user_id: str | None = None, *, device_id: str | None = None) -> Call[Done]:
    """Clear the flag that excludes a user from analytics. This is undocumented, and needs the development key."""
    return done(
        "setUserAttributes",
        {**who(user_id, device_id, create=False), "resetAnomalies": True},
        key_class=KeyClass.DEVELOPMENT,
    )


def set_device_attributes(
    device_id: str, *, user_id: str | None = None, create: bool = False, fields: Mapping[str, str]
) -> Call[Done]:
    """
    Set *fields* such as ``systemName``, ``iosPushToken``, ``gcmRegistrationId`` and ``webPushSubscription``.

    If several users share a device, make one call for each user, with their *user_id*.
    """
    return done("setDeviceAttributes", {**who(user_id, device_id, create=create), **fields})


def set_traffic_source_info(
    traffic_source: Mapping[str, str],
    user_id: str | None = None,
    *,
    device_id: str | None = None,
    create: bool = False,
    time: float | None = None,
) -> Call[Done]:
    """*traffic_source* has fields such as ``publisherName``; *time* is within two minutes of the session's start."""
    arguments = {"trafficSource": traffic_source, "time": time}
    return done("setTrafficSourceInfo", {**who(user_id, device_id, create=create), **arguments})


def register_device(device_id: str, email: str) -> Call[bool]:
    """Register a device as a developer's device; return False if it already was."""
    return call(
        "registerDevice",
        lambda element: flag(element, "registered"),
        {"deviceId": device_id, "email": email},
    )


def delete_user(
    user_id: str | None = None, *, device_id: str | None = None, full_erasure: bool = False
) -> Call[Done]:
    """Delete the profile; with *full_erasure*, also the analytics, within 15 days. Not billed."""
    return done("deleteUser", {**who(user_id, device_id), "fullErasure": full_erasure})


def block(user_id: str | None = None, *, device_id: str | None = None) -> Call[Done]:
    """Stop collecting data about the user and erase it, but keep the id. Later writes are refused with HTTP 451."""
    return done("block", who(user_id, device_id), fallback=KeyClass.DEVELOPMENT)


def unblock(user_id: str | None = None, *, device_id: str | None = None) -> Call[Done]:
    """Collect data about the user again. Erased data is not restored."""
    return done("unblock", who(user_id, device_id), fallback=KeyClass.DEVELOPMENT)


def _one_or_several(values: Sequence[str]) -> str | list[str] | None:
    """Source: the argument is documented as text, but clients send lists, the only way to pass several values."""
    if isinstance(values, str):
        return values
    return values[0] if len(values) == 1 else list(values) or None


def _read_user(element: Mapping[str, Json]) -> User | None:
    if "userAttributes" not in element and element.get("warning") is not None:
        return None
    categories = each(element, "unsubscribeCategories", lambda category: integer(category, "id"))
    return User(
        user_id=text(element, "userId"),
        created=number(element, "created"),
        last_active=number(element, "lastActive"),
        total_sessions=integer(element, "totalSessions"),
        time_spent_in_app=number(element, "timeSpentInApp"),
        bucket=integer(element, "userBucket"),
        attributes=mapping(element, "userAttributes"),
        events=_activities(mapping(element, "events")),
        states=_activities(mapping(element, "states")),
        unsubscribed_channels=texts(element, "unsubscribeChannels"),
        unsubscribed_category_ids=tuple(number for number in categories if number is not None),
        # Entries without an id are left behind by malformed imports, and can't be addressed.
        devices=tuple(
            device for device in each(element, "devices", dict) if device.get("deviceId") is not None
        ),
        fields=element,
    )


def _activities(entries: Mapping[str, Json]) -> dict[str, Activity]:
    return {
        name: Activity(
            count=integer(entry, "count"),
            first_time=number(entry, "firstTime"),
            last_time=number(entry, "lastTime"),
            value=number(entry, "value"),
        )
        for name, entry in entries.items()
        if isinstance(entry, dict)
    }
