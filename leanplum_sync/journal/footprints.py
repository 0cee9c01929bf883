"""
Footprints in the journal: fingerprints of written values, by subject and field, with one row per batch.

A row of its own for each field of a million users would be millions of rows. Users of one batch have mostly the same fields,
so a row is a list of groups: the names of the fields, and by subject their fingerprints in that order. That comes to some 80 bytes
for a user with seven fields. With a key, the row is sealed as a whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import orjson
import sqlalchemy as sa

from leanplum_sync.journal.schema import batch_subject_table, footprint_table
from leanplum_sync.journal.texts import Texts
from leanplum_sync.planner.footprint import footprints
from leanplum_sync.wire.batch import PlannedAction


def packed(done: Iterable[PlannedAction]) -> str:
    """Return the footprints of the actions that are *done*, encoded for a row; empty if there are none."""
    by_subject: dict[str, dict[str, str]] = defaultdict(dict)
    for planned in done:
        by_subject[str(planned.subject)].update(footprints(planned.action))
    groups: dict[tuple[str, ...], dict[str, list[str]]] = defaultdict(dict)
    for subject, left in by_subject.items():
        if left:
            groups[tuple(left)][subject] = list(left.values())
    return orjson.dumps([[names, subjects] for names, subjects in groups.items()]).decode() if groups else ""


def unpacked(row: sa.Row[Any], texts: Texts, subjects: Collection[str]) -> Mapping[str, Mapping[str, str]]:
    """
    Return the footprints of each of *subjects* that is in the row.

    Raises:
        CredentialError, JournalCorruptError: the row can't be read.
    """
    text = texts.open(row.fields, "fields", row.run, row.sequence)
    found: dict[str, dict[str, str]] = defaultdict(dict)
    try:
        for names, left in orjson.loads(text):
            for subject in left.keys() & subjects:
                found[subject].update(zip(map(str, names), map(str, left[subject]), strict=True))
    except (ValueError, TypeError, AttributeError) as error:
        raise texts.damaged(row.run) from error
    return found


def rows_about(runs: Collection[int], subjects: Collection[str]) -> sa.Select[Any]:
    """Select the rows in which any of *subjects* is, the oldest first."""
    table, of_batch = footprint_table, batch_subject_table
    batches = (
        sa.select(of_batch.c.run, of_batch.c.sequence)
        .where(of_batch.c.run.in_(runs), of_batch.c.subject.in_(subjects))
        .distinct()
        .subquery()
    )
    return (
        sa.select(table)
        .join(batches, sa.and_(table.c.run == batches.c.run, table.c.sequence == batches.c.sequence))
        .order_by(table.c.run, table.c.sequence, table.c.attempt)
    )
