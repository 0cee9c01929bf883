"""Reading the journal: for planning, for status, for the commands that list and export."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import sqlalchemy as sa

from leanplum_sync.address import Subject
from leanplum_sync.encryption import SealingKeys
from leanplum_sync.journal import erasing, kept_files
from leanplum_sync.journal.database import Database, describe, is_address, memory_of
from leanplum_sync.journal.entry import (
    COUNTED,
    AppliedSpec,
    BatchEntry,
    BatchState,
    DeliveryEntry,
    DeliveryState,
    ExceptionEntry,
    Fate,
    FateGroup,
    LockHolder,
    RunEntry,
    Tally,
    fates_of,
)
from leanplum_sync.journal.footprints import rows_about, unpacked
from leanplum_sync.journal.identity import Here, Trace
from leanplum_sync.journal.kept_files import KeptFile
from leanplum_sync.journal.later import position, touched_by, touched_since
from leanplum_sync.journal.lock import is_held
from leanplum_sync.journal.recording import Recorded, SendElsewhere, would_record
from leanplum_sync.journal.rejections import rejected_before
from leanplum_sync.journal.rows import (
    Row,
    applied_spec,
    batch_entry,
    delivery_entry,
    doubted_elsewhere,
    exception_entry,
    lock_holder,
    run_entry,
)
from leanplum_sync.journal.schema import (
    accepted_table,
    applied_spec_table,
    batch_subject_table,
    batch_table,
    delivery_table,
    erasure_table,
    exception_table,
    fingerprint_table,
    lock_table,
    rejection_table,
    run_table,
)
from leanplum_sync.journal.settling import still_unsettled
from leanplum_sync.journal.soundness import Fault, faults
from leanplum_sync.journal.texts import Texts
from leanplum_sync.journal.unsubscriptions import unsubscriptions
from leanplum_sync.planner.footprint import follow
from leanplum_sync.planner.known import NOTHING_KNOWN, JournalMark, Known, Position, Sent
from leanplum_sync.wire.action import Action, DeliveryClass

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_CHECKED: Final = 100_000  # batches whose signatures are not checked again, at most
_PAGE: Final = 500  # rows, and values in an IN list: SQLite and PostgreSQL both take many more

GRAVITY: Final = tuple(sorted(Fate, key=lambda fate: fate.gravity))  # a subject counts once, at its gravest


class JournalReader:
    """A journal that is only read. One that doesn't exist reads as empty."""

    def __init__(
        self,
        location: str | Path,
        keys: SealingKeys,
        memory: Path | None = None,
        *,
        is_checked: bool = True,
    ) -> None:
        self._texts = Texts(describe(location), keys)
        self._keys = keys
        self._location = location
        exists = is_address(location) or Path(location).exists()
        self._database: Database | None = (
            Database(location, read_only=True, memory=memory, keys=keys, is_checked=is_checked)
            if exists
            else None
        )
        self._checked: set[tuple[int, int]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._database is not None:
            self._database.close()

    def mark(self) -> JournalMark | None:
        """As ``KnowsDeliveries`` says."""
        return None if self._database is None else self._database.mark()

    def here(self, app: str, *, latest: Trace | None = None, memory: Path | None = None) -> Here:
        """Return the journal as it is found, for *app*. *latest* is the latest trace of a run of *app* beside it."""
        remembering = self._database.memory if self._database else memory_of(self._location, memory)
        remembered = remembering.read() if remembering else None
        accepted = sa.select(accepted_table.c.app).where(accepted_table.c.app == app)
        delivered = sa.select(delivery_table.c.run).where(delivery_table.c.app == app).limit(1)
        return Here(
            describe(self._location),
            self.mark(),
            last_run=self.last_run(),
            accepted=bool(self._select(accepted)),
            delivered=bool(self._select(delivered)),
            remembered=remembered,
            memory=str(remembering.path) if remembering else "",
            latest=latest,
        )

    def ahead(self) -> float:
        """
        Return by how many seconds the journal's clock is ahead of this machine's.

        A database has one clock for all machines; a file is of one machine, and has its.
        """
        return 0.0 if self._database is None else self._database.ahead()

    def known(self, app: str, subjects: Sequence[Subject]) -> Mapping[Subject, Known]:
        """Return the records about each of *subjects*; all of them are in the result."""
        delivered: dict[str, dict[str, str]] = defaultdict(dict)
        sent: dict[str, dict[str, Sent]] = defaultdict(dict)
        held: dict[str, dict[str, int]] = defaultdict(dict)
        fingerprints: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)
        for page in _pages([str(subject) for subject in subjects]):
            for row in self._records(_deliveries_of(app, page)):
                delivered[row.subject][row.name] = row.resource
                if row.state != DeliveryState.DROPPED.value:
                    sent[row.subject][row.name] = Sent(row.message, row.sent_at)
                if row.state == DeliveryState.HELD.value:
                    held[row.subject][row.name] = row.run
            for row in self._select(_of_subjects(fingerprint_table, app, page)):
                fingerprints[row.subject][row.device, row.field] = row.fingerprint
        known = {
            subject: Known(delivered[key], fingerprints[key], held[key], sent=sent[key])
            if (key := str(subject)) in delivered or key in fingerprints
            else NOTHING_KNOWN
            for subject in subjects
        }
        for subject, entry in self._erased_among(app, subjects):
            known[subject] = replace(
                known[subject], erased_by=entry.run, is_cleaned=entry.cleaned_at is not None
            )
        return known

    def _erased_among(
        self, app: str, subjects: Sequence[Subject]
    ) -> Iterator[tuple[Subject, erasing.ErasureEntry]]:
        """Yield those of *subjects* who were erased. All erased users of the app are loaded at once: they are few."""
        erased = {each.person: each for each in self.erasures(app) if each.erased_at is not None}
        if not erased:
            return  # so that journals without erasures cost no hashing
        people = self.people(app)
        for subject in subjects:
            if entry := next((erased[each] for each in people(subject) if each in erased), None):
                yield subject, entry

    def would_record(self, app: str, send: SendElsewhere, subjects: Iterable[Subject]) -> Recorded:
        """See ``recording.would_record``."""
        return would_record(self._records, app, send, subjects)

    def recipients(self, app: str, names: Sequence[str]) -> Mapping[str, int]:
        """Return, by name, how many subjects have received, or may have received, each of the deliveries *names*."""
        table = delivery_table
        query = sa.select(table.c.name, sa.func.count().label("subjects")).where(
            table.c.app == app, table.c.state != DeliveryState.DROPPED.value
        )
        return {
            row.name: int(row.subjects)
            for page in _pages(names)
            for row in self._select(query.where(table.c.name.in_(page)).group_by(table.c.name))
        }

    def unsettled(self, app: str, settle_seconds: float, now: float) -> Mapping[Subject, float]:
        """As ``KnowsDeliveries`` says. A send changes nothing that is read, so sends in doubt are left out."""
        of_batch, batch, run = batch_subject_table, batch_table, run_table
        ahead = self.ahead()
        since = sa.case(
            (batch.c.state == BatchState.SENT.value, batch.c.sent_at),
            (batch.c.state.in_([BatchState.IN_DOUBT.value, BatchState.HELD.value]), batch.c.doubted_at),
        )
        query = (
            sa.select(of_batch.c.subject, sa.func.max(since).label("since"))
            .join(batch, sa.and_(batch.c.run == of_batch.c.run, batch.c.sequence == of_batch.c.sequence))
            .join(run, run.c.number == batch.c.run)
            .where(run.c.app == app, batch.c.delivery_class != DeliveryClass.ONCE.value)
            .where(since > now + ahead - settle_seconds)
            .group_by(of_batch.c.subject)
        )
        return {
            Subject.parse(row.subject): now + still_unsettled(row.since - ahead, settle_seconds, now)
            for row in self._select(query)
        }

    def rejected_before(self, app: str, actions: Mapping[Subject, Sequence[Action]]) -> frozenset[Subject]:
        """As ``KnowsDeliveries`` says."""
        found: set[Subject] = set()
        for page in _pages([str(subject) for subject in actions]):
            rows = self._select(_of_subjects(rejection_table, app, page))
            found |= rejected_before(rows, self._texts, actions)
        return frozenset(found)

    def last_run(self) -> int:
        """Return the number of the latest run of any app, 0 if there is none."""
        return max(
            (row[0] or 0 for row in self._select(sa.select(sa.func.max(run_table.c.number)))), default=0
        )

    def position(self, app: str, read_since: float | None = None) -> Position:
        """As ``KnowsDeliveries`` says."""
        return position(self._select, app, read_since, self.last_run())

    def touched_since(self, app: str, since: Position, besides: int = 0) -> Iterator[str]:
        """See ``later.touched_since``."""
        return touched_since(self._select, app, since, besides)

    def touched_by(self, run: int) -> Iterator[str]:
        """See ``later.touched_by``."""
        return touched_by(self._select, run)

    def uid_of(self, run: int) -> str:
        """Return the unique id of *run*, empty if there is no such run. A rebuilt journal gives its runs other ones."""
        return next(
            (row.uid for row in self._select(sa.select(run_table.c.uid).where(run_table.c.number == run))), ""
        )

    def runs(self, app: str | None = None, environment: str | None = None) -> tuple[RunEntry, ...]:
        """Return the runs, the newest first."""
        query = sa.select(run_table).order_by(run_table.c.number.desc())
        if app is not None:
            query = query.where(run_table.c.app == app)
        if environment is not None:
            query = query.where(run_table.c.environment == environment)
        return tuple(map(run_entry, self._select(query)))

    def run(self, number: int) -> RunEntry | None:
        rows = self._select(sa.select(run_table).where(run_table.c.number == number))
        return run_entry(rows[0]) if rows else None

    def batches(
        self,
        run: int,
        states: Sequence[BatchState] = tuple(BatchState),
        *,
        first: int = 1,
        last: int | None = None,
    ) -> Iterator[BatchEntry]:
        """Yield the entries of a run's batches from *first* to *last*, by sequence."""
        table = batch_table
        query = sa.select(table).where(
            table.c.run == run, table.c.state.in_([state.value for state in states])
        )
        if last is not None:
            query = query.where(table.c.sequence <= last)
        after = first - 1
        while rows := self._records(
            query.where(table.c.sequence > after).order_by(table.c.sequence).limit(_PAGE)
        ):
            yield from (batch_entry(row, self._texts) for row in rows)
            after = rows[-1].sequence

    def exceptions(self, run: int, fates: Sequence[Fate] = tuple(Fate)) -> Iterator[ExceptionEntry]:
        """Yield what did not simply succeed, by action."""
        table = exception_table
        query = (
            sa.select(table)
            .where(table.c.run == run, table.c.fate.in_([fate.value for fate in fates]))
            .order_by(table.c.sequence, table.c.action)
            .limit(_PAGE)
        )
        rows = self._records(query)
        while rows:
            yield from (exception_entry(row, self._texts) for row in rows)
            place = sa.tuple_(sa.literal(rows[-1].sequence), sa.literal(rows[-1].action))
            rows = self._records(query.where(sa.tuple_(table.c.sequence, table.c.action) > place))

    def count_exceptions(self, run: int) -> int:
        query = sa.select(sa.func.count()).select_from(exception_table).where(exception_table.c.run == run)
        return sum(int(row[0]) for row in self._select(query))

    def not_done(self, run: int, subjects: Sequence[Subject]) -> frozenset[Subject]:
        """Return which of *subjects* the run did not reach, or did not simply give all that was planned for them."""
        exception, of_batch, batch = exception_table, batch_subject_table, batch_table
        in_doubt = batch.c.state.in_([BatchState.SENT.value, BatchState.IN_DOUBT.value])
        reached: set[str] = set()
        failed: set[str] = set()
        for page in _pages([str(subject) for subject in subjects]):
            told = sa.select(exception.c.subject).where(exception.c.run == run, exception.c.subject.in_(page))
            of_batches = (
                sa.select(of_batch.c.subject, in_doubt.label("in_doubt"))
                .join(batch, sa.and_(batch.c.run == of_batch.c.run, batch.c.sequence == of_batch.c.sequence))
                .where(of_batch.c.run == run, of_batch.c.subject.in_(page))
            )
            failed |= {row.subject for row in self._select(told)}
            for row in self._select(of_batches):
                (failed if row.in_doubt else reached).add(row.subject)
        return frozenset(subject for subject in subjects if str(subject) not in reached - failed)

    def reached(self, run: int, subjects: Sequence[Subject]) -> frozenset[Subject]:
        """Return which of *subjects* stand in a batch that the run took up."""
        table = batch_subject_table
        found: set[str] = set()
        for page in _pages([str(subject) for subject in subjects]):
            query = sa.select(table.c.subject).where(table.c.run == run, table.c.subject.in_(page)).distinct()
            found |= {row.subject for row in self._select(query)}
        return frozenset(subject for subject in subjects if str(subject) in found)

    def deliveries(
        self, app: str | None = None, states: Sequence[DeliveryState] = tuple(DeliveryState)
    ) -> Iterator[DeliveryEntry]:
        """Yield what happens at most once and has, or may have, happened, by run and action."""
        table = delivery_table
        place = (table.c.run, table.c.sequence, table.c.action, table.c.resource, table.c.name)
        query = (
            sa.select(table)
            .where(table.c.state.in_([state.value for state in states]))
            .order_by(*place)
            .limit(_PAGE)
        )
        if app is not None:
            query = query.where(table.c.app == app)
        rows = self._records(query)
        while rows:
            yield from map(delivery_entry, rows)
            last = rows[-1]
            after = sa.tuple_(
                *(
                    sa.literal(value)
                    for value in (last.run, last.sequence, last.action, last.resource, last.name)
                )
            )
            rows = self._records(query.where(sa.tuple_(*place) > after))

    def locks(self) -> tuple[LockHolder, ...]:
        """Return the locks that somebody holds, or held when they died."""
        return tuple(
            map(lock_holder, self._select(sa.select(lock_table).where(lock_table.c.holder.is_not(None))))
        )

    def held_parts(self, app: str) -> frozenset[str]:
        """Return the parts of *app* whose locks living processes hold; an empty name is all of them."""
        rows = self._select(sa.select(lock_table).where(lock_table.c.app == app))
        now = time.time() + (self._database.ahead() if self._database else 0.0)
        return frozenset(row.part for row in rows if is_held(row, now))

    def applied_specs(self, app: str, environment: str) -> Mapping[str, AppliedSpec]:
        """Return, by ``kind/name``, the specs whose plan was carried out as a whole, as of the last time."""
        table, run = applied_spec_table, run_table
        query = (
            sa.select(table, run.c.plan_digest)
            .outerjoin(run, run.c.number == table.c.run)
            .where(table.c.app == app, table.c.environment == environment)
        )
        return {row.resource: applied_spec(row) for row in self._select(query)}

    def unsubscriptions(self, app: str, subjects: Sequence[Subject]) -> Mapping[Subject, Mapping[str, float]]:
        found: dict[str, Mapping[str, float]] = {}
        for page in _pages([str(subject) for subject in subjects]):
            found |= unsubscriptions(self._select, self._texts, app, page)
        return {Subject.parse(name): left for name, left in found.items()}

    def footprints(
        self, app: str, environment: str, subjects: Sequence[Subject]
    ) -> Mapping[Subject, Mapping[str, str]]:
        """Return the latest footprint of each field of each of *subjects*, over all runs. See ``planner.footprint``."""
        runs = [run.number for run in self.runs(app, environment)]
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for page in _pages([str(subject) for subject in subjects]):
            for row in self._select(rows_about(runs, page)):
                for subject, left in unpacked(row, self._texts, frozenset(page)).items():
                    follow(found[subject], left)
        return {subject: found[str(subject)] for subject in subjects if str(subject) in found}

    def erasures(self, app: str | None = None) -> tuple[erasing.ErasureEntry, ...]:
        """Return the erased users of *app*, or of all apps, the earliest first."""
        table = erasure_table
        query = sa.select(table).order_by(table.c.planned_at, table.c.person)
        return erasing.entries(self._select(query if app is None else query.where(table.c.app == app)))

    def people(self, app: str) -> erasing.People:
        """Return what makes the keyed hashes of users of *app* in ``erasures``."""
        mark = self.mark()
        return erasing.People(mark.id if mark else "", self._keys, app)

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """Yield every row of every table, but for the files, as text: with what is encrypted in it. To be searched."""
        if self._database is not None and not self._database.is_empty:
            yield from erasing.texts(self._database, self._texts)

    def every_kept_file(self, app: str) -> tuple[KeptFile, ...]:
        """Return every complete file of *app* in the journal, whatever run it is of."""
        return () if self._database is None else kept_files.every(self._database, app)

    def kept_files(self, run: RunEntry) -> tuple[KeptFile, ...]:
        """Return the files of *run* that the journal keeps, its plan first."""
        if self._database is None or self._database.is_empty:
            return ()
        return tuple(kept_files.listed(self._database, run.plan_digest, run.number))

    def read_kept(self, kept: KeptFile, to: SupportsWrite[bytes]) -> None:
        """See ``kept_files.read``."""
        if self._database is not None:  # pragma: no branch - it listed the file
            kept_files.read(self._database, self._keys, kept, to)

    def faults(self) -> Iterator[Fault]:
        """Yield where the journal is not consistent."""
        yield from faults(self._select)
        if self._database is not None and not self._database.is_empty:
            with self._database.reading() as connection:
                yield from self._database.signer.faults(connection)

    def tally(self, run: int) -> Tally:
        table = batch_table
        sums = [sa.func.sum(table.c[name]).label(name) for name in (*_COUNTED, *_SUMMED)]
        query = sa.select(table.c.state, sa.func.count().label("batches"), *sums)
        rows = self._select(query.where(table.c.run == run).group_by(table.c.state))
        actions = dict.fromkeys(Fate, 0)
        for row in rows:
            for name in _COUNTED:
                actions[Fate(name)] += int(row._mapping[name])  # noqa: SLF001 - SQLAlchemy's public name for it
            for fate, count in _undecided(BatchState(row.state), int(row.open_count), int(row.sent_count)):
                actions[fate] += count
        elsewhere = sum(int(row[0]) for row in self._select(doubted_elsewhere(run)))
        actions[Fate.IN_DOUBT] += elsewhere
        actions[Fate.NOT_SENT] -= elsewhere
        return Tally(
            actions=actions,
            subjects=self._subjects(run),
            batches={BatchState(row.state): int(row.batches) for row in rows},
            requests=sum(int(row.attempts) for row in rows),
            lookups=sum(int(row.lookups) for row in rows)
            + sum(int(row.sent_subjects) for row in rows if row.state == BatchState.SENT.value),
            recheck_reads=sum(int(row.recheck_reads) for row in rows),
            settle_reads=sum(int(row.settle_reads) for row in rows),
            rejected_before=sum(int(row.rejected_before) for row in rows),
        )

    def _subjects(self, run: int) -> Mapping[Fate, int]:
        batch, of_batch, exception = batch_table, batch_subject_table, exception_table
        gravity_of_batch = sa.case(
            (
                batch.c.state.in_([BatchState.SENT.value, BatchState.IN_DOUBT.value]),
                GRAVITY.index(Fate.IN_DOUBT),
            ),
            (
                sa.and_(batch.c.state == BatchState.PLANNED.value, batch.c.open_actions.is_(None)),
                GRAVITY.index(Fate.NOT_SENT),
            ),
            else_=GRAVITY.index(Fate.DONE),
        )
        joined = of_batch.join(
            batch, sa.and_(batch.c.run == of_batch.c.run, batch.c.sequence == of_batch.c.sequence)
        )
        gravity_of_action = sa.case(
            {fate.value: gravity for gravity, fate in enumerate(GRAVITY)}, value=exception.c.fate, else_=0
        )
        found = sa.union_all(
            sa.select(of_batch.c.subject, gravity_of_batch.label("gravity"))
            .select_from(joined)
            .where(of_batch.c.run == run),
            sa.select(exception.c.subject, gravity_of_action).where(exception.c.run == run),
        ).subquery()
        gravest = (
            sa.select(sa.func.max(found.c.gravity).label("gravity")).group_by(found.c.subject).subquery()
        )
        query = sa.select(gravest.c.gravity, sa.func.count().label("subjects")).group_by(gravest.c.gravity)
        return {GRAVITY[row.gravity]: int(row.subjects) for row in self._select(query)}

    def _records(self, query: sa.Select[Any]) -> Sequence[Row]:
        """
        Return rows of batches, exceptions or deliveries.

        Raises:
            JournalCorruptError: one of their batches is not as it was signed.
        """
        if self._database is None or self._database.is_empty:
            return ()
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
            if self._database.signer.is_on:
                places = {(row.run, row.sequence) for row in rows} - self._checked
                self._database.signer.check_batches(connection, places)
                self._checked = places if len(self._checked) > _CHECKED else self._checked | places
        return rows

    def _select(self, query: sa.Select[Any]) -> Sequence[Row]:
        if self._database is None or self._database.is_empty:
            return ()
        with self._database.reading() as connection:
            return connection.execute(query).all()


