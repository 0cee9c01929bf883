"""
What a run records: each ``record_`` method is one durable transition of one batch.

The lease is renewed in the same transaction, so a run that has lost its lock changes nothing and gets an error.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from itertools import count
from types import MappingProxyType
from typing import Final, assert_never

import sqlalchemy as sa

from leanplum_sync.address import Subject
from leanplum_sync.clock import Clock
from leanplum_sync.journal.database import Database
from leanplum_sync.journal.deliveries import Deliveries, is_remembered
from leanplum_sync.journal.entry import BatchEntry, BatchState, Fate, RunState
from leanplum_sync.journal.events import Event, Listener, batch_event, nobody
from leanplum_sync.journal.group import GroupCommit
from leanplum_sync.journal.lock import Lease
from leanplum_sync.journal.rejections import Rejections
from leanplum_sync.journal.rows import batch_entry, doubted_elsewhere
from leanplum_sync.journal.schema import batch_subject_table, batch_table, exception_table, run_table
from leanplum_sync.journal.signing import changes_of
from leanplum_sync.journal.specs import is_whole, remember_specs
from leanplum_sync.journal.states import BatchStates
from leanplum_sync.journal.texts import Texts
from leanplum_sync.journal.transition import Move, Step, Transitions, open_numbers
from leanplum_sync.journal.verdict import DONE, Verdict
from leanplum_sync.planner.known import JournalMark
from leanplum_sync.wire.action import Action, Json
from leanplum_sync.wire.batch import Batch, PlannedAction
from leanplum_sync.wire.event import has_wrong_time
from leanplum_sync.wire.outcome import ActionOutcome, Outcome

SET_ASIDE: Final = "an earlier change of the same subject did not succeed"
NONE_WAITING: Final[Mapping[int, Verdict]] = MappingProxyType({})
_NOTHING_SENT: Final = "nothing was sent"
WRONG_TIME: Final = "Leanplum recorded it, but as happening now"
_NOT_RECORDED: Final = "what was sent is in doubt until the next run settles it"


class RunJournal:
    """*uid* is globally unique. *found_state* is the run's state before this process resumed it, None if it is new."""

    def __init__(
        self,
        database: Database,
        texts: Texts,
        clock: Clock,
        lease: Lease,
        *,
        number: int,
        uid: str,
        plan_digest: str,
        found_state: RunState | None,
    ) -> None:
        self.number, self.uid, self.lease, self.found_state = number, uid, lease, found_state
        self._database, self._texts, self._clock = database, texts, clock
        self._listener: Listener = nobody
        self._plan_digest = plan_digest
        self._group = GroupCommit(lease)
        self._deliveries = Deliveries(database, lease.app, number)
        self._rejections = Rejections(database, texts, lease.app, number)
        self._transitions = Transitions(
            database, texts, clock, self._deliveries, self._rejections, number, lease.fence
        )
        # While nothing has gone wrong, no subject is set aside, and no query is needed to find out.
        self._is_clean = found_state is None

    def wait_with(self, condition: threading.Condition) -> None:
        """Use *condition* for threads that record transitions at the same time."""
        self._group.changed = condition

    def now(self) -> float:
        """Return the time of the journal's clock, by which all machines measure how old a doubt is."""
        return self._clock.now() + self._database.ahead()

    def tell(self, listener: Listener) -> None:
        """Call *listener* with each event from now on, after it was recorded."""
        self._listener = listener
        mark = self._database.mark()
        origin = {"journal": mark.id if mark else "", "app": self.lease.app, "plan": self._plan_digest}
        self._say_run(RunState.RUNNING, mark, {"found": self.found_state, **origin})

    def _say_run(self, state: RunState, mark: JournalMark | None, details: Mapping[str, Json]) -> None:
        """The log has the mark too: an older copy of the journal and of the file that remembers it shows less."""
        number = mark.number if mark else 0
        self._say({"event": "run", "state": state.value, "mark": number, **details})

    def _say(self, event: Event) -> None:
        self._listener({"run": self.number, **event})

    def entries(self, first: int, last: int) -> Mapping[int, BatchEntry]:
        """Return the entries of the batches from *first* to *last* that have one."""
        table = batch_table
        query = sa.select(table).where(table.c.run == self.number, table.c.sequence.between(first, last))
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
            self._database.signer.check_batches(connection, [(self.number, row.sequence) for row in rows])
        return {row.sequence: batch_entry(row, self._texts) for row in rows}

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
        Record that the actions numbered *sending* are about to be sent. Durable when this returns.

        *found* has the verdicts of the recheck before writing, which took *reads*. Other open actions stay open, because their
        subjects are set aside.

        Raises:
            JournalError: nothing may be sent.
        """
        step = Step(BatchState.SENT, found, frozenset(sending), body_digest=body_digest, recheck_reads=reads)
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
        Record that nothing of *batch* is sent: every open action is in *found*, or set aside for *reason*.

        *waiting* are open actions that another run may have done; they are listed as in doubt.
        """
        step = Step(None, found, reason=reason, lists_open=True, waiting=waiting, recheck_reads=reads)
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

        *rest_waits* is the reason why other open actions were not sent; *waiting* is as in ``record_found``.
        """
        doubts = frozenset(number for number, found in outcomes.items() if found.outcome is Outcome.IN_DOUBT)
        actions = {planned.number: planned.action for planned in batch.actions}
        verdicts = {
            number: verdict
            for number, found in outcomes.items()
            if (verdict := _verdict(found, actions[number])) is not None
        }
        if doubts:
            reason = next(outcomes[number].message for number in sorted(doubts))
            return self._move(
                batch,
                Step(BatchState.IN_DOUBT, verdicts, doubts, reason=reason, follows_request=True),
                _NOT_RECORDED,
            )
        step = Step(
            None,
            verdicts,
            reason=rest_waits,
            lists_open=True,
            waiting=waiting,
            is_answer=True,
            follows_request=True,
        )
        return self._move(batch, step, _NOT_RECORDED)

    def record_doubt(self, batch: Batch, sent: Collection[int], reason: str) -> None:
        self._move(
            batch,
            Step(BatchState.IN_DOUBT, sent=frozenset(sent), reason=reason, follows_request=True),
            _NOT_RECORDED,
        )

    def record_not_carried_out(self, batch: Batch, reason: str, *, park: bool) -> None:
        """Record that the last request had no effect: it was never sent, or was refused as a whole."""
        to = BatchState.PARKED if park else BatchState.PLANNED
        step = Step(to, refused=True, reason=reason, lists_open=park, follows_request=True)
        self._move(batch, step, "the batch counts as in doubt until the next run settles it")

    def park(self, batch: Batch, reason: str, *, reads: int = 0) -> None:
        """Set a planned batch aside until a resume; *reads* counts the reads of the recheck that failed."""
        step = Step(BatchState.PARKED, reason=reason, lists_open=True, recheck_reads=reads)
        self._move(batch, step, "the batch stays planned")

    def unpark(self, batch: Batch) -> None:
        self._move(batch, Step(BatchState.PLANNED), _NOTHING_SENT)

    def record_settled(self, batch: Batch, verdicts: Mapping[int, Verdict], *, reads: int) -> BatchState:
        """Record the verdicts on actions in doubt: done, or held. Actions without a verdict are planned again."""
        step = Step(None, verdicts, settle_reads=reads)
        return self._move(batch, step, "the batch stays in doubt")

    def count_reads(self, batch: Batch, reads: int) -> None:
        """Count *reads* that did not settle *batch*: it stays in doubt."""
        if not reads:
            return
        entry = self.entries(batch.number, batch.number)[batch.number]
        states = BatchStates(self.number, self.lease.fence)
        self._group.write(
            lambda connection: states.amend(
                connection, batch.number, entry.state, {}, {"settle_reads": reads}
            ),
            "the batch stays in doubt",
            durable_at_once=False,
            alone=False,
        )
        event = batch_event(
            batch,
            entry.state,
            entry.state,
            on_their_way=len(sent_actions(entry, batch)),
            open_actions=len(open_actions(entry, batch)),
            fates=[],
            reads=reads,
        )
        self._say(event)

    def set_aside(self, batch: Batch) -> Mapping[Subject, str]:
        """Return which subjects of *batch* must wait, and why: one of their earlier actions did not succeed."""
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
        """Return how many actions of *wave* failed or are in doubt, and how many its started batches have."""
        table = batch_table
        # What earlier runs tried in vain tells nothing about this one.
        known = table.c.rejected_before
        failed = table.c.skipped - known + table.c.rejected + table.c.conflicting + table.c.held
        is_stuck = table.c.state.in_(
            [BatchState.PARKED.value, BatchState.IN_DOUBT.value, BatchState.SENT.value]
        )
        stuck = sa.case((is_stuck, table.c.open_count), else_=0)
        query = sa.select(sa.func.sum(failed + stuck), sa.func.sum(table.c.actions - known)).where(
            table.c.run == self.number, table.c.wave == wave
        )
        elsewhere = doubted_elsewhere(self.number).where(table.c.wave == wave)
        with self._database.reading() as connection:
            found, total = connection.execute(query).one()
            return int(found or 0) + (connection.scalar(elsewhere) or 0), int(total or 0)

    def begun(self, batch: Batch) -> Mapping[Subject, bool]:
        """
        Return which subjects of *batch* have an earlier batch in this run; True if their live state was read under this same
        lease before anything was written to them.
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

    def rejected_before(self, batch: Batch) -> Mapping[int, Verdict]:
        """Return verdicts on actions that an earlier run tried last, and the API rejected."""
        return self._rejections.before(batch)

    def delivered_by_others(self, batch: Batch) -> Mapping[int, Verdict]:
        """
        Return verdicts on actions that another run has delivered or may have: two plans can contain the same send.

        What another run holds, or has sent without a response, is in doubt here too. An action that was only partly delivered
        can't be sent and isn't done: it is a conflict.
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
                is_whole = len({other.name for other in others}) == len(planned.deliveries)
                message = f"run {others[0].run} delivered {'it' if is_whole else 'a part of it; plan again'}"
                verdicts[planned.number] = Verdict(Fate.ALREADY if is_whole else Fate.CONFLICTING, message)
        return verdicts

    def finish(self, state: RunState, specs: Mapping[str, str] | None = None) -> None:
        """End the run. *specs* are the digests of its resources, which are remembered if it finished."""
        with self.lease.writing("the run counts as unfinished") as connection:
            now = self._clock.now()
            changes_of(connection).run(self.number)
            connection.execute(
                sa.update(run_table)
                .where(run_table.c.number == self.number)
                .values(state=state.value, ended_at=now)
            )
            if state is RunState.FINISHED and is_whole(connection, self.lease, self.number):
                remember_specs(self._database, connection, self.lease, specs or {}, run=self.number, now=now)
        self._say_run(state, self._database.mark(), {})

    def _move(self, batch: Batch, step: Step, if_it_fails: str) -> BatchState:
        # If a power cut loses a response, its intent remains, and the batch is settled like any other in doubt.
        # After a lost connection it is unknown whether the commit took place, so the next try checks the row first.
        tries = count()
        move = self._group.write(
            lambda connection: self._carry_out(connection, batch, step, is_again=next(tries) > 0),
            if_it_fails,
            durable_at_once=not step.is_answer,
            alone=any(map(is_remembered, batch.actions)),
            is_retried=step.follows_request,
        )
        event = batch_event(
            batch,
            move.transition.before,
            move.to,
            on_their_way=len(step.sent),
            open_actions=len(move.open_now),
            fates=[verdict.fate for verdict in step.verdicts.values()],
            reads=step.recheck_reads + step.settle_reads,
        )
        self._say(event)
        return move.to

    def _carry_out(self, connection: sa.Connection, batch: Batch, step: Step, *, is_again: bool) -> Move:
        move = self._transitions.carry_out(connection, batch, step, is_again=is_again)
        if not move.is_clean:
            self._is_clean = False
        return move


def open_actions(entry: BatchEntry | None, batch: Batch) -> tuple[PlannedAction, ...]:
    """Return the actions of *batch* that have no outcome yet, in order."""
    numbers = open_numbers(entry, batch)
    return tuple(planned for planned in batch.actions if planned.number in numbers)


def sent_actions(entry: BatchEntry, batch: Batch) -> tuple[PlannedAction, ...]:
    """Return the actions of *batch* that are in flight or in doubt, in order."""
    if entry.sent is None:
        return open_actions(entry, batch)
    return tuple(planned for planned in batch.actions if planned.number in entry.sent)


def _verdict(found: ActionOutcome, action: Action) -> Verdict | None:
    match found.outcome:
        case Outcome.DONE if has_wrong_time(action, found):
            # It must not be sent again, and it isn't as desired: that is for a person to know.
            return Verdict(Fate.HELD, f"{WRONG_TIME}: {found.message}")
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
