"""Writes one transition of one batch in one transaction: its row, its exceptions, its deliveries and footprints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa

from leanplum_sync.clock import Clock
from leanplum_sync.journal.database import Database
from leanplum_sync.journal.deliveries import Deliveries
from leanplum_sync.journal.entry import COUNTED, BatchEntry, BatchState, Fate, FateGroup, fates_of
from leanplum_sync.journal.footprints import packed
from leanplum_sync.journal.rejections import Rejections
from leanplum_sync.journal.rows import Row, batch_entry, numbers_text
from leanplum_sync.journal.schema import batch_subject_table, batch_table, exception_table, footprint_table
from leanplum_sync.journal.signing import changes_of
from leanplum_sync.journal.states import BatchStates, Transition, resting_state
from leanplum_sync.journal.texts import Texts
from leanplum_sync.journal.verdict import Verdict
from leanplum_sync.wire.batch import Batch
from leanplum_sync.wire.catalogue import is_billable

# Temporary: deleted when the batch is sent again.
_PASSING: Final = fates_of(FateGroup.OPEN)


@dataclass(frozen=True, slots=True)
class Step:
    """
    What to record about a batch. *to* None: to the state that follows from its open and held actions.

    *sent* are the actions in flight or in doubt afterwards. *refused* means that the last request had no effect. *reason*
    explains why actions stay open. With *lists_open*, each open action is listed with it, or with its verdict in *waiting*.
    *follows_request* means that the batch must be ``sent`` before.
    """

    to: BatchState | None
    verdicts: Mapping[int, Verdict] = field(default_factory=dict)
    sent: frozenset[int] = frozenset()
    refused: bool = False
    reason: str = ""
    lists_open: bool = False
    waiting: Mapping[int, Verdict] = field(default_factory=dict)
    is_answer: bool = False
    follows_request: bool = False
    body_digest: str = ""
    recheck_reads: int = 0
    settle_reads: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """
    A step being written: *row* is the batch before it, *open_now* the actions without an outcome after it, *listed* the
    actions listed as exceptions.
    """

    connection: sa.Connection
    batch: Batch
    row: Row | None
    step: Step
    transition: Transition
    open_now: frozenset[int]
    listed: Mapping[int, Verdict]

    @property
    def to(self) -> BatchState:
        return self.transition.to

    @property
    def is_clean(self) -> bool:
        """Whether later batches of the same subjects may be sent."""
        return self.to in (BatchState.SENT, BatchState.DONE) and not self.listed


# Built once: it runs with every transition.
_BATCH: Final = sa.select(batch_table).where(
    batch_table.c.run == sa.bindparam("of_run"), batch_table.c.sequence == sa.bindparam("of_sequence")
)


@dataclass(frozen=True, slots=True)
class Transitions:
    """The transitions of *run*, under the lock with this *fence*."""

    _database: Database
    _texts: Texts
    _clock: Clock
    _deliveries: Deliveries
    _rejections: Rejections
    _run: int
    _fence: int

    def carry_out(
        self, connection: sa.Connection, batch: Batch, step: Step, *, is_again: bool = False
    ) -> Move:
        """
        Write *step*. If it *is_again* tried after a request, and the batch is no longer ``sent``, then the first try was
        committed: under one fence, nobody else writes what this run has sent.
        """
        changes_of(connection).batch(self._run, batch.number)
        row = connection.execute(_BATCH, {"of_run": self._run, "of_sequence": batch.number}).one_or_none()
        entry = None if row is None else batch_entry(row, self._texts)
        if is_again and step.follows_request and entry is not None and entry.state is not BatchState.SENT:
            return self._committed(connection, batch, step, row, entry)
        before = entry.state if entry else BatchState.PLANNED
        open_now = open_numbers(entry, batch) - step.verdicts.keys()
        held = sum(verdict.fate is Fate.HELD for verdict in step.verdicts.values()) + (
            entry.held if entry else 0
        )
        to = step.to or resting_state(len(open_now), held)
        move = Move(
            connection, batch, row, step, Transition(before, to), open_now, _listed(step, to, open_now)
        )
        self._write_batch(move)
        self._write_exceptions(move)
        self._write_deliveries(move)
        if row is None:
            subjects = [
                {"run": self._run, "sequence": batch.number, "subject": str(subject)}
                for subject in sorted(batch.subjects)
            ]
            connection.execute(sa.insert(batch_subject_table), subjects)
        return move

    def _committed(
        self, connection: sa.Connection, batch: Batch, step: Step, row: Row | None, entry: BatchEntry
    ) -> Move:
        open_now = open_numbers(entry, batch)
        listed = _listed(step, entry.state, open_now)
        return Move(connection, batch, row, step, Transition(BatchState.SENT, entry.state), open_now, listed)

    def _write_batch(self, move: Move) -> None:
        batch, row, step, to, open_now = move.batch, move.row, move.step, move.to, move.open_now
        now = self._clock.now() + self._database.clock_ahead(move.connection)
        is_sent = to is BatchState.SENT
        was_carried_out = row is not None and row.state == BatchState.SENT.value and not step.refused
        sent_subjects = {
            planned.subject
            for planned in batch.actions
            if planned.number in step.sent and is_billable(planned.action)
        }
        values = {
            "reason": self._texts.seal(step.reason, "reason", self._run, batch.number),
            "open_actions": None if len(open_now) == len(batch.actions) else numbers_text(open_now),
            "sent_actions": None if step.sent == open_now else numbers_text(step.sent),
            "open_count": len(open_now),
            "sent_count": len(step.sent),
            "body_digest": self._texts.stamp(step.body_digest) if is_sent or row is None else row.body_digest,
            "sent_subjects": len(sent_subjects) if is_sent or row is None else row.sent_subjects,
            "sent_at": now if is_sent else row and row.sent_at,
            "doubted_at": now if to is BatchState.IN_DOUBT else row and row.doubted_at,
        }
        added = {
            "attempts": int(is_sent),
            "lookups": row.sent_subjects if row is not None and was_carried_out else 0,
            "recheck_reads": step.recheck_reads,
            "settle_reads": step.settle_reads,
            "rejected_before": sum(verdict.is_rejected_before for verdict in step.verdicts.values()),
        } | {fate.value: sum(verdict.fate is fate for verdict in step.verdicts.values()) for fate in COUNTED}
        states = BatchStates(self._run, self._fence)
        if row is None:
            kind = {
                "actions": len(batch.actions),
                "wave": batch.wave,
                "delivery_class": batch.delivery_class.value,
            }
            states.enter(move.connection, batch.number, move.transition, kind | values | added)
        else:
            states.move(move.connection, batch.number, move.transition, values, added)

    def _write_exceptions(self, move: Move) -> None:
        batch, to, table = move.batch, move.to, exception_table
        if move.row is not None and to in (
            BatchState.SENT,
            BatchState.PLANNED,
            BatchState.PARKED,
            BatchState.DONE,
            BatchState.HELD,
        ):
            move.connection.execute(
                sa.delete(table).where(
                    table.c.run == self._run,
                    table.c.sequence == batch.number,
                    table.c.fate.in_([fate.value for fate in _PASSING]),
                )
            )
        subject_of = {planned.number: planned.subject for planned in batch.actions}
        rows = [
            {
                "run": self._run,
                "sequence": batch.number,
                "action": number,
                "subject": str(subject_of[number]),
                "fate": verdict.fate.value,
                "message": self._texts.seal(verdict.message, "message", self._run, batch.number, number),
            }
            for number, verdict in sorted(move.listed.items())
        ]
        self._database.replace(move.connection, table, rows)

    def _write_deliveries(self, move: Move) -> None:
        verdicts = move.step.verdicts
        done = {number for number, verdict in verdicts.items() if verdict.fate is Fate.DONE}
        self._deliveries.remember_fingerprints(
            move.connection, (planned for planned in move.batch.actions if planned.number in done)
        )
        if move.step.is_answer:
            self._rejections.follow(move.connection, move.batch, verdicts)
        self._leave_footprints(move)
        if move.to is BatchState.SENT:
            self._deliveries.insert(move.connection, move.batch, move.step.sent)
        is_back = move.to in (BatchState.PLANNED, BatchState.PARKED)
        self._deliveries.follow(
            move.connection, move.batch, verdicts, move.open_now if is_back else frozenset()
        )
        if any(planned.deliveries for planned in move.batch.actions):
            BatchStates(self._run, self._fence).count_deliveries(move.connection, move.batch.number)

    def _leave_footprints(self, move: Move) -> None:
        """Record footprints also of what was already as desired: drift is measured from that state."""
        reached = {
            number
            for number, verdict in move.step.verdicts.items()
            if verdict.fate.group is FateGroup.AS_DESIRED
        }
        left = packed(planned for planned in move.batch.actions if planned.number in reached)
        if left:
            key = {"run": self._run, "sequence": move.batch.number}
            attempt = sa.select(sa.func.count()).where(
                footprint_table.c.run == self._run, footprint_table.c.sequence == move.batch.number
            )
            move.connection.execute(
                sa.insert(footprint_table).values(
                    **key,
                    attempt=attempt.scalar_subquery(),
                    fields=self._texts.seal(left, "fields", self._run, move.batch.number),
                )
            )


def _listed(step: Step, to: BatchState, open_now: frozenset[int]) -> Mapping[int, Verdict]:
    told = {
        number: verdict
        for number, verdict in step.verdicts.items()
        if verdict.fate.group is not FateGroup.AS_DESIRED
    }
    if step.lists_open:
        fate = Fate.PARKED if to is BatchState.PARKED else Fate.NOT_SENT
        told |= {**dict.fromkeys(open_now, Verdict(fate, step.reason)), **step.waiting}
    return told


def open_numbers(entry: BatchEntry | None, batch: Batch) -> frozenset[int]:
    if entry is None or entry.open is None:
        return frozenset(planned.number for planned in batch.actions)
    return entry.open
