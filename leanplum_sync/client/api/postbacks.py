"""Postbacks: Leanplum calls a URL when a message or a test does something. An app may have three."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from leanplum_sync.client.api.call import Call, Done, call, done
from leanplum_sync.client.api.fields import each, integer, text
from leanplum_sync.wire.action import Json

PostbackType = Literal["messageEvents", "abTestEvents"]


@dataclass(frozen=True, slots=True)
class Postback:
    """The API doesn't return the channels. *url* may contain a secret, so it is not shown."""

    id: int | None
    type: str
    url: str

    def __repr__(self) -> str:
        return f"Postback(id={self.id}, type={self.type!r})"


def add_postback(
    url: str, *, postback_type: PostbackType = "messageEvents", channels: Sequence[str] = ()
) -> Call[int | None]:
    """
    Return the new postback's id. Calling this twice creates two postbacks.

    *url* is a template: ``https://hooks.example.com/?u={{User ID}}&e={{Message event}}``. *channels* are ``Push
    Notification``, ``Email`` and ``In-app Message``; none means all.
    """
    return call(
        "addPostback",
        lambda element: integer(element, "postbackId"),
        {"type": postback_type, "postbackUrl": url, "channels": list(channels) or None},
    )


def list_postbacks() -> Call[tuple[Postback, ...]]:
    return call("listPostbacks", lambda element: each(element, "postbacks", _read_postback), {})


def delete_postback(postback_id: int) -> Call[Done]:
    return done("deletePostback", {"postbackId": postback_id})


def _read_postback(fields: Mapping[str, Json]) -> Postback:
    return Postback(integer(fields, "postbackId"), text(fields, "type"), text(fields, "postbackUrl"))
