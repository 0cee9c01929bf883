"""A message of the dashboard as getMessages lists it, read leniently: only its id is required."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from leanplum_sync.errors import UnexpectedResponseError
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.fingerprint import fingerprint

FINGERPRINT: Final = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Message:
    """
    *type* is the channel, such as ``Push Notification`` or ``Email``; *state* is ``active``, ``inactive`` or
    ``finished``, and "" if the server doesn't say. *active* is the older field and always present. *fields* has the whole response.
    """

    id: int
    name: str
    active: bool
    type: str
    state: str
    fields: Mapping[str, Json]

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that differ once anything that Leanplum shows of the message differs."""
        return fingerprint("message", json.dumps(self.fields, sort_keys=True))[:16]


def read_message(fields: Mapping[str, Json]) -> Message:
    """
    Raises:
        UnexpectedResponseError: *fields* is no message.
    """
    identifier = fields.get("id") if isinstance(fields, dict) else None
    try:
        number = int(identifier)  # type: ignore[arg-type]  # any JSON: int() raises for what isn't a number
    except (TypeError, ValueError, OverflowError):
        raise UnexpectedResponseError("Leanplum listed a message without a number as its id.") from None
    return Message(
        id=number,
        name=_text(fields.get("name")),
        active=fields.get("active") is True,
        type=_text(fields.get("messageType")),
        state=_text(fields.get("state")),
        fields=fields,
    )


def read_messages(element: Mapping[str, Json]) -> tuple[Message, ...]:
    """
    Raises:
        UnexpectedResponseError: the getMessages *element* lists no messages, or something else among them.
    """
    listed = element.get("messages")
    if not isinstance(listed, list):
        raise UnexpectedResponseError('The response to getMessages has no list named "messages".')
    return tuple(map(read_message, listed))


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
