"""Writes the runs of a lost journal into a new one, as far as they are known, see ``rebuilding``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from leanplum_sync.clock import Clock
from leanplum_sync.errors import JournalError
from leanplum_sync.journal.database import Database
from leanplum_sync.journal.entry import DeliveryState, Fate, RunState
from leanplum_sync.journal.lock import Lease
from leanplum_sync.journal.rebuilding import Logged, LoggedRun, Outcome
from leanplum_sync.journal.schema import (
    batch_subject_table,
    delivery_table,
    exception_table,
    run_table,
)
from leanplum_sync.journal.signing import changes_of
from leanplum_sync.journal.states import BatchStates, count_deliveries, resting_state
from leanplum_sync.planner.known import JournalMark
from leanplum_sync.wire.batch import Batch

HELD: Final = "the journal was rebuilt, and the run's log doesn't show whether it happened"


@dataclass(frozen=True, slots=True)
class FoundBatch:
    batch: Batch
    logged: Logged
    outcomes: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run, the size of its plan, and the batches that were, or may have been, *sent*."""

    logged: LoggedRun
    environment: str
    made_at: float = 0.0
    batches: int = 0
    actions: int = 0
    sent: Iterable[FoundBatch] = ()


@dataclass(frozen=True, slots=True)
class Restored:
    """
    How many deliveries are in each state now. *unknown* are sentences about what nothing shows. Unless the journal
    *is_accepted*, a person must accept it before anything is sent.
    """

    runs: int
    deliveries: Mapping[DeliveryState, int]
    unknown: tuple[str, ...] = ()
    is_accepted: bool = False


def restore(
    database: Database,
    clock: Clock,
    lease: Lease,
    runs: Iterable[FoundRun],
    identity: JournalMark | None,
) -> Restored:
    """
    Write *runs*, all or nothing. The journal takes over the *identity* of the lost one, with a higher mark.

    Raises:
        JournalError: the journal has runs already; nothing was written.
    """
    written = 0
    with lease.writing("nothing was rebuilt") as connection:
        if connection.scalar(sa.select(sa.func.count()).select_from(run_table)):
            raise JournalError(
                f"{database.name} already has runs; only a missing or empty journal can be rebuilt. If it is an older copy, move it away first."
            )
        changes = changes_of(connection)
        changes.journal()
        for run in runs:
            connection.execute(sa.insert(run_table).values(_run_row(run, lease, clock)))
            changes.new_run(run.logged.number)
            written += 1
            for found in run.sent:
                _write_batch(database, connection, lease, run.logged.number, found)
        # Only now: a later run may have taken over deliveries of an earlier one.
        count_deliveries(connection)
        deliveries = dict(_counted(connection, lease.app))
        mark = database.mark_in(connection)
        known = identity or mark
        database.become(connection, JournalMark(known.id, max(known.number, mark.number) + 1))
    return Restored(written, deliveries)


def _run_row(run: FoundRun, lease: Lease, clock: Clock) -> dict[str, Any]:
    logged = run.logged
    return {
        "number": logged.number,
        "uid": clock.new_id(),
        "app": lease.app,
        "environment": run.environment,
        "part": "",
        "plan_digest": logged.plan,
        "plan_made_at": run.made_at,
        # Whatever it had open is not known: it can't be resumed.
        "state": RunState.SUPERSEDED.value,
        "batches": run.batches,
        "actions": run.actions,
        "started_at": logged.started_at,
        "ended_at": logged.ended_at,
    }


def _write_batch(
    database: Database, connection: sa.Connection, lease: Lease, run: int, found: FoundBatch
) -> None:
    batch, logged = found.batch, found.logged
    delivering = [each for each in found.outcomes if each.planned.deliveries]
    held = [each for each in delivering if each.state is DeliveryState.HELD]
    done = sum(each.state is DeliveryState.DONE for each in delivering)
    key = {"run": run, "sequence": batch.number}
    values = {
        "wave": batch.wave,
        "delivery_class": batch.delivery_class.value,
        "attempts": 1,
        "body_digest": "",
        "sent_at": logged.sent_at,
        "doubted_at": logged.last_at if held else None,
        "reason": HELD if held else "",
        "open_actions": "[]",
        "sent_actions": None,
        "actions": len(batch.actions),
        "done": done,
        "held": len(held),
        **dict.fromkeys(_ZERO, 0),
    }
    BatchStates(run, lease.fence).restore(connection, batch.number, resting_state(0, len(held)), values)
    connection.execute(
        sa.insert(batch_subject_table),
        [{**key, "subject": str(subject)} for subject in sorted(batch.subjects)],
    )
    exceptions = [
        {
            **key,
            "action": each.planned.number,
            "subject": str(each.planned.subject),
            "fate": Fate.HELD.value,
            "message": HELD,
        }
        for each in held
    ]
    database.replace(connection, exception_table, exceptions)
    # What is known to have happened counts, whatever another run left in doubt.
    known = {(row["subject"], row["name"]) for row in _known(connection, lease.app, delivering)}
    rows = [
        row
        for each in delivering
        if each.state is not None
        for row in _delivery_rows(lease.app, key, each)
        if each.state is DeliveryState.DONE or (row["subject"], row["name"]) not in known
    ]
    database.replace(connection, delivery_table, rows)


_ZERO: Final = (
    "open_count",
    "sent_count",
    "already",
    "skipped",
    "rejected",
    "conflicting",
    "sent_subjects",
    "lookups",
    "recheck_reads",
    "settle_reads",
)


def _known(connection: sa.Connection, app: str, outcomes: Iterable[Outcome]) -> Iterator[sa.RowMapping]:
    subjects = sorted({str(each.planned.subject) for each in outcomes})
    table = delivery_table
    query = sa.select(table.c.subject, table.c.name).where(
        table.c.app == app, table.c.subject.in_(subjects), table.c.state == DeliveryState.DONE.value
    )
    yield from connection.execute(query).mappings()


def _delivery_rows(app: str, batch: Mapping[str, int], outcome: Outcome) -> Iterator[dict[str, Any]]:
    for key in outcome.planned.deliveries:
        yield {
            **batch,
            "app": app,
            "subject": str(key.subject),
            "name": key.name,
            "resource": key.resource,
            "state": outcome.state and outcome.state.value,
            "action": outcome.planned.number,
            "message": outcome.planned.action.arguments.get("messageId"),
        }


def _counted(connection: sa.Connection, app: str) -> Iterator[tuple[DeliveryState, int]]:
    table = delivery_table
    query = sa.select(table.c.state, sa.func.count()).where(table.c.app == app).group_by(table.c.state)
    for state, count in connection.execute(query):
        yield DeliveryState(state), count
