"""Messages, campaigns, and what people can opt out of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from leanplum_sync.client.api.call import Call, Done, call, done, read_done, who
from leanplum_sync.client.api.fields import each, integer, mapping, text
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.message import Message, read_message, read_messages


@dataclass(frozen=True, slots=True)
class Sent:
    """*messages_sent* counts queued messages, not delivered ones; None if the API doesn't return it."""

    messages_sent: int | None
    result: str
    advisory: str = ""


@dataclass(frozen=True, slots=True)
class UnsubscribeCategory:
    id: int | None
    name: str
    description: str


def send_message(
    message_id: int,
    user_id: str | None = None,
    *,
    device_id: str | None = None,
    create: bool = False,
    values: Mapping[str, Json] | None = None,
    force: bool = False,
) -> Call[Sent]:
    """
    Queue a started message with manual delivery: to a device, or to all devices of a user.

    Without *force*, only users in the message's audience get it. Calling this twice sends the message
    twice. If the user doesn't exist, a ``RejectedError`` is raised.
    """
    arguments = {"messageId": message_id, "values": values, "force": force}
    return call("sendMessage", _read_sent, {**who(user_id, device_id, create=create), **arguments})


def start_campaign(
    campaign_id: int,
    user_id: str | None = None,
    *,
    device_id: str | None = None,
    create: bool = False,
    values: Mapping[str, Json] | None = None,
    force: bool | None = None,
) -> Call[Done]:
    """*campaign_id* is the number after ``composer/`` in the dashboard's address."""
    arguments = {"campaignId": campaign_id, "values": values, "force": force}
    return done("startCampaign", {**who(user_id, device_id, create=create), **arguments})


def get_message(message_id: int) -> Call[Message]:
    """If the message doesn't exist, a ``RejectedError`` with status 404 is raised."""
    return call("getMessage", lambda element: read_message(mapping(element, "message")), {"id": message_id})


def get_messages(*, include_drafts: bool = False, recent: bool = True) -> Call[tuple[Message, ...]]:
    """With *recent*, only return messages that are active or have finished recently."""
    return call("getMessages", read_messages, {"includeDrafts": include_drafts, "recent": recent})


def get_unsubscribe_categories() -> Call[tuple[UnsubscribeCategory, ...]]:
    return call("getUnsubscribeCategories", lambda element: each(element, "categories", _read_category), {})


def _read_sent(element: Mapping[str, Json]) -> Sent:
    return Sent(integer(element, "messagesSent"), text(element, "result"), read_done(element).advisory)


def _read_category(fields: Mapping[str, Json]) -> UnsubscribeCategory:
    return UnsubscribeCategory(integer(fields, "id"), text(fields, "name"), text(fields, "description"))
