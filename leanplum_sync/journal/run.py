"""
One run's pen: every method is one durable transition of one batch, and the only way a batch's state changes.

The lease is renewed in the same transaction, so a run that lost its lock changes nothing and finds out.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, assert_never

import sqlalchemy as sa

from leanplum_sync.address import Subject
from leanplum_sync.clock import Clock
from leanplum_sync.errors import JournalCorruptError
from leanplum_sync.journal.database import Database
from leanplum_sync.journal.deliveries import Deliveries, is_remembered
from leanplum_sync.journal.entry import TRANSITIONS, BatchEntry, BatchState, Fate, RunState
from leanplum_sync.journal.events import Event, Listener, batch_event, nobody
from leanplum_sync.journal.footprints import packed
from leanplum_sync.journal.group import GroupCommit
from leanplum_sync.journal.lock import Lease
from leanplum_sync.journal.rows import Row, batch_entry, doubted_elsewhere, numbers_text
from leanplum_sync.journal.schema import (
    batch_subject_table,
    batch_table,
    exception_table,
    footprint_table,
    run_table,
)
from leanplum_sync.journal.specs import is_whole, remember_specs
from leanplum_sync.journal.texts import Texts
from leanplum_sync.journal.verdict import DONE, Verdict
from leanplum_sync.wire.batch import Batch, PlannedAction
from leanplum_sync.wire.outcome import ActionOutcome, Outcome

SET_ASIDE: Final = "an earlier change of the same subject did not succeed"

# Written for as long as it is so, and gone when the batch is taken up again.
_PASSING: Final = (Fate.NOT_SENT, Fate.PARKED, Fate.IN_DOUBT)
_COUNTED: Final = (Fate.DONE, Fate.ALREADY, Fate.SKIPPED, Fate.REJECTED, Fate.CONFLICTING, Fate.HELD)
_AS_DESIRED: Final = (Fate.DONE, Fate.ALREADY)
NONE_WAITING: Final[Mapping[int, Verdict]] = MappingProxyType({})
_NOTHING_SENT: Final = "nothing was sent"
_NOT_RECORDED: Final = "what was sent is in doubt until the next run settles it"


@dataclass(frozen=True, slots=True)
class _Step:
    """
    Where a batch goes. *to* None: to rest, which is where its open actions and held ones put it.

    *sent* are the actions on their way, or in doubt, afterwards. *refused* says that the last request did nothing.
    *reason* explains what stays open; with *lists_open*, each open action is listed with it,
    those of *waiting* with what they wait for.
    """

    to: BatchState | None
    verdicts: Mapping[int, Verdict] = field(default_factory=dict)
    sent: frozenset[int] = frozenset()
    refused: bool = False
    reason: str = ""
    lists_open: bool = False
    waiting: Mapping[int, Verdict] = field(default_factory=dict)
    is_answer: bool = False
    body_digest: str = ""
    recheck_reads: int = 0
    settle_reads: int = 0


@dataclass(frozen=True, slots=True)
class _Move:
    """A step as it is being written: *row* is the batch as it was, *open_now* what has no outcome afterwards."""

    connection: sa.Connection
    batch: Batch
    row: Row | None
    step: _Step
    before: BatchState
    to: BatchState
    open_now: frozenset[int]


# Built once: they run with every transition.
_OF_BATCH: Final = (
    batch_table.c.run == sa.bindparam("of_run"),
    batch_table.c.sequence == sa.bindparam("of_sequence"),
)
_BATCH: Final = sa.select(batch_table).where(*_OF_BATCH)
_SET: Final = (
    "state",
    "fence",
    "reason",
    "open_actions",
    "sent_actions",
    "open_count",
    "sent_count",
    "body_digest",
    "sent_subjects",
    "sent_at",
    "doubted_at",
)
_ADDED: Final = (
    "attempts",
    "lookups",
    "recheck_reads",
    "settle_reads",
    *(fate.value for fate in _COUNTED),
)
_CHANGE: Final = (
    sa.update(batch_table)
    .where(*_OF_BATCH, batch_table.c.state == sa.bindparam("of_state"))
    .values(
        {name: sa.bindparam(f"to_{name}") for name in _SET}
        | {name: batch_table.c[name] + sa.bindparam(f"add_{name}") for name in _ADDED}
    )
)


class RunJournal:
    """*uid* is the run's own in all the world; *found_state* how this process found it, None if it began it."""

    def __init__(
        self,
        database: Database,
        texts: Texts,
        clock: Clock,
        lease: Lease,
        *,
        number: int,
        uid: str,
        found_state: RunState | None,
    ) -> None:
        self.number, self.uid, self.lease, self.found_state = number, uid, lease, found_state
        self._database, self._texts, self._clock = database, texts, clock
        self._listener: Listener = nobody
        self._group = GroupCommit(lease)
        self._deliveries = Deliveries(database, lease.app, number)
        # As long as nothing went wrong, nobody has to be set aside, and nobody need be asked for.
        self._is_clean = found_state is None

    def wait_with(self, condition: threading.Condition) -> None:
        """Have threads that record something at the same time wait for each other on *condition*."""
        self._group.changed = condition

    def now(self) -> float:
        """Return the time by the journal's clock, which says when a doubt arose, whichever machine had it."""
        return self._clock.now() + self._database.ahead()

    def tell(self, listener: Listener) -> None:
        """Have *listener* told of all that happens from now on, each time after it was recorded."""
        self._listener = listener
        self._say({"event": "run", "state": RunState.RUNNING.value, "found": self.found_state})

    def _say(self, event: Event) -> None:
        self._listener({"run": self.number, **event})

    def entries(self, first: int, last: int) -> Mapping[int, BatchEntry]:
        """Return the entries of the batches from *first* to *last* that have one."""
        table = batch_table
        query = sa.select(table).where(table.c.run == self.number, table.c.sequence.between(first, last))
        with self._database.reading() as connection:
            return {row.sequence: batch_entry(row, self._texts) for row in connection.execute(query)}

    def record_sent(
        self,
        batch: Batch,
        sending: Collection[int],
        found: Mapping[int, Verdict],
        *,
        body_digest: str,
        reads: int = 0,
    ) -> None:
        """
        Say that the actions numbered *sending* are about to leave. Durable when this returns.

        *found* are the verdicts of the last look before writing, which took *reads*. Others that are open stay so: their
        subjects are set aside.

        Raises:
            JournalError: nothing may be sent.
        """
        step = _Step(BatchState.SENT, found, frozenset(sending), body_digest=body_digest, recheck_reads=reads)
        self._move(batch, step, _NOTHING_SENT)

    def record_found(
        self,
        batch: Batch,
        found: Mapping[int, Verdict],
        reason: str,
        *,
        waiting: Mapping[int, Verdict] = NONE_WAITING,
        reads: int = 0,
    ) -> BatchState:
        """
        Say that nothing of *batch* is sent: all that is open is in *found*, or set aside for *reason*.

        *waiting* are open actions that another run may have done: they are listed as in doubt.
        """
        step = _Step(None, found, reason=reason, lists_open=True, waiting=waiting, recheck_reads=reads)
        return self._move(batch, step, _NOTHING_SENT)

    def record_answer(
        self,
        batch: Batch,
        outcomes: Mapping[int, ActionOutcome],
        *,
        rest_waits: str = SET_ASIDE,
        waiting: Mapping[int, Verdict] = NONE_WAITING,
    ) -> BatchState:
        """
        Record the *outcomes*, by number, of the actions that were sent. Return the state of the batch.

        *rest_waits* says why others that are open were not among them; *waiting* as in ``record_found``.
        """
        doubts = frozenset(number for number, found in outcomes.items() if found.outcome is Outcome.IN_DOUBT)
        verdicts = {
            number: verdict for number, found in outcomes.items() if (verdict := _verdict(found)) is not None
        }
        if doubts:
            reason = next(outcomes[number].message for number in sorted(doubts))
            return self._move(
                batch, _Step(BatchState.IN_DOUBT, verdicts, doubts, reason=reason), _NOT_RECORDED
            )
        step = _Step(None, verdicts, reason=rest_waits, lists_open=True, waiting=waiting, is_answer=True)
        return self._move(batch, step, _NOT_RECORDED)

    def record_doubt(self, batch: Batch, sent: Collection[int], reason: str) -> None:
        self._move(batch, _Step(BatchState.IN_DOUBT, sent=frozenset(sent), reason=reason), _NOT_RECORDED)

    def record_not_carried_out(self, batch: Batch, reason: str, *, park: bool) -> None:
        """Say that nothing of the last request took effect: it never left, or was refused as a whole."""
        to = BatchState.PARKED if park else BatchState.PLANNED
        step = _Step(to, refused=True, reason=reason, lists_open=park)
        self._move(batch, step, "the batch counts as in doubt until the next run settles it")

    def park(self, batch: Batch, reason: str) -> None:
        """Set a batch aside that is planned, until a resume."""
        self._move(batch, _Step(BatchState.PARKED, reason=reason, lists_open=True), "the batch stays planned")

    def unpark(self, batch: Batch) -> None:
        self._move(batch, _Step(BatchState.PLANNED), _NOTHING_SENT)

    def record_settled(self, batch: Batch, verdicts: Mapping[int, Verdict], *, reads: int) -> BatchState:
        """Record what was found out about actions in doubt: done, or held. Those without a verdict are planned again."""
        step = _Step(None, verdicts, settle_reads=reads)
        return self._move(batch, step, "the batch stays in doubt")

    def set_aside(self, batch: Batch) -> Mapping[Subject, str]:
        """Return which of *batch*'s subjects must wait, and why: something of theirs that comes earlier did not succeed."""
        if self._is_clean:
            return {}
        exception, of_batch, table = exception_table, batch_subject_table, batch_table
        subjects = [str(subject) for subject in batch.subjects]
        failed = sa.select(exception.c.subject, exception.c.fate, exception.c.sequence).where(
            exception.c.run == self.number,
            exception.c.sequence < batch.number,
            exception.c.subject.in_(subjects),
        )
        doubted = (
            sa.select(of_batch.c.subject, table.c.state.label("fate"), of_batch.c.sequence)
            .join(table, sa.and_(table.c.run == of_batch.c.run, table.c.sequence == of_batch.c.sequence))
            .where(
                of_batch.c.run == self.number,
                of_batch.c.sequence < batch.number,
                of_batch.c.subject.in_(subjects),
                table.c.state.in_([BatchState.SENT.value, BatchState.IN_DOUBT.value]),
            )
        )
        with self._database.reading() as connection:
            return {
                Subject.parse(row.subject): f"{SET_ASIDE} (batch {row.sequence}: {row.fate})"
                for row in connection.execute(sa.union_all(failed, doubted))
            }

    def failures(self, wave: int) -> tuple[int, int]:
        """Return how many actions of *wave* failed, or are in doubt, and how many there are in the batches taken up."""
        table = batch_table
        failed = table.c.skipped + table.c.rejected + table.c.conflicting + table.c.held
        is_stuck = table.c.state.in_(
            [BatchState.PARKED.value, BatchState.IN_DOUBT.value, BatchState.SENT.value]
        )
        stuck = sa.case((is_stuck, table.c.open_count), else_=0)
        query = sa.select(sa.func.sum(failed + stuck), sa.func.sum(table.c.actions)).where(
            table.c.run == self.number, table.c.wave == wave
        )
        elsewhere = doubted_elsewhere(self.number).where(table.c.wave == wave)
        with self._database.reading() as connection:
            found, total = connection.execute(query).one()
            return int(found or 0) + (connection.scalar(elsewhere) or 0), int(total or 0)

    def begun(self, batch: Batch) -> Mapping[Subject, bool]:
        """
        Return which of *batch*'s subjects have an earlier batch in this run; True if live state was looked at for them
        under this very lease, before anything of theirs was written.
        """
        of_batch, table = batch_subject_table, batch_table
        query = (
            sa.select(
                of_batch.c.subject,
                sa.func.min(table.c.fence).label("fence"),
                sa.func.max(table.c.recheck_reads).label("reads"),
            )
            .join(table, sa.and_(table.c.run == of_batch.c.run, table.c.sequence == of_batch.c.sequence))
            .where(
                of_batch.c.run == self.number,
                of_batch.c.sequence < batch.number,
                of_batch.c.subject.in_([str(subject) for subject in batch.subjects]),
            )
            .group_by(of_batch.c.subject)
        )
        with self._database.reading() as connection:
            return {
                Subject.parse(row.subject): row.fence == self.lease.fence and row.reads > 0
                for row in connection.execute(query)
            }

    def delivered_by_others(self, batch: Batch) -> Mapping[int, Verdict]:
        """
        Return verdicts on actions that an earlier plan has delivered, or may have: two plans can ask for one send.

        What another run holds, or has sent without an answer, is in doubt here as it is there. An action of which only a
        part was delivered can't be sent, nor called done: it conflicts.
        """
        if not any(planned.deliveries for planned in batch.actions):
            return {}
        with self._database.reading() as connection:
            found = self._deliveries.of_others(
                connection, batch, {planned.number for planned in batch.actions}
            )
        verdicts = {}
        for planned in batch.actions:
            others = found.get(planned.number, ())
            if doubt := next((other.doubt for other in others if other.doubt), None):
                verdicts[planned.number] = Verdict(Fate.IN_DOUBT, doubt)
            elif others:
                is_whole = len(others) == len(planned.deliveries)
                message = f"run {others[0].run} delivered {'it' if is_whole else 'a part of it; plan again'}"
                verdicts[planned.number] = Verdict(Fate.ALREADY if is_whole else Fate.CONFLICTING, message)
        return verdicts

    def finish(self, state: RunState, specs: Mapping[str, str] | None = None) -> None:
        """End the run; *specs* are the digests of the resources it has applied, remembered if it finished."""
        with self.lease.writing("the run counts as unfinished") as connection:
            now = self._clock.now()
            connection.execute(
                sa.update(run_table)
                .where(run_table.c.number == self.number)
                .values(state=state.value, ended_at=now)
            )
            if state is RunState.FINISHED and is_whole(connection, self.lease, self.number):
                remember_specs(self._database, connection, self.lease, specs or {}, run=self.number, now=now)
        self._say({"event": "run", "state": state.value})

    def _move(self, batch: Batch, step: _Step, if_it_fails: str) -> BatchState:
        # Of an answer lost in a power cut the intent is left, and it is settled like any other doubt.
        move = self._group.write(
            lambda connection: self._carry_out(connection, batch, step),
            if_it_fails,
            durable_at_once=not step.is_answer,
            alone=any(map(is_remembered, batch.actions)),
        )
        event = batch_event(
            batch,
            move.before,
            move.to,
            on_their_way=len(step.sent),
            open_actions=len(move.open_now),
            fates=[verdict.fate for verdict in step.verdicts.values()],
            reads=step.recheck_reads + step.settle_reads,
        )
        self._say(event)
        return move.to

    def _carry_out(self, connection: sa.Connection, batch: Batch, step: _Step) -> _Move:
        row = connection.execute(_BATCH, {"of_run": self.number, "of_sequence": batch.number}).one_or_none()
        entry = None if row is None else batch_entry(row, self._texts)
        before = entry.state if entry else BatchState.PLANNED
        open_now = _open(entry, batch) - step.verdicts.keys()
        held = sum(verdict.fate is Fate.HELD for verdict in step.verdicts.values()) + (
            entry.held if entry else 0
        )
        to = step.to or rest(open_now, held)
        if to not in TRANSITIONS[before]:
            raise JournalCorruptError(
                f"Batch {batch.number} of run {self.number} is {before.value}, which can't become {to.value}."
            )
        move = _Move(connection, batch, row, step, before, to, open_now)
        self._write_batch(move)
        self._write_exceptions(move)
        self._write_deliveries(move)
        if to not in (BatchState.SENT, BatchState.DONE):
            self._is_clean = False
        if row is None:
            subjects = [
                {"run": self.number, "sequence": batch.number, "subject": str(subject)}
                for subject in sorted(batch.subjects)
            ]
            connection.execute(sa.insert(batch_subject_table), subjects)
        return move

    def _write_batch(self, move: _Move) -> None:
        batch, row, step, to, open_now = move.batch, move.row, move.step, move.to, move.open_now
        now = self._clock.now() + self._database.clock_ahead(move.connection)
        is_sent = to is BatchState.SENT
        was_carried_out = row is not None and row.state == BatchState.SENT.value and not step.refused
        sent_subjects = {planned.subject for planned in batch.actions if planned.number in step.sent}
        values = {
            "state": to.value,
            "fence": self.lease.fence,
            "reason": self._texts.seal(step.reason, "reason", self.number, batch.number),
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
        } | {fate.value: sum(verdict.fate is fate for verdict in step.verdicts.values()) for fate in _COUNTED}
        if row is None:
            key = {"run": self.number, "sequence": batch.number, "actions": len(batch.actions)}
            kind = {"wave": batch.wave, "delivery_class": batch.delivery_class.value}
            move.connection.execute(sa.insert(batch_table), [key | kind | values | added])
            return
        changed = move.connection.execute(
            _CHANGE,
            {"of_run": self.number, "of_sequence": batch.number, "of_state": row.state}
            | {f"to_{name}": value for name, value in values.items()}
            | {f"add_{name}": count for name, count in added.items()},
        )
        if changed.rowcount != 1:  # pragma: no cover - writers take turns, and this one has just read it
            raise JournalCorruptError(
                f"Batch {batch.number} of run {self.number} changed under this run's hands."
            )

    def _write_exceptions(self, move: _Move) -> None:
        batch, step, to = move.batch, move.step, move.to
        table = exception_table
        if move.row is not None and to in (
            BatchState.SENT,
            BatchState.PLANNED,
            BatchState.PARKED,
            BatchState.DONE,
            BatchState.HELD,
        ):
            move.connection.execute(
                sa.delete(table).where(
                    table.c.run == self.number,
                    table.c.sequence == batch.number,
                    table.c.fate.in_([fate.value for fate in _PASSING]),
                )
            )
        told = {
            number: verdict
            for number, verdict in step.verdicts.items()
            if verdict.fate not in (Fate.DONE, Fate.ALREADY)
        }
        if step.lists_open:
            fate = Fate.PARKED if to is BatchState.PARKED else Fate.NOT_SENT
            told |= {**dict.fromkeys(move.open_now, Verdict(fate, step.reason)), **step.waiting}
        subject_of = {planned.number: planned.subject for planned in batch.actions}
        rows = [
            {
                "run": self.number,
                "sequence": batch.number,
                "action": number,
                "subject": str(subject_of[number]),
                "fate": verdict.fate.value,
                "message": self._texts.seal(verdict.message, "message", self.number, batch.number, number),
            }
            for number, verdict in sorted(told.items())
        ]
        if rows:
            self._is_clean = False
        self._database.replace(move.connection, table, rows)

    def _write_deliveries(self, move: _Move) -> None:
        verdicts = move.step.verdicts
        done = {number for number, verdict in verdicts.items() if verdict.fate is Fate.DONE}
        self._deliveries.remember_fingerprints(
            move.connection, (planned for planned in move.batch.actions if planned.number in done)
        )
        self._leave_footprints(move)
        if move.to is BatchState.SENT:
            self._deliveries.insert(move.connection, move.batch, move.step.sent)
        is_back = move.to in (BatchState.PLANNED, BatchState.PARKED)
        self._deliveries.follow(
            move.connection, move.batch, verdicts, move.open_now if is_back else frozenset()
        )

    def _leave_footprints(self, move: _Move) -> None:
        """What is as desired counts too: that is the state that drift is told from, whoever brought it about."""
        reached = {number for number, verdict in move.step.verdicts.items() if verdict.fate in _AS_DESIRED}
        left = packed(planned for planned in move.batch.actions if planned.number in reached)
        if left:
            key = {"run": self.number, "sequence": move.batch.number}
            attempt = sa.select(sa.func.count()).where(
                footprint_table.c.run == self.number, footprint_table.c.sequence == move.batch.number
            )
            move.connection.execute(
                sa.insert(footprint_table).values(
                    **key,
                    attempt=attempt.scalar_subquery(),
                    fields=self._texts.seal(left, "fields", self.number, move.batch.number),
                )
            )


