"""
Subscriptions of a user: what exportUser shows of them, and the arguments of setUserAttributes that change them.

A field is a channel, such as ``Email``, or ``category ID``. Its state is ``subscribed`` or ``unsubscribed``.

Source: Leanplum OpenAPI, setUserAttributes and exportUser. Everyone starts subscribed to everything. A profile lists what
the user unsubscribed from, without dates. Source: Leanplum docs, manage email subscriptions: unsubscribing fires the event
``Unsubscribe``. Messages have events of their own, ``.mID Unsubscribe`` and ``.mID Marked as spam``. exportUser shows when each
last happened, whatever the channel was.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from leanplum_sync.errors import UnexpectedResponseError
from leanplum_sync.wire.action import Json

CHANNELS: Final = ("Email", "Push Notification", "Webhook", "Newsfeed Message")
SUBSCRIBED: Final = "subscribed"
UNSUBSCRIBED: Final = "unsubscribed"
_CATEGORY: Final = "category "
_UNSUBSCRIPTIONS: Final = ("unsubscribe", "marked as spam")  # how the names of such events end, in lower case
_ARGUMENTS: Final = {
    (False, UNSUBSCRIBED): "unsubscribeChannelsToAdd",
    (False, SUBSCRIBED): "unsubscribeChannelsToRemove",
    (True, UNSUBSCRIBED): "unsubscribeCategoriesToAdd",
    (True, SUBSCRIBED): "unsubscribeCategoriesToRemove",
}


def category(category_id: Json) -> str:
    """Return the field of a category."""
    return f"{_CATEGORY}{category_id}"


def subscription_arguments(states: Mapping[str, str]) -> dict[str, Json]:
    """
    Return the arguments of setUserAttributes that give each field its state.

    Source: Leanplum OpenAPI types the channels as text; clients send lists, too. So a single channel is text.
    """
    found: dict[str, Json] = {}
    for field in sorted(states):
        is_category = field.startswith(_CATEGORY)
        argument = _ARGUMENTS[is_category, states[field]]
        found.setdefault(argument, []).append(field.removeprefix(_CATEGORY))
    for state in (UNSUBSCRIBED, SUBSCRIBED):
        argument = _ARGUMENTS[False, state]
        if len(found.get(argument, ())) == 1:
            found[argument] = found[argument][0]
    return found


def subscription_states(arguments: Mapping[str, Json]) -> dict[str, str]:
    """Return the state that *arguments* give each field: the inverse of ``subscription_arguments``."""
    found: dict[str, str] = {}
    for (is_category, state), argument in _ARGUMENTS.items():
        given = arguments.get(argument) or ()
        for item in [given] if isinstance(given, str) else given:
            found[category(item) if is_category else item] = state
    return found


def resubscribed(arguments: Mapping[str, Json]) -> frozenset[str]:
    """Return the fields that *arguments* of setUserAttributes re-subscribe."""
    states = subscription_states(arguments)
    return frozenset(field for field, state in states.items() if state == SUBSCRIBED)


def shown_states(element: Mapping[str, Json]) -> dict[str, str]:
    """
    Return the fields that the user in an exportUser *element* unsubscribed from.

    Raises:
        TypeError: the element shows them in an unknown shape.
    """
    channels = map(_text, _list(element.get("unsubscribeChannels")))
    shown = _list(element.get("unsubscribeCategories"))
    ids = (_text(each.get("id") if isinstance(each, dict) else each) for each in shown)
    return dict.fromkeys((*channels, *map(category, ids)), UNSUBSCRIBED)


def last_unsubscribed(element: Mapping[str, Json]) -> float | None:
    """
    Return when the user last unsubscribed from anything, in epoch seconds; None if the element shows no such event.

    Every event counts that may be an unsubscription. If one has no readable date, that is infinity, later than any consent.
    """
    events = element.get("events")
    if not isinstance(events, dict):
        return math.inf if events else None
    dates = (
        _last_time(event) for name, event in events.items() if name.strip().lower().endswith(_UNSUBSCRIPTIONS)
    )
    return max(dates, default=None)


def _last_time(event: Json) -> float:
    last = event.get("lastTime") if isinstance(event, dict) else None
    if isinstance(last, bool) or not isinstance(last, int | float) or last <= 0:
        return math.inf
    return float(last)


def read_categories(element: Mapping[str, Json]) -> dict[str, str]:
    """
    Return the name of each category in a getUnsubscribeCategories *element*, by its id.

    Raises:
        UnexpectedResponseError: *element* lists no categories.
    """
    try:
        return {_text(each["id"]): str(each.get("name") or "") for each in _list(element["categories"])}
    except (TypeError, KeyError, AttributeError):
        raise UnexpectedResponseError(
            'The response to getUnsubscribeCategories has no list of categories named "categories".'
        ) from None


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list | None):
        raise TypeError
    return value or []


def _text(value: Json) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError
    return str(value)
