"""
The specs that were applied last: the resources of every plan that was carried out completely, as they were
at that time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa

from leanplum_sync.journal.database import Database
from leanplum_sync.journal.entry import RunState
from leanplum_sync.journal.lock import Lease
from leanplum_sync.journal.schema import applied_spec_table, run_table

NO_RUN: Final = 0  # of a plan that found nothing to do


def remember_specs(
    database: Database,
    connection: sa.Connection,
    lease: Lease,
    specs: Mapping[str, str],
    *,
    run: int,
    now: float,
) -> None:
    """Remember *specs*, ``{kind/name: digest}``, as applied by *run*."""
    rows = [
        {
            "app": lease.app,
            "environment": lease.environment,
            "resource": resource,
            "digest": digest,
            "run": run,
            "applied_at": now,
        }
        for resource, digest in specs.items()
    ]
    database.replace(connection, applied_spec_table, rows)


def is_whole(connection: sa.Connection, lease: Lease, run: int) -> bool:
    """Whether *run*, which has finished, leaves no part of its plan open; of a plan that isn't shared, it is all."""
    _, _, parts = lease.part.partition("/")
    if not parts:
        return True
    table = run_table
    digest = sa.select(table.c.plan_digest).where(table.c.number == run).scalar_subquery()
    finished = sa.select(sa.func.count(sa.distinct(table.c.part))).where(
        table.c.app == lease.app,
        table.c.environment == lease.environment,
        table.c.plan_digest == digest,
        table.c.part.endswith(f"/{parts}", autoescape=True),
        table.c.state == RunState.FINISHED.value,
    )
    return connection.scalar(finished) == int(parts)
