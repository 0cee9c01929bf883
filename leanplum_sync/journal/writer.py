"""The journal for applying: locks, runs, and a person's decisions about held actions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from leanplum_sync.address import Subject
from leanplum_sync.clock import Clock
from leanplum_sync.encryption import SealingKeys
from leanplum_sync.errors import JournalError, StalePlanError
from leanplum_sync.journal import erasing, kept_files
from leanplum_sync.journal.database import Database, describe, is_postgres
from leanplum_sync.journal.entry import UNFINISHED, BatchState, DeliveryState, Fate, Resolution, RunState
from leanplum_sync.journal.kept_files import KeptFile, KeptName, Write
from leanplum_sync.journal.later import LaterWrites
from leanplum_sync.journal.lock import LEASE_SECONDS, Lease, overlap
from leanplum_sync.journal.rate import SharedRate
from leanplum_sync.journal.reader import SETTLED, JournalReader
from leanplum_sync.journal.recording import Book, Recorded, SendElsewhere, record
from leanplum_sync.journal.restoring import FoundRun, Restored, restore
from leanplum_sync.journal.rows import Row, numbers_from, numbers_text
from leanplum_sync.journal.run import RunJournal
from leanplum_sync.journal.schema import (
    accepted_table,
    batch_table,
    delivery_table,
    exception_table,
    run_plan_table,
    run_table,
)
from leanplum_sync.journal.settling import check_settled
from leanplum_sync.journal.signing import changes_of
from leanplum_sync.journal.specs import NO_RUN, remember_specs
from leanplum_sync.journal.states import BatchStates, Transition, resting_state
from leanplum_sync.journal.texts import Texts
from leanplum_sync.planner.known import JournalMark, Position

DROPPED: Final = "dropped by a person: nobody knows whether it happened, and it is not sent again"


class Journal(JournalReader):
    """Open for reading and writing. Whatever changes a run needs the lease."""

    def __init__(
        self,
        location: str | Path,
        clock: Clock,
        keys: SealingKeys,
        *,
        memory: Path | None = None,
        as_it_is: bool = False,
    ) -> None:
        """See ``open_journal``."""
        self._texts = Texts(describe(location), keys)
        self._keys = keys
        self._location = location
        self._database = self._writable = Database(location, memory=memory, as_it_is=as_it_is, keys=keys)
        self._checked = set()
        self._clock = clock

    def restore(self, lease: Lease, runs: Iterable[FoundRun], identity: JournalMark | None) -> Restored:
        """See ``restoring.restore``."""
        return restore(self._writable, self._clock, lease, runs, identity)

    def record_elsewhere(self, lease: Lease, send: SendElsewhere, subjects: Iterable[Subject]) -> Recorded:
        """See ``recording.record``."""
        return record(Book(self._writable, self._texts, self._clock, lease), send, subjects)

    def store_erasures(self, lease: Lease, entries: Sequence[erasing.ErasureEntry]) -> None:
        """See ``erasing.store``."""
        erasing.store(self._writable, lease, entries)

    def note_checked(self, app: str, people: Collection[str], at: float) -> None:
        """See ``erasing.note_checked``."""
        erasing.note_checked(self._writable, app, people, at)

    def erase(self, lease: Lease, subjects: Collection[Subject]) -> Mapping[str, int]:
        """See ``erasing.erase``."""
        return erasing.erase(self._writable, self._texts, lease, set(map(str, subjects)))

    def accept(self, lease: Lease, above: int = 0) -> None:
        """
        Use this journal from now on, whatever it may lack: a person has said so. Its mark becomes higher than *above*.

        Its sends and increments of the app of *lease* count as all that there were.
        """
        with lease.writing("the journal was not accepted, and nothing was sent") as connection:
            self._writable.raise_mark(connection, above + 1)
            row = {"app": lease.app, "accepted_at": self._clock.now()}
            self._writable.replace(connection, accepted_table, [row])

    def acquire(
        self,
        app: str,
        environment: str,
        *,
        part: str = "",
        lease_seconds: float = LEASE_SECONDS,
        heartbeat: bool = True,
    ) -> Lease:
        """
        Take the lock on *app*, or on *part* (``N/M``) of it, for *environment*, and keep it until it is released.

        Raises:
            JournalLockedError: another run holds it, of this environment or another; the sentence says who,
            since when and
                until when.
        """
        return Lease(
            self._writable,
            self._clock,
            app=app,
            environment=environment,
            part=part,
            seconds=lease_seconds,
            heartbeat=heartbeat,
        )

    def shared_rate(
        self, lease: Lease, per_second: float | None
    ) -> AbstractContextManager[SharedRate | None]:
        """Return the rate that all processes keep to which apply plans with this journal; None for a journal in a file."""
        if per_second is None or not self._writable.is_shared:
            return nullcontext()
        return SharedRate(self._writable, self._clock, lease, per_second)

    def begin_run(
        self,
        lease: Lease,
        *,
        plan_digest: str,
        plan_made_at: float,
        read_after_run: int | None,
        batches: int,
        actions: int,
    ) -> RunJournal:
        """
        Resume the run of this plan, or begin one.

        A run that has not ended is also resumed by other plans with its digest, but only by plans for which
        reading began before the run did: *read_after_run* is the latest run at that time, None if unknown.
        A run that has ended belongs only to the plans that took part in it, identified by the moments they
        were made: the same difference may come back, and a plan made from it is a new one. Clocks of two
        machines are never compared.

        A new run supersedes unfinished runs of other plans for the app, from any environment. Whatever
        these had sent without a response is in doubt; sends and increments among it are held.

        Raises:
            StalePlanError: another plan took over since this one was begun, or it was divided otherwise before.
        """
        with lease.writing("the run was not started, and nothing was sent") as connection:
            self._check_division(connection, lease, plan_digest, plan_made_at)
            row = self._run_of(connection, lease, plan_digest, plan_made_at, read_after_run)
            if row is not None:
                state = RunState(row.state)
                if state is RunState.SUPERSEDED:
                    raise StalePlanError(
                        f"Run {row.number} of this plan was not finished, and a later plan has taken over. Plan again."
                    )
                if state is not RunState.FINISHED:
                    self._writable.raise_mark(connection)
                    self._set_run(connection, row.number, RunState.RUNNING)
                    self._is_also_of(connection, row.number, plan_made_at)
                    self._doubt_what_was_sent(connection, BatchStates(row.number, lease.fence))
                return RunJournal(
                    self._writable,
                    self._texts,
                    self._clock,
                    lease,
                    number=row.number,
                    uid=row.uid,
                    plan_digest=plan_digest,
                    found_state=state,
                )
            self._supersede(connection, lease)
            self._writable.raise_mark(connection)
            table = run_table
            uid = self._clock.new_id()
            number = (connection.scalar(sa.select(sa.func.max(table.c.number))) or 0) + 1
            connection.execute(
                sa.insert(table).values(
                    number=number,
                    uid=uid,
                    app=lease.app,
                    environment=lease.environment,
                    part=lease.part,
                    plan_digest=plan_digest,
                    plan_made_at=plan_made_at,
                    state=RunState.RUNNING.value,
                    batches=batches,
                    actions=actions,
                    started_at=self._clock.now(),
                    ended_at=None,
                )
            )
            changes_of(connection).new_run(number)
            return RunJournal(
                self._writable,
                self._texts,
                self._clock,
                lease,
                number=number,
                uid=uid,
                plan_digest=plan_digest,
                found_state=None,
            )

    def later_writes(self, run: RunJournal, since: Position) -> LaterWrites:
        """Return what other runs of the app of *run* wrote after *since*."""
        return LaterWrites(self._writable, self._texts, app=run.lease.app, own=run.number, since=since)

    def note_specs(self, lease: Lease, specs: Mapping[str, str]) -> None:
        """Record that *specs*, ``{kind/name: digest}``, are in force: their plan was empty."""
        with lease.writing("the journal did not record that the specs were applied") as connection:
            remember_specs(self._writable, connection, lease, specs, run=NO_RUN, now=self._clock.now())

    @property
    def keeps_files(self) -> bool:
        """Whether files of runs are to be kept here: encrypted, and in a journal that outlives the machine."""
        return is_postgres(self._location) and bool(self._keys.keys)

    def keep_file(self, name: KeptName, write: Write) -> None:
        """See ``kept_files.keep``. Nothing is stored unless this journal ``keeps_files``."""
        if self.keeps_files:
            kept_files.keep(self._writable, self._clock, self._keys, name, write)

    def forget_files(self, run: KeptName, besides: Iterable[str]) -> None:
        """See ``kept_files.forget``."""
        kept_files.forget(self._writable, run, besides)

    def discard_kept(self, kept: KeptFile) -> None:
        """Delete all copies of a file."""
        kept_files.discard(self._writable, kept.name)

    def prune_files(self, needed: Callable[[str], bool | None], before: float) -> int:
        """See ``kept_files.prune``."""
        return kept_files.prune(self._writable, self._clock, needed, before)

    def now(self) -> float:
        """Return the time of the journal's clock, by which all machines measure how old a doubt is."""
        return self._clock.now() + self.ahead()

    def last_doubt(self, app: str, part: str = "", *, besides: int = NO_RUN) -> float | None:
        """Return when the latest doubt arose about a subject that may be in *part*, in any run except *besides*."""
        batch, run = batch_table, run_table
        query = (
            sa.select(run.c.part, sa.func.max(batch.c.doubted_at).label("doubted_at"))
            .join(run, run.c.number == batch.c.run)
            .where(run.c.app == app)
            .where(batch.c.state.in_([BatchState.IN_DOUBT.value, BatchState.HELD.value]))
            .where(batch.c.doubted_at.is_not(None), batch.c.run != besides)
            .group_by(run.c.part)
        )
        found = [float(row.doubted_at) for row in self._select(query) if overlap(row.part, part)]
        return max(found, default=None)

    def resolve(
        self,
        lease: Lease,
        run: int,
        resolution: Resolution,
        *,
        sequence: int,
        actions: Collection[int] | None = None,
        settle_seconds: float = 0.0,
    ) -> int:
        """
        Record a person's decision on the held actions of batch *sequence*: all of them, or the ones in *actions*.

        Actions to send again are sent when their plan is resumed; if their run was superseded, the next
        plan contains them. Dropped actions count as skipped, and no later plan contains them. Return how
        many actions were decided.

        *settle_seconds* is how long a request whose response was lost may still take effect.

        Raises:
            TooEarlyError: that time has not passed; nothing was decided.
            JournalError: none of them is held.
        """
        table, exception = batch_table, exception_table
        with lease.writing("nothing was resolved") as connection:
            # Dated by a clock that was ahead: the settle window begins now instead of when that moment has come.
            now = self._now(connection)
            is_this = (table.c.run == run, table.c.sequence == sequence)
            dated_later = sa.select(table.c.state).where(*is_this, table.c.doubted_at > now)
            for found in connection.scalars(dated_later).all():
                BatchStates(run, lease.fence).amend(
                    connection, sequence, BatchState(found), {"doubted_at": now}, {}
                )
        with lease.writing("nothing was resolved") as connection:
            changes_of(connection).batch(run, sequence)
            of_batch = (
                exception.c.run == run,
                exception.c.sequence == sequence,
                exception.c.fate == Fate.HELD.value,
            )
            held = set(connection.scalars(sa.select(exception.c.action).where(*of_batch)))
            chosen = held if actions is None else held.intersection(actions)
            row = connection.execute(
                sa.select(table).where(table.c.run == run, table.c.sequence == sequence)
            ).one_or_none()
            if not chosen or row is None:
                raise JournalError(
                    f"Batch {sequence} of run {run} has no held actions. `leanplum-sync status` lists all held actions."
                )
            self._writable.raise_mark(connection)
            now = max(
                now, self._now(connection)
            )  # a database's clock, as read from here, may seem to step back
            check_settled(sequence, row.doubted_at, settle_seconds=settle_seconds, now=now)
            again, dropped = _again_and_dropped(resolution, chosen)
            # Part of the batch is held, so not all of it is open, and the row lists the open numbers.
            open_before = numbers_from(row.open_actions) or frozenset()
            open_now = open_before | again
            # NULL means all open actions. The ones that are opened now were not among them.
            sent = open_before if row.sent_actions is None else numbers_from(row.sent_actions) or frozenset()
            state = BatchState(row.state)
            states = BatchStates(run, lease.fence)
            values = {
                "open_actions": numbers_text(open_now),
                "open_count": len(open_now),
                "sent_actions": numbers_text(sent),
            }
            added = {
                "held": -len(chosen),
                "done": len(chosen - again - dropped),
                "skipped": len(dropped),
            }
            rests_in = resting_state(len(open_now), len(held - chosen))
            if state is BatchState.HELD and rests_in is not BatchState.HELD:
                states.move(connection, sequence, Transition(state, rests_in), values, added)
            else:
                states.amend(connection, sequence, state, values, added)
            of_chosen = (*of_batch, exception.c.action.in_(chosen))
            if dropped:
                connection.execute(
                    sa.update(exception).where(*of_chosen).values(fate=Fate.SKIPPED.value, message=DROPPED)
                )
            else:
                connection.execute(sa.delete(exception).where(*of_chosen))
            delivery = delivery_table
            of_actions = (
                delivery.c.run == run,
                delivery.c.sequence == sequence,
                delivery.c.action.in_(chosen),
            )
            if again:
                connection.execute(sa.delete(delivery).where(*of_actions))
                states.count_deliveries(connection, sequence)
            else:
                fate = DeliveryState.DROPPED if dropped else DeliveryState.DONE
                connection.execute(sa.update(delivery).where(*of_actions).values(state=fate.value))
            self._finish_if_settled(connection, run)
            return len(chosen)

    def _now(self, connection: sa.Connection) -> float:
        return self._clock.now() + self._writable.clock_ahead(connection)

    def _finish_if_settled(self, connection: sa.Connection, number: int) -> None:
        """Finish a run whose last held action a person has decided. Its end time stays the same."""
        run, batch = run_table, batch_table
        settled = sum(batch.c[fate.value] for fate in SETTLED)
        total = sa.select(sa.func.coalesce(sa.func.sum(settled), 0)).where(batch.c.run == number)
        changes_of(connection).run(number)
        connection.execute(
            sa.update(run)
            .where(run.c.number == number, run.c.state == RunState.PARTIAL.value)
            .where(run.c.actions == total.scalar_subquery())
            .values(state=RunState.FINISHED.value)
        )

    def _check_division(
        self, connection: sa.Connection, lease: Lease, plan_digest: str, plan_made_at: float
    ) -> None:
        """Refuse another division of a plan: only the run that began it knows what it did."""
        table = run_table
        others = connection.execute(
            sa.select(table.c.number, table.c.part)
            .where(table.c.app == lease.app, table.c.environment == lease.environment)
            .where(table.c.plan_digest == plan_digest, _is_of(plan_made_at))
            .where(table.c.part != lease.part)
            .order_by(table.c.number)
        ).all()
        for run in others:
            if overlap(run.part, lease.part):
                how = f"with --shard {run.part}" if run.part else "without --shard"
                raise StalePlanError(
                    f"Run {run.number} started this plan {how}, so it can't be split differently now. Continue in the same way, or plan again."
                )

    @staticmethod
    def _run_of(
        connection: sa.Connection,
        lease: Lease,
        plan_digest: str,
        plan_made_at: float,
        read_after_run: int | None,
    ) -> Row | None:
        """
        Return the plan's own run if it is finished; else one of its digest that has not ended; else its own.

        Another plan's run must have begun after reading for this plan did. What an earlier run did was
        undone by somebody before this plan was made, or the digests would differ: its batches must be sent
        again.
        """
        table = run_table
        is_own = _is_of(plan_made_at)
        began_later = sa.false() if read_after_run is None else table.c.number > read_after_run
        is_open = sa.and_(table.c.ended_at.is_(None), sa.or_(is_own, began_later))
        is_finished = table.c.state == RunState.FINISHED.value
        query = (
            sa.select(table)
            .where(
                table.c.app == lease.app,
                table.c.environment == lease.environment,
                table.c.part == lease.part,
                table.c.plan_digest == plan_digest,
                sa.or_(is_own, is_open),
            )
            .order_by(
                sa.case((sa.and_(is_own, is_finished), 0), (is_open, 1), else_=2), table.c.number.desc()
            )
            .limit(1)
        )
        return connection.execute(query).one_or_none()

    def _supersede(self, connection: sa.Connection, lease: Lease) -> None:
        table = run_table
        unfinished = connection.execute(
            sa.select(table.c.number, table.c.part).where(
                table.c.app == lease.app,
                table.c.state.in_([state.value for state in UNFINISHED]),
            )
        ).all()
        for run in unfinished:
            if overlap(run.part, lease.part):
                states = BatchStates(run.number, lease.fence)
                self._doubt_what_was_sent(connection, states)
                self._hold_what_is_in_doubt(connection, states)
                self._set_run(connection, run.number, RunState.SUPERSEDED)

    def _doubt_what_was_sent(self, connection: sa.Connection, states: BatchStates) -> None:
        """Mark batches as in doubt that are still ``sent`` although no process waits for their responses."""
        table = batch_table
        left = connection.execute(
            sa.select(table.c.sequence, table.c.sent_subjects).where(
                table.c.run == states.run, table.c.state == BatchState.SENT.value
            )
        ).all()
        # The doubt does not begin when it was sent: the dead process may have kept the connection open much longer.
        values = {
            "doubted_at": self._now(connection),
            "reason": "the run ended before the response was recorded",
        }
        doubted = Transition(BatchState.SENT, BatchState.IN_DOUBT)
        for row in left:
            states.move(connection, row.sequence, doubted, values, {"lookups": row.sent_subjects})

    def _hold_what_is_in_doubt(self, connection: sa.Connection, states: BatchStates) -> None:
        """Hold what must not happen twice: without its plan a doubt can't be settled, so a person must decide."""
        batch, delivery, exception, run = batch_table, delivery_table, exception_table, states.run
        doubts = connection.execute(
            sa.select(delivery.c.sequence, delivery.c.action, delivery.c.subject)
            .join(batch, sa.and_(batch.c.run == delivery.c.run, batch.c.sequence == delivery.c.sequence))
            .where(
                delivery.c.run == run,
                delivery.c.state == DeliveryState.SENT.value,
                batch.c.state == BatchState.IN_DOUBT.value,
            )
            .distinct()
        ).all()
        if not doubts:
            return
        held = Counter(doubt.sequence for doubt in doubts)
        message = "no response came, and a later plan took over"
        nothing_open = {"open_actions": "[]", "open_count": 0, "sent_actions": None, "sent_count": 0}
        is_held = Transition(BatchState.IN_DOUBT, BatchState.HELD)
        for sequence, count in held.items():
            states.move(connection, sequence, is_held, nothing_open, {"held": count})
        connection.execute(
            sa.insert(exception),
            [
                {
                    "run": run,
                    "sequence": doubt.sequence,
                    "action": doubt.action,
                    "subject": doubt.subject,
                    "fate": Fate.HELD.value,
                    "message": message,
                }
                for doubt in doubts
            ],
        )
        connection.execute(
            sa.update(delivery)
            .where(delivery.c.run == run, delivery.c.sequence.in_(held))
            .where(delivery.c.state == DeliveryState.SENT.value)
            .values(state=DeliveryState.HELD.value)
        )

    @staticmethod
    def _is_also_of(connection: sa.Connection, number: int, plan_made_at: float) -> None:
        """Record that a plan takes part in the run it resumes, so that it is not taken for a new plan later."""
        new = sa.select(run_table.c.number, sa.literal(plan_made_at)).where(
            run_table.c.number == number, sa.not_(_is_of(plan_made_at))
        )
        connection.execute(sa.insert(run_plan_table).from_select(["run", "plan_made_at"], new))

    def _set_run(self, connection: sa.Connection, number: int, state: RunState) -> None:
        changes_of(connection).run(number)
        connection.execute(
            sa.update(run_table)
            .where(run_table.c.number == number)
            .values(state=state.value, ended_at=None if state is RunState.RUNNING else self._clock.now())
        )


def _is_of(plan_made_at: float) -> sa.ColumnElement[bool]:
    """Whether the plan made at that moment began or resumed the run."""
    further = sa.select(run_plan_table.c.run).where(run_plan_table.c.plan_made_at == plan_made_at)
    return sa.or_(run_table.c.plan_made_at == plan_made_at, run_table.c.number.in_(further))


def _again_and_dropped(resolution: Resolution, chosen: set[int]) -> tuple[set[int], set[int]]:
    match resolution:
        case Resolution.DONE:
            return set(), set()
        case Resolution.AGAIN:
            return chosen, set()
        case Resolution.DROP:
            return set(), chosen
