"""What users do: sessions, states and events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from leanplum_sync.client.api.call import Call, Done, call, done, read_done, who
from leanplum_sync.client.api.fields import flag
from leanplum_sync.client.api.variables import Content, read_content
from leanplum_sync.wire.action import Json

Disposition = Literal["active", "passive", "requireActive"]


@dataclass(frozen=True, slots=True)
class Tracked:
    """*offline*: recorded outside a session. *advisory* is a warning that the API replaced the timestamp."""

    offline: bool
    advisory: str = ""


def start(
    user_id: str | None = None,
    *,
    device_id: str | None = None,
    create: bool = False,
    attributes: Mapping[str, Json] | None = None,
    device: Mapping[str, str] | None = None,
    location: Mapping[str, Json] | None = None,
    background: bool | None = None,
    include_defaults: bool | None = None,
) -> Call[Content]:
    """
    Open a session and return the content for the user.

    *device* and *location* hold fields such as ``systemName`` and ``country``. A server must not send the location
    ``(detect)``: it would be the server's own.
    """
    return call(
        "start",
        read_content,
        {
            **who(user_id, device_id, create=create),
            **(device or {}),
            **(location or {}),
            "userAttributes": attributes,
            "background": background,
            "includeDefaults": include_defaults,
        },
    )


def stop(user_id: str | None = None, *, device_id: str | None = None, create: bool = False) -> Call[Done]:
    return done("stop", who(user_id, device_id, create=create))


def pause_session(
    user_id: str | None = None, *, device_id: str | None = None, create: bool = False
) -> Call[Done]:
    return done("pauseSession", who(user_id, device_id, create=create))


def resume_session(
    user_id: str | None = None, *, device_id: str | None = None, create: bool = False
) -> Call[Done]:
    return done("resumeSession", who(user_id, device_id, create=create))


def heartbeat(
    user_id: str | None = None, *, device_id: str | None = None, create: bool = False
) -> Call[Done]:
    """Keep a session open: it ends after two hours without activity, or half an hour after a pause."""
    return done("heartbeat", who(user_id, device_id, create=create))


def advance(
    state: str,
    user_id: str | None = None,
    *,
    device_id: str | None = None,
    create: bool = False,
    info: str | None = None,
    params: Mapping[str, Json] | None = None,
) -> Call[Done]:
    """Enter *state*; "" leaves the current state."""
    arguments = {"state": state, "info": info, "params": params}
    return done("advance", {**who(user_id, device_id, create=create), **arguments})


def pause_state(
    user_id: str | None = None, *, device_id: str | None = None, create: bool = False
) -> Call[Done]:
    return done("pauseState", who(user_id, device_id, create=create))


def resume_state(
    user_id: str | None = None, *, device_id: str | None = None, create: bool = False
) -> Call[Done]:
    return done("resumeState", who(user_id, device_id, create=create))


def track(
    event: str,
    user_id: str | None = None,
    *,
    device_id: str | None = None,
    create: bool = False,
    value: float | None = None,
    currency_code: str | None = None,
    info: str | None = None,
    time: float | None = None,
    params: Mapping[str, Json] | None = None,
    message_id: int | None = None,
    disposition: Disposition | None = None,
) -> Call[Tracked]:
    """
    Record one occurrence of *event*. Calling this twice counts it twice.

    With *message_id*, the event belongs to that message: "" is its View or Send, others are ``Open``, ``Accept`` and
    so on. *time*, in epoch seconds, older than a year is rewritten to now, with an advisory.
    """
    return call(
        "track",
        _read_tracked,
        {
            **who(user_id, device_id, create=create),
            "event": event,
            "value": value,
            "currencyCode": currency_code,
            "info": info,
            "time": time,
            "params": params,
            "messageId": message_id,
            "disposition": disposition,
        },
    )


def _read_tracked(element: Mapping[str, Json]) -> Tracked:
    return Tracked(flag(element, "isOffline"), read_done(element).advisory)
