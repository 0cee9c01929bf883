"""
Past events in a plan: what a change says of one, the actions that record it, and how it shows in a profile.

A change for an event has the user's count of it as *before*, None for none. Its *after* is a mapping with the row's ``key``,
the ``time`` in epoch seconds, and ``value``, ``currency`` and ``parameters`` if the event has them.
"""

from __future__ import annotations

from collections.abc import Mapping

from leanplum_sync.kinds.rows.desires import TrackEvent
from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.batch import PlannedAction
from leanplum_sync.wire.event import CLOCKS_DIFFER_SECONDS, event_delivery
from leanplum_sync.wire.profile import Profile


def kind_of(event: TrackEvent) -> ChangeKind:
    return ChangeKind.EVENT_TOTAL if event.as_total else ChangeKind.EVENT


def said_of(event: TrackEvent) -> dict[str, Json]:
    """Return the *after* of the change."""
    parameters = dict(event.parameters) or None
    return {
        "key": event.key,
        "time": event.time,
        **_given(value=event.value, currency=event.currency, parameters=parameters),
    }


def track_arguments(event: TrackEvent) -> dict[str, Json]:
    """
    Return the arguments of ``track``, besides the user's.

    ``passive``: importing an event doesn't mark the user as active. Source: Leanplum's OpenAPI, track.
    """
    parameters = dict(event.parameters) or None
    return {
        "event": event.name,
        "time": event.time,
        "disposition": "passive",
        **_given(value=event.value, currencyCode=event.currency, params=parameters),
    }


def _given(**values: Json) -> dict[str, Json]:
    return {name: value for name, value in values.items() if value is not None}


def add_to_totals(totals: dict[str, dict[str, Json]], event: TrackEvent) -> None:
    """
    Add *event* to *totals*, which become the ``events`` of ``setUserAttributes``.

    Counts and values are added to what the user has, so that events of the app in the meantime are not lost. Source:
    Leanplum's OpenAPI, setUserAttributes; recorded traffic: the API keeps the earliest first and the latest last time.
    """
    total = totals.setdefault(
        event.name, {"countIncrement": 0, "firstTime": event.time, "lastTime": event.time}
    )
    total["countIncrement"] += 1
    total["firstTime"] = min(total["firstTime"], event.time)
    total["lastTime"] = max(total["lastTime"], event.time)
    if event.value is not None:
        total["valueIncrement"] = total.get("valueIncrement", 0) + event.value


def records(planned: PlannedAction, change: Change) -> bool:
    """Return whether the action records the event of *change*."""
    name = "setUserAttributes" if change.kind is ChangeKind.EVENT_TOTAL else "track"
    if planned.action.name != name or not isinstance(change.after, dict):
        return False
    end = event_delivery("", str(change.after.get("key")))
    return any(key.resource == change.resource and key.name.endswith(end) for key in planned.deliveries)


def count_of(profile: Profile, event: str) -> int | None:
    """Return how often the user had *event*; None if never."""
    known = profile.events.get(event)
    count = known.get("count") if isinstance(known, Mapping) else None
    return int(count) if isinstance(count, int | float) and count else None


def is_counted(change: Change, planned: int, profile: Profile) -> bool:
    """
    Return whether the user's count of the event has grown by at least *planned*, the number of such changes of the user.

    The app may have recorded more, so only a count that is too small proves something.
    """
    return (count_of(profile, change.field) or 0) >= (change.before or 0) + planned


def is_in_time(change: Change, profile: Profile) -> bool:
    """
    Return whether the event may have been recorded at its own time: the user's first one was not later.

    Source: recorded traffic: the API keeps the earliest first time.
    """
    first = profile.events.get(change.field, {}).get("firstTime")
    time = change.after.get("time") if isinstance(change.after, Mapping) else None
    if not isinstance(first, int | float) or not isinstance(time, int | float):
        return True
    return first <= time + CLOCKS_DIFFER_SECONDS
