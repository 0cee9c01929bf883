"""Converts rows of the journal's tables to values."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from leanplum_sync.address import Subject
from leanplum_sync.journal.entry import (
    AppliedSpec,
    BatchEntry,
    BatchState,
    DeliveryEntry,
    DeliveryState,
    ExceptionEntry,
    Fate,
    LockHolder,
    RunEntry,
    RunState,
)
from leanplum_sync.journal.schema import batch_table, exception_table
from leanplum_sync.journal.texts import Texts
from leanplum_sync.wire.batch import DeliveryKey

Row = sa.Row[Any]


def run_entry(row: Row) -> RunEntry:
    return RunEntry(
        number=row.number,
        app=row.app,
        environment=row.environment,
        part=row.part,
        plan_digest=row.plan_digest,
        plan_made_at=row.plan_made_at,
        state=RunState(row.state),
        batches=row.batches,
        actions=row.actions,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def applied_spec(row: Row) -> AppliedSpec:
    return AppliedSpec(
        resource=row.resource,
        digest=row.digest,
        run=row.run or None,
        plan_digest=row.plan_digest or "",
        applied_at=row.applied_at,
    )


def batch_entry(row: Row, texts: Texts) -> BatchEntry:
    return BatchEntry(
        run=row.run,
        sequence=row.sequence,
        wave=row.wave,
        delivery_class=row.delivery_class,
        state=BatchState(row.state),
        attempts=row.attempts,
        open=numbers_from(row.open_actions),
        sent=numbers_from(row.sent_actions),
        held=row.held,
        body_digest=row.body_digest,
        sent_at=row.sent_at,
        doubted_at=row.doubted_at,
        reason=texts.open(row.reason, "reason", row.run, row.sequence),
    )


def exception_entry(row: Row, texts: Texts) -> ExceptionEntry:
    return ExceptionEntry(
        run=row.run,
        sequence=row.sequence,
        action=row.action,
        subject=Subject.parse(row.subject),
        fate=Fate(row.fate),
        message=texts.open(row.message, "message", row.run, row.sequence, row.action),
    )


def delivery_entry(row: Row) -> DeliveryEntry:
    return DeliveryEntry(
        app=row.app,
        key=DeliveryKey(row.name, Subject.parse(row.subject), row.resource),
        state=DeliveryState(row.state),
        run=row.run,
        sequence=row.sequence,
    )


def lock_holder(row: Row) -> LockHolder:
    return LockHolder(
        app=row.app,
        environment=row.environment,
        part=row.part,
        holder=row.holder,
        host=row.host,
        pid=row.pid,
        since=row.since,
        until=row.until,
        fence=row.fence,
    )


def doubted_elsewhere(run: int) -> sa.Select[int]:
    """Count the open actions of *run* that another run may have done, in batches without anything in flight."""
    batch, exception = batch_table, exception_table
    return (
        sa.select(sa.func.count())
        .select_from(exception)
        .join(batch, sa.and_(batch.c.run == exception.c.run, batch.c.sequence == exception.c.sequence))
        .where(exception.c.run == run, exception.c.fate == Fate.IN_DOUBT.value)
        .where(batch.c.state == BatchState.PLANNED.value)
    )


def numbers_from(text: str | None) -> frozenset[int] | None:
    return None if text is None else frozenset(json.loads(text))


def numbers_text(numbers: Collection[int]) -> str:
    return json.dumps(sorted(numbers), separators=(",", ":"))
