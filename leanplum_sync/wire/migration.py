"""
Whether an app is being migrated from Leanplum to CleverTap, according to ``getMigrateState``.

Source: Leanplum's Android, iOS and JavaScript SDKs. They know three states, NONE, EVENTS_UPLOAD_STARTED and
SDK_TRAFFIC_STOPPED, and for profiles and for events of API calls the system they go to: ``lp``, ``ct``, or ``lp+ct``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import orjson

from leanplum_sync.wire.action import Json
from leanplum_sync.wire.catalogue import KeyClass

MIGRATION_KEYS: Final = (KeyClass.PRODUCTION, KeyClass.DEVELOPMENT)  # what SDKs ask with


class Migration(StrEnum):
    NONE = "none"
    COPYING = "copying"  # what Leanplum receives is copied to CleverTap
    MOVED = "moved"  # CleverTap has the traffic; Leanplum's profiles may be stale


def read_migration(element: Mapping[str, Json]) -> Migration:
    """
    Return the state in a ``getMigrateState`` *element*.

    Where the state and the systems disagree, the later stage counts, and an unknown state counts as a migration under way.
    """
    api = element.get("api")
    systems = set(api.values() if isinstance(api, dict) else ()) if _is_flat(api) else {"?"}
    state = element.get("state", "NONE")
    if state == "SDK_TRAFFIC_STOPPED" or "ct" in systems:
        return Migration.MOVED
    return Migration.NONE if state == "NONE" and systems <= {"lp"} else Migration.COPYING


def read_migration_hash(body: bytes) -> str | None:
    """Return ``migrateState.sha256`` beside the elements of a response, None if it has none: it changes with the state."""
    if b'"migrateState"' not in body:  # nearly every response
        return None
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    state = parsed.get("migrateState") if isinstance(parsed, dict) else None
    found = state.get("sha256") if isinstance(state, dict) else None
    return found if isinstance(found, str) else None


def _is_flat(api: Json) -> bool:
    return not isinstance(api, dict) or all(isinstance(system, str) for system in api.values())