# Nothing more will become of them.
SETTLED: Final = fates_of(FateGroup.AS_DESIRED, FateGroup.NOT_CARRIED_OUT)
_COUNTED: Final = tuple(fate.value for fate in COUNTED)
_SUMMED: Final = (
    "attempts",
    "open_count",
    "sent_count",
    "sent_subjects",
    "lookups",
    "recheck_reads",
    "settle_reads",
    "rejected_before",
)


def _undecided(state: BatchState, open_count: int, sent_count: int) -> Iterator[tuple[Fate, int]]:
    match state:
        case BatchState.SENT | BatchState.IN_DOUBT:
            yield Fate.IN_DOUBT, sent_count
            yield Fate.NOT_SENT, open_count - sent_count
        case BatchState.PARKED:
            yield Fate.PARKED, open_count
        case BatchState.PLANNED:
            yield Fate.NOT_SENT, open_count
        case BatchState.DONE | BatchState.HELD:
            pass


def _of_subjects(table: sa.Table, app: str, subjects: Sequence[str]) -> sa.Select[Any]:
    return sa.select(table).where(table.c.app == app, table.c.subject.in_(subjects))


def _deliveries_of(app: str, subjects: Sequence[str]) -> sa.Select[Any]:
    delivery, batch = delivery_table, batch_table
    of_batch = sa.and_(batch.c.run == delivery.c.run, batch.c.sequence == delivery.c.sequence)
    return (
        sa.select(delivery, batch.c.sent_at)
        .outerjoin(batch, of_batch)
        .where(delivery.c.app == app, delivery.c.subject.in_(subjects))
    )


def _pages(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _PAGE):
        yield values[start : start + _PAGE]
