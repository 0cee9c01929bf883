"""
Android notification channels, as addAndroidNotificationChannel sets them and getAndroidNotificationChannels shows them.

Source: Leanplum's OpenAPI: a channel is created or updated by its id; only its name, description and default are described as
updatable. The default channel can't be deleted unless it is the last one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from leanplum_sync.errors import UnexpectedResponseError
from leanplum_sync.wire.action import Action, Json

UPDATABLE: Final = frozenset({"name", "description", "default"})
FIELDS: Final = UPDATABLE | {
    "importance",
    "groupId",
    "enableLights",
    "lightColor",
    "enableVibration",
    "vibrationPattern",
    "lockscreenVisibility",
    "bypassDnd",
    "showBadge",
    "sound",
}
DEFAULT_IMPORTANCE: Final = 3
ACTIONS: Final = ("addAndroidNotificationChannel", "deleteAndroidNotificationChannel")
ONLY: Final = "isOnly"  # of the value of a channel: the app has no other one


def seen_channels(element: Mapping[str, Json]) -> Mapping[str, dict[str, Json]]:
    """
    Return the value of each channel in a getAndroidNotificationChannels *element*, by its id. A field may be null if it has no value.

    Raises:
        UnexpectedResponseError: it has none.
    """
    listed = element.get("notificationChannels")
    if not isinstance(listed, list) or not all(
        isinstance(each, dict) and isinstance(each.get("id"), str) for each in listed
    ):
        raise UnexpectedResponseError(
            "The response to getAndroidNotificationChannels has no list of channels with their ids."
        )
    only = {ONLY: True} if len(listed) == 1 else {}
    return {
        each["id"]: {name: each[name] for name in FIELDS & each.keys() if each[name] is not None} | only
        for each in listed
    }


def put_channel(channel: str, value: Mapping[str, Json], observed: Mapping[str, Json] | None) -> Action:
    """Create a channel, or update the one that was *observed*."""
    known, fields = observed or {}, FIELDS if observed is None else UPDATABLE
    importance = known.get("importance", value.get("importance", DEFAULT_IMPORTANCE))
    required: dict[str, Any] = {"id": channel, "name": value["name"], "importance": importance}
    return Action(
        "addAndroidNotificationChannel",
        required | {name: value[name] for name in sorted(fields & value.keys()) if value[name] is not None},
    )


def delete_channel(channel: str) -> Action:
    return Action("deleteAndroidNotificationChannel", {"channelId": channel})


def written_by(action: str, arguments: Mapping[str, Json]) -> tuple[str, Json] | None:
    """Return the channel that an action sets, with its value, or deletes, with None. None: it is no such action."""
    match action, arguments:
        case "deleteAndroidNotificationChannel", {"channelId": str(channel)}:
            return channel, None
        case "addAndroidNotificationChannel", {"id": str(channel)}:
            return channel, {name: arguments[name] for name in FIELDS & arguments.keys()}
        case _:
            return None
