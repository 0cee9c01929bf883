"""Records sends that were made elsewhere, such as from Leanplum's dashboard, so that no plan makes them again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import sqlalchemy as sa

from leanplum_sync.address import Subject
from leanplum_sync.clock import Clock
from leanplum_sync.journal.database import Database
from leanplum_sync.journal.entry import RECORDED, BatchState, DeliveryState, RunState
from leanplum_sync.journal.lock import Lease
from leanplum_sync.journal.rows import Row
from leanplum_sync.journal.schema import batch_subject_table, delivery_table, run_table
from leanplum_sync.journal.signing import changes_of
from leanplum_sync.journal.states import BatchStates
from leanplum_sync.journal.texts import Texts
from leanplum_sync.wire.action import DeliveryClass
from leanplum_sync.wire.limits import USERS_PER_BATCH

Select: TypeAlias = Callable[[sa.Select[Any]], Sequence[Row]]

_ASKED_AT_ONCE: Final = 500
_ZERO: Final = (
    "open_count",
    "sent_count",
    "done",
    "skipped",
    "rejected",
    "conflicting",
    "held",
    "sent_subjects",
    "lookups",
    "recheck_reads",
    "settle_reads",
)


@dataclass(frozen=True, slots=True)
class SendElsewhere:
    """
    A send of *resource* (``kind/name``) under the delivery *name* that somebody made elsewhere.

    *former* are earlier names of the delivery, and *message* is the message's id, None if unknown. *reason* says who records it,
    and why.
    """

    name: str
    former: tuple[str, ...]
    resource: str
    message: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """
    How many deliveries were *recorded*, as *run*; None if there were none. *already* were known, and *unsettled* are held or in
    flight: whether they happened must be decided with ``resolve``.
    """

    run: int | None
    recorded: int
    already: int
    unsettled: int


@dataclass(frozen=True, slots=True)
class Book:
    """Where to record: the journal, open for writing under a *lease*."""

    database: Database
    texts: Texts
    clock: Clock
    lease: Lease


def record(book: Book, send: SendElsewhere, subjects: Iterable[Subject]) -> Recorded:
    """
    Record *send* as delivered to each of *subjects*, all or nothing, as a run that sent no request.

    Raises:
        JournalError: it can't be written; nothing was recorded.
    """
    with book.lease.writing("nothing was recorded") as connection:

        def select(query: sa.Select[Any]) -> Sequence[Row]:
            rows = connection.execute(query).all()
            book.database.signer.check_batches(connection, {(row.run, row.sequence) for row in rows})
            return rows

        new, found = _sorted_out(select, book.lease.app, send, subjects)
        run = _write(book, connection, send, new) if new else None
        return replace(found, run=run)


def would_record(select: Select, app: str, send: SendElsewhere, subjects: Iterable[Subject]) -> Recorded:
    """Return what ``record`` would do."""
    return _sorted_out(select, app, send, subjects)[1]


def _sorted_out(
    select: Select, app: str, send: SendElsewhere, subjects: Iterable[Subject]
) -> tuple[Sequence[Subject], Recorded]:
    """Return the subjects about whom the journal knows nothing, and how many there are of each sort."""
    known: Counter[DeliveryState] = Counter()
    new: list[Subject] = []
    for page in _pages(list(dict.fromkeys(subjects)), _ASKED_AT_ONCE):
        found = _known(select, app, send, page)
        known.update(found.values())
        new += [subject for subject in page if str(subject) not in found]
    settled = known[DeliveryState.DONE] + known[DeliveryState.DROPPED]
    return new, Recorded(None, len(new), settled, known.total() - settled)


def _known(
    select: Select, app: str, send: SendElsewhere, subjects: Sequence[Subject]
) -> Mapping[str, DeliveryState]:
    """Return the state of those deliveries that the journal has already, by subject."""
    table = delivery_table
    query = sa.select(table.c.subject, table.c.state, table.c.run, table.c.sequence).where(
        table.c.app == app,
        table.c.name.in_([send.name, *send.former]),
        table.c.subject.in_([str(subject) for subject in subjects]),
    )
    states: dict[str, DeliveryState] = {}
    for row in select(query):
        state = DeliveryState(row.state)
        # Under two names: what is not settled is for a person to decide.
        if state in (DeliveryState.HELD, DeliveryState.SENT) or row.subject not in states:
            states[row.subject] = state
    return states


def _write(book: Book, connection: sa.Connection, send: SendElsewhere, subjects: Sequence[Subject]) -> int:
    lease = book.lease
    book.database.raise_mark(connection)
    now = book.clock.now()
    number = int(connection.scalar(sa.select(sa.func.max(run_table.c.number))) or 0) + 1
    batches = list(_pages(subjects, USERS_PER_BATCH))
    connection.execute(
        sa.insert(run_table).values(
            number=number,
            uid=book.clock.new_id(),
            app=lease.app,
            environment=lease.environment,
            part=lease.part,
            plan_digest=RECORDED,
            plan_made_at=now,
            state=RunState.FINISHED.value,
            batches=len(batches),
            actions=len(subjects),
            started_at=now,
            ended_at=now,
        )
    )
    changes_of(connection).new_run(number)
    states = BatchStates(number, lease.fence)
    first = 1
    for sequence, batch in enumerate(batches, start=1):
        reason = book.texts.seal(send.reason, "reason", number, sequence)
        states.restore(connection, sequence, BatchState.DONE, _batch_values(len(batch), reason, now))
        of_batch = {"run": number, "sequence": sequence}
        connection.execute(
            sa.insert(batch_subject_table), [{**of_batch, "subject": str(each)} for each in sorted(batch)]
        )
        book.database.replace(
            connection, delivery_table, list(_rows(lease.app, of_batch, send, batch, first))
        )
        states.count_deliveries(connection, sequence)
        first += len(batch)
    return number


def _pages(subjects: Sequence[Subject], size: int) -> Iterator[Sequence[Subject]]:
    return (subjects[start : start + size] for start in range(0, len(subjects), size))


def _batch_values(actions: int, reason: str, now: float) -> dict[str, Any]:
    return {
        "wave": 0,
        "delivery_class": DeliveryClass.ONCE.value,
        "attempts": 0,
        "body_digest": "",
        "sent_at": now,
        "doubted_at": None,
        "reason": reason,
        "open_actions": "[]",
        "sent_actions": None,
        "actions": actions,
        "already": actions,
        **dict.fromkeys(_ZERO, 0),
    }


def _rows(
    app: str, of_batch: Mapping[str, int], send: SendElsewhere, batch: Sequence[Subject], first: int
) -> Iterator[dict[str, Any]]:
    for action, subject in enumerate(batch, start=first):
        yield {
            **of_batch,
            "app": app,
            "subject": str(subject),
            "name": send.name,
            "resource": send.resource,
            "state": DeliveryState.DONE.value,
            "action": action,
            "message": send.message,
        }