def _open(entry: BatchEntry | None, batch: Batch) -> frozenset[int]:
    if entry is None or entry.open is None:
        return frozenset(planned.number for planned in batch.actions)
    return entry.open


def open_actions(entry: BatchEntry | None, batch: Batch) -> tuple[PlannedAction, ...]:
    """Return the actions of *batch* that have no outcome yet, in order."""
    numbers = _open(entry, batch)
    return tuple(planned for planned in batch.actions if planned.number in numbers)


def sent_actions(entry: BatchEntry, batch: Batch) -> tuple[PlannedAction, ...]:
    """Return the actions of *batch* that are on their way or in doubt, in order."""
    if entry.sent is None:
        return open_actions(entry, batch)
    return tuple(planned for planned in batch.actions if planned.number in entry.sent)


def rest(open_now: frozenset[int], held: int) -> BatchState:
    if open_now:
        return BatchState.PLANNED
    return BatchState.HELD if held else BatchState.DONE


def _verdict(found: ActionOutcome) -> Verdict | None:
    match found.outcome:
        case Outcome.DONE:
            return DONE
        case Outcome.SKIPPED:
            return Verdict(Fate.SKIPPED, found.message)
        case Outcome.REJECTED:
            return Verdict(Fate.REJECTED, found.message)
        case Outcome.IN_DOUBT | Outcome.NOT_SENT:
            return None
        case _:
            assert_never(found.outcome)
