"""Adds up the rows of a plan file."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.plan import Contents

_FORCED: Final = "SELECT count(*) FROM action WHERE name = 'sendMessage' AND json_extract(arguments, '$.force') IS NOT NULL"
_CREATING: Final = (
    "SELECT count(DISTINCT subject) FROM action WHERE name = 'setUserAttributes'"
    " AND json_extract(arguments, '$.createDisposition') = 'CreateIfNeeded'"
)
_MISDIRECTED: Final = (
    "SELECT count(*) FROM action WHERE subject IS NOT CASE WHEN json_type(arguments, '$.userId') IS NULL"
    " THEN 'device:' || json_extract(arguments, '$.deviceId') ELSE 'user:' || json_extract(arguments, '$.userId') END"
)
_LOOKUPS: Final = "SELECT count(*) FROM (SELECT DISTINCT batch, subject FROM action)"


def count_contents(connection: sqlite3.Connection) -> Contents:
    """
    Return what the rows add up to. Where changes and actions differ, the larger number counts.

    Raises:
        sqlite3.Error, ValueError: a row is damaged.
    """

    def one(query: str) -> int:
        return int(connection.execute(query).fetchone()[0])

    def by_name(query: str) -> dict[Any, int]:
        return dict(connection.execute(query).fetchall())

    actions = by_name("SELECT name, count(*) FROM action GROUP BY name")
    kinds = by_name("SELECT kind, count(*) FROM change GROUP BY kind")
    changes = {ChangeKind(kind): count for kind, count in kinds.items()}
    sends = max(actions.get("sendMessage", 0), changes.get(ChangeKind.SEND, 0))
    if sends:
        changes[ChangeKind.SEND] = sends
    return Contents(
        actions=actions,
        changes=changes,
        changed=max(one(f"SELECT count(DISTINCT subject) FROM {table}") for table in ("change", "action")),  # noqa: S608 - constants
        created=max(changes.get(ChangeKind.CREATE, 0), one(_CREATING)),
        forced_sends=one(_FORCED),
        lookups=one(_LOOKUPS),
        misdirected=one(_MISDIRECTED),
    )
