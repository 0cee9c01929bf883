"""The counts: what reached the server and what took effect. Tests rely on them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from leanplum_sync.emulator.store import Store

REQUESTS = "requests"
ACTIONS = "actions"
EFFECTS = "effects"
WRITES = "writes"
LOOKUPS = "billableLookups"
REJECTED = "rejectedRequests"
OVERLAPS = "overlaps"
OVERLAPPED = "overlaps.users"
FAULTS = "faults"


def counted(store: Store, *, detail: bool) -> dict[str, Any]:
    """
    Return the counts as JSON; ``docs/emulator.md`` explains each field.

    With *detail*, ``sends`` is ``{message: {user: count}}``, ``increments`` ``{user: {attribute: count}}``, and ``events``
    ``{user: {event: {"total": ..., "repeated": ...}}}``. Without, all are totals, so that the response stays short with a million
    recipients.
    """
    counters = store.counters()

    def by_key(name: str) -> dict[str, int]:
        return {key: n for (found, key), n in sorted(counters.items()) if found == name}

    lookups, requests, overlapped = by_key(LOOKUPS), by_key(REQUESTS), by_key(OVERLAPPED)
    return {
        "requests": {"total": sum(requests.values()), "byAction": requests},
        "actions": by_key(ACTIONS),
        "billableLookups": {
            "total": sum(lookups.values()),
            "reads": lookups.get("reads", 0),
            "writes": lookups.get("writes", 0),
        },
        "writes": counters.get((WRITES, ""), 0),
        "effects": by_key(EFFECTS),
        "sends": _sends(store, detail=detail),
        "increments": _increments(store, detail=detail),
        "events": _events(store, detail=detail),
        "overlaps": {
            "times": counters.get((OVERLAPS, ""), 0),
            "users": overlapped if detail else len(overlapped),
        },
        "rejectedRequests": by_key(REJECTED),
        "faults": by_key(FAULTS),
    }


def _sends(store: Store, *, detail: bool) -> dict[str, Any]:
    if detail:
        return _nested(store.sent())
    return {
        message_id: {"total": total, "users": users, "usersWithMoreThanOne": repeated}
        for message_id, total, users, repeated in store.sent_totals()
    }


def _increments(store: Store, *, detail: bool) -> dict[str, Any]:
    if detail:
        return _nested(store.increments())
    total, users = store.increment_totals()
    return {"total": total, "users": users}


def _events(store: Store, *, detail: bool) -> dict[str, Any]:
    if not detail:
        return {
            event: {"total": total, "users": users, "repeated": repeated}
            for event, total, users, repeated in store.occurrence_totals()
        }
    nested: dict[str, dict[str, Any]] = {}
    for user, event, total, repeated in store.occurrences():
        nested.setdefault(user, {})[event] = {"total": total, "repeated": repeated}
    return nested


def _nested(rows: Iterable[tuple[str, str, int]]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for outer, inner, n in rows:
        nested.setdefault(outer, {})[inner] = n
    return nested
