"""Postbacks: calls the API makes when a message is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson

from leanplum_sync.emulator.deliveries import Delivery
from leanplum_sync.emulator.errors import RefusedError, invalid
from leanplum_sync.emulator.store import Transaction
from leanplum_sync.emulator.work import Element, Work

_MAX_POSTBACKS = 3
_FIRST_ID = 101
_TYPES = ("messageEvents", "abTestEvents")


def add_postback(work: Work) -> Element:
    url, kind = work.arguments.required_text("postbackUrl"), work.arguments.text("type") or _TYPES[0]
    if kind not in _TYPES:
        raise invalid("type")
    known = work.transaction.things("postback")
    if len(known) >= _MAX_POSTBACKS:
        raise RefusedError(f"An app can have at most {_MAX_POSTBACKS} postbacks.")
    while str(postback_id := number(work.transaction, "postback", _FIRST_ID)) in known:
        pass  # a seed has it
    postback = {"postbackId": postback_id, "type": kind, "postbackUrl": url}
    channels = [str(channel) for channel in work.arguments.sequence("channels")]
    work.transaction.put_thing("postback", str(postback_id), postback | {"channels": channels})
    return {"postbackId": postback_id}


def list_postbacks(work: Work) -> Element:
    # The API does not tell the channels.
    shown = ("postbackId", "type", "postbackUrl")
    return {
        "postbacks": [
            {name: one[name] for name in shown} for one in work.transaction.things("postback").values()
        ]
    }


def delete_postback(work: Work) -> Element:
    postback_id = work.arguments.required_text("postbackId")
    if work.transaction.thing("postback", postback_id) is None:
        raise RefusedError("Postback not found.", 404)
    work.transaction.remove_thing("postback", postback_id)
    return {}


def number(transaction: Transaction, kind: str, first: int = 1) -> int:
    """Return the next number of its kind; none is given twice."""
    given = transaction.thing("sequence", kind) or first
    transaction.put_thing("sequence", kind, given + 1)
    return int(given)


def announce(work: Work, message_id: str, message: Mapping[str, Any], event: str) -> None:
    channel = str(message.get("messageType", ""))
    for postback in work.transaction.things("postback").values():
        channels = postback.get("channels") or []
        if postback.get("type", _TYPES[0]) != _TYPES[0] or (channels and channel not in channels):
            continue
        values = {
            "User ID": work.user.user_id,
            "Device ID": work.arguments.plain("deviceId") or "",
            "Trigger time": str(int(work.now * 1000)),
            "Message ID": message_id,
            "Message event": event,
            "Message channel": channel,
            "Template name": "",
            "Parameters": orjson.dumps(
                {name: quote(str(value), safe="") for name, value in work.arguments.mapping("values").items()}
            ).decode(),
        }
        work.deliveries.append(Delivery(_filled(postback["postbackUrl"], values)))


def _filled(template: str, values: Mapping[str, str]) -> str:
    return re.sub(
        r"\{\{\s*([^{}]*?)\s*\}\}", lambda found: quote(values.get(found[1], ""), safe=""), template
    )
