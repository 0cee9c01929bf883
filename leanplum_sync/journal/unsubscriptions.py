"""When runs unsubscribed users, by footprints: what counts if the API shows no date."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa

from leanplum_sync.journal.footprints import rows_about, unpacked
from leanplum_sync.journal.rows import Row
from leanplum_sync.journal.schema import batch_table, footprint_table, run_table
from leanplum_sync.journal.texts import Texts
from leanplum_sync.planner.footprint import left_by

Select: TypeAlias = Callable[[sa.Select[Any]], Sequence[Row]]


def unsubscriptions(
    select: Select, texts: Texts, app: str, subjects: Sequence[str]
) -> Mapping[str, Mapping[str, float]]:
    """Return when runs of *app* last unsubscribed each of *subjects*, in epoch seconds, by channel and category."""
    footprint, batch, run = footprint_table, batch_table, run_table
    runs = [row.number for row in select(sa.select(run.c.number).where(run.c.app == app))]
    query = (
        rows_about(runs, subjects)
        .join(batch, sa.and_(batch.c.run == footprint.c.run, batch.c.sequence == footprint.c.sequence))
        .join(run, run.c.number == footprint.c.run)
        .add_columns(batch.c.sent_at, run.c.started_at)
    )
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in select(query):
        at = float(row.started_at if row.sent_at is None else row.sent_at)
        for subject, left in unpacked(row, texts, frozenset(subjects)).items():
            for field in left_by(left):
                found[subject][field] = max(at, found[subject].get(field, at))
    return found
