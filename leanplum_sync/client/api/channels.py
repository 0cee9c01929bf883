"""Android notification channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from leanplum_sync.client.api.call import Call, call
from leanplum_sync.client.api.fields import each, flag, integer, text
from leanplum_sync.wire.action import Json


@dataclass(frozen=True, slots=True)
class Channel:
    """*fields* is the whole element."""

    id: str
    name: str
    importance: int | None
    fields: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class ChannelChange:
    channel_id: str
    created: bool
    updated: bool


def add_android_notification_channel(
    channel_id: str, name: str, *, importance: int = 3, settings: Mapping[str, Json] | None = None
) -> Call[ChannelChange]:
    """
    Create a channel, or update the channel with this id. Only its name, description and default can be changed.

    *settings* are ``description``, ``groupId``, ``enableLights``, ``sound``, ``default`` and so on. The first channel
    becomes the default.
    """
    return call(
        "addAndroidNotificationChannel",
        _read_change,
        {**(settings or {}), "id": channel_id, "name": name, "importance": importance},
    )


def get_android_notification_channels() -> Call[tuple[Channel, ...]]:
    return call(
        "getAndroidNotificationChannels",
        lambda element: each(element, "notificationChannels", _read_channel),
        {},
    )


def delete_android_notification_channel(channel_id: str) -> Call[bool]:
    """Return whether it was deleted. The default channel can only be deleted last."""
    return call(
        "deleteAndroidNotificationChannel",
        lambda element: flag(element, "channelDeleted"),
        {"channelId": channel_id},
    )


def _read_change(element: Mapping[str, Json]) -> ChannelChange:
    return ChannelChange(
        text(element, "channelId"), flag(element, "channelCreated"), flag(element, "channelUpdated")
    )


def _read_channel(fields: Mapping[str, Json]) -> Channel:
    return Channel(text(fields, "id"), text(fields, "name"), integer(fields, "importance"), fields)
