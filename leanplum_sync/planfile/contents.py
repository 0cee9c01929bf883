"""Adds up the rows of a plan file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

from leanplum_sync.address import Subject
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.plan import Contents
from leanplum_sync.planner.triggers import Trigger
from leanplum_sync.wire.thing import written_by

# All in one scan of the actions. A batch holds a subject's actions one after the other, so each change of subject is a lookup.
# ``deleteUser`` is not billed. An action without a change of its subject, or with another id in its arguments, is misdirected.
_ACTIONS: Final = """
SELECT
    sum(name = 'sendMessage' AND json_extract(arguments, '$.force') IS NOT NULL),
    count(DISTINCT CASE WHEN name = 'setUserAttributes'
        AND json_extract(arguments, '$.createDisposition') = 'CreateIfNeeded' THEN subject END),
    sum(name <> 'deleteUser' AND (batch, subject) IS NOT (previous_batch, previous_subject) AND NOT is_thing(subject)),
    count(DISTINCT CASE WHEN deliveries <> '[]' AND name = 'setUserAttributes' AND
        json_extract(arguments, '$.unsubscribeChannelsToRemove', '$.unsubscribeCategoriesToRemove') <> '[null,null]'
        OR name IN ('deleteUser', 'block')
        THEN batch || ' ' || subject END),
    sum(deliveries <> '[]'),
    sum(subject IS NOT coalesce(
            'user:' || json_extract(arguments, '$.userId'), 'device:' || json_extract(arguments, '$.deviceId'),
            thing_of(name, arguments))
        OR NOT EXISTS (SELECT 1 FROM change WHERE change.subject = acted.subject))
FROM (
    SELECT *, lag(batch) OVER (ORDER BY number) AS previous_batch, lag(subject) OVER (ORDER BY number) AS previous_subject
    FROM action
) AS acted
"""


_EVENTS: Final = """
SELECT DISTINCT json_extract(arguments, '$.event') FROM action WHERE name = 'track' ORDER BY 1
"""
_OLDEST_EVENT: Final = "SELECT min(json_extract(arguments, '$.time')) FROM action WHERE name = 'track'"
_CHANGED: Final = "SELECT count(DISTINCT subject) FROM change WHERE NOT is_thing(subject)"
_OF_VARIABLES: Final = {
    "setVars": ChangeKind.VARIABLE,
    "deleteVars": ChangeKind.VARIABLE_GONE,
}
_DELETES: Final = ("deleteAndroidNotificationChannel", "deletePostback")  # of things other than variables
_VARIABLES: Final = (
    "SELECT DISTINCT substr(subject, length('variable:') + 1) FROM action WHERE name IN (?, ?) ORDER BY 1"
)
_TRIGGERED: Final = """
SELECT count(DISTINCT subject) FROM action WHERE name = 'track'
    AND (:any OR json_extract(arguments, '$.event') IN (SELECT value FROM json_each(:events)))
"""


def count_contents(connection: sqlite3.Connection, triggers: Sequence[Trigger] = ()) -> Contents:
    """
    Return what the rows add up to. Where changes and actions differ, the larger number counts.

    *triggers* are the messages that its events trigger, as the plan says.

    Raises:
        sqlite3.Error, ValueError: a row is damaged.
    """

    def by_name(query: str) -> dict[Any, int]:
        return dict(connection.execute(query).fetchall())

    connection.create_function("is_thing", 1, _is_thing, deterministic=True)
    connection.create_function("thing_of", 2, _thing_of, deterministic=True)
    actions = by_name("SELECT name, count(*) FROM action GROUP BY name")
    kinds = by_name("SELECT kind, count(*) FROM change GROUP BY kind")
    changes = {ChangeKind(kind): count for kind, count in kinds.items()}
    sends = max(actions.get("sendMessage", 0), changes.get(ChangeKind.SEND, 0))
    if sends:
        changes[ChangeKind.SEND] = sends
    for kind, name in ((ChangeKind.ERASE, "deleteUser"), (ChangeKind.BLOCK, "block")):
        if erased := max(actions.get(name, 0), changes.get(kind, 0)):
            changes[kind] = erased
    tracked = max(actions.get("track", 0), changes.get(ChangeKind.EVENT, 0))
    if tracked:
        changes[ChangeKind.EVENT] = tracked
    _count_things(actions, changes)
    forced_sends, creating, lookups, checks, deliveries, misdirected = (
        int(number or 0) for number in connection.execute(_ACTIONS).fetchone()
    )
    (changed,) = connection.execute(_CHANGED).fetchone()
    events: tuple[str, ...] = ()
    oldest, triggered = None, 0
    if "track" in actions:
        events = tuple(str(name) for (name,) in connection.execute(_EVENTS))
        (found,) = connection.execute(_OLDEST_EVENT).fetchone()
        oldest = float(found)
        given = {
            "any": any(not trigger.is_known for trigger in triggers),
            "events": json.dumps(sorted({event for trigger in triggers for event in trigger.events})),
        }
        (triggered,) = connection.execute(_TRIGGERED, given).fetchone()
    return Contents(
        actions=actions,
        changes=changes,
        changed=changed,
        created=max(changes.get(ChangeKind.CREATE, 0), creating),
        forced_sends=forced_sends,
        lookups=lookups,
        checks=checks,
        misdirected=misdirected,
        deliveries=deliveries,
        events=events,
        oldest_event=oldest,
        triggered=triggered,
        variables=tuple(str(name) for (name,) in connection.execute(_VARIABLES, list(_OF_VARIABLES)))
        if actions.keys() & _OF_VARIABLES.keys()
        else (),
    )


def _count_things(actions: Mapping[str, int], changes: dict[ChangeKind, int]) -> None:
    replaced = changes.get(ChangeKind.THING_REPLACED_AWAY, 0)
    removed = sum(actions.get(name, 0) for name in _DELETES) - replaced
    counts = {kind: actions.get(name, 0) for name, kind in _OF_VARIABLES.items()}
    counts[ChangeKind.THING_REMOVED] = removed
    for kind, count in counts.items():
        if most := max(count, changes.get(kind, 0)):
            changes[kind] = most


def _is_thing(subject: str) -> bool:
    return Subject.parse(subject).kind.is_thing


def _thing_of(name: str, arguments: str) -> str | None:
    """Return the thing of the app that an action is about, as ``kind:id``."""
    found = written_by(name, json.loads(arguments))
    return None if found is None else str(found[0])
