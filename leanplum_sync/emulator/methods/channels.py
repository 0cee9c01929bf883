"""Android notification channels, and unsubscribe categories."""

from __future__ import annotations

from typing import Any

from leanplum_sync.emulator.errors import RefusedError
from leanplum_sync.emulator.work import Element, Work

_KIND = "androidNotificationChannel"
_TEXTS = ("name", "description", "groupId", "sound")
_INTEGERS = ("importance", "lightColor", "lockscreenVisibility")
_FLAGS = ("enableLights", "enableVibration", "bypassDnd", "showBadge", "default")
_UPDATABLE = frozenset({"name", "description", "default"})
_DEFAULT_IMPORTANCE = 3


def add_android_notification_channel(work: Work) -> Element:
    """Create a channel, or change the name, description and default of a known one."""
    channel_id, name = work.arguments.required_text("id"), work.arguments.required_text("name")
    given = _given(work)
    known = work.transaction.things(_KIND)
    before = known.get(channel_id)
    if before is None:
        channel = {"id": channel_id, "importance": _DEFAULT_IMPORTANCE, "default": False} | given
        channel["default"] = channel["default"] or not known
    else:
        channel = before | {name: value for name, value in given.items() if name in _UPDATABLE}
        channel["default"] = channel["default"] or before["default"]  # one channel always is the default
    if channel["default"]:
        for other_id, other in known.items():
            if other_id != channel_id and other["default"]:
                work.transaction.put_thing(_KIND, other_id, other | {"default": False})
    work.transaction.put_thing(_KIND, channel_id, channel)
    return {
        "channelCreated": before is None,
        "channelUpdated": before is not None,
        "channelId": channel_id,
        "name": name,
        "importance": channel["importance"],
    }


def _given(work: Work) -> dict[str, Any]:
    arguments = work.arguments
    given: dict[str, Any] = {name: arguments.text(name) for name in _TEXTS if name in arguments}
    given |= {name: arguments.integer(name) for name in _INTEGERS if name in arguments}
    given |= {name: arguments.flag(name) for name in _FLAGS if name in arguments}
    if "vibrationPattern" in arguments:
        given["vibrationPattern"] = arguments.sequence("vibrationPattern")
    return given


def get_android_notification_channels(work: Work) -> Element:
    return {"notificationChannels": list(work.transaction.things(_KIND).values())}


def delete_android_notification_channel(work: Work) -> Element:
    channel_id = work.arguments.required_text("channelId")
    known = work.transaction.things(_KIND)
    if channel_id not in known:
        raise RefusedError("Notification channel not found.", 404)
    if known[channel_id]["default"] and len(known) > 1:
        raise RefusedError("The default notification channel can't be deleted.")
    work.transaction.remove_thing(_KIND, channel_id)
    return {"channelDeleted": True, "channelId": channel_id}


def get_unsubscribe_categories(work: Work) -> Element:
    categories = work.transaction.things("unsubscribeCategory").values()
    return {"categories": [{"name": "", "description": ""} | category for category in categories]}
