"""Reading messages of the dashboard, and sending them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from leanplum_sync.emulator.errors import RefusedError, SkippedError
from leanplum_sync.emulator.methods.postbacks import announce
from leanplum_sync.emulator.work import Element, Work

# Every message ever seen in a response had these.
_DEFAULTS: Final[Mapping[str, Any]] = {
    "name": "",
    "created": 0.0,
    "active": True,
    "messageType": "Push Notification",
}
# Fields of messages and tests that only seeds have.
_OWN_KEYS = frozenset({"delivery", "targeting", "draft"})
_RECENT_SECONDS = 90 * 24 * 60 * 60
_MESSAGE_NOT_FOUND = "Message entity not found"


def get_message(work: Work) -> Element:
    return {"message": _shown(requested(work, "message", "Message not found."))}


def requested(work: Work, kind: str, missing: str) -> Mapping[str, Any]:
    """Return the message or test that the call names by its ``id``."""
    thing: Mapping[str, Any] | None = work.transaction.thing(kind, work.arguments.required_text("id"))
    if thing is None or (thing.get("draft") and not work.arguments.flag("includeDrafts")):
        raise RefusedError(missing, 404)
    return thing


def get_messages(work: Work) -> Element:
    messages = work.transaction.things("message").values()
    return {"messages": [_shown(message) for message in messages if is_listed(message, work)]}


def is_listed(thing: Mapping[str, Any], work: Work) -> bool:
    """Return whether a message or test is listed: drafts and long-ended ones only on request."""
    if thing.get("draft") and not work.arguments.flag("includeDrafts"):
        return False
    if not work.arguments.flag("recent", default=True) or thing.get("active", True):
        return True
    finished = thing.get("finished")
    return finished is not None and work.now - float(finished) <= _RECENT_SECONDS


def _shown(message: Mapping[str, Any]) -> dict[str, Any]:
    return without_own(dict(_DEFAULTS) | dict(message))


def without_own(thing: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message or test as the API shows it: without the fields that only seeds have."""
    shown = {name: value for name, value in thing.items() if name not in _OWN_KEYS}
    return shown | {name: float(shown[name]) for name in ("created", "updated", "finished") if name in shown}


def send_message(work: Work) -> Element:
    """
    Queue a message for the user.

    The user has been looked up before, so a missing user takes precedence over a missing message.
    """
    message_id = work.arguments.required_text("messageId")
    message = work.transaction.thing("message", message_id)
    if message is None:
        raise SkippedError(_MESSAGE_NOT_FOUND)
    if not _is_sendable(message):
        return _nothing_sent(work.switches.idle_message, "Message is not active.")
    is_targeted = message.get("targeting") is None or work.user.user_id in map(str, message["targeting"])
    if not is_targeted and not work.arguments.flag("force") and work.switches.untargeted != "send":
        return _nothing_sent(work.switches.untargeted, "User does not match the message's targeting.")
    _send(work, message_id, message)
    return {"result": "Message sent", "messagesSent": 1}


def _send(work: Work, message_id: str, message: Mapping[str, Any]) -> None:
    work.transaction.count_sent(message_id, work.user.user_id)
    announce(work, message_id, message, "Sent")


def trigger(work: Work, event: str) -> None:
    """
    Send the active messages that *event* triggers, however long ago it happened.

    Source: Leanplum docs, CSV file reference: imported past events do trigger campaigns.
    """
    for message_id, message in work.transaction.triggered().items():
        if event in message["serverTriggers"]:
            _send(work, message_id, message)


def start_campaign(work: Work) -> Element:
    """Send the messages of a campaign (the ids in its seed's ``messages``) to the user."""
    campaign = work.transaction.thing("campaign", work.arguments.required_text("campaignId"))
    if campaign is None:
        raise SkippedError("Campaign entity not found")
    for message_id in map(str, campaign.get("messages", ())):
        _send(work, message_id, work.transaction.thing("message", message_id) or {})
    return {}


def _is_sendable(message: Mapping[str, Any]) -> bool:
    return (
        bool(message.get("active", True))
        and str(message.get("delivery", "manual")).lower() == "manual"
        and not str(message.get("messageType", "")).lower().startswith("in-app")
    )


def _nothing_sent(how: str, reason: str) -> Element:
    match how:
        case "warn":
            raise SkippedError(reason)
        case "refuse":
            raise RefusedError(reason)
        case _:
            return {"messagesSent": 0}
