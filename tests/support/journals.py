"""Batches and runs for tests of the journal, and direct reads and writes of its tables."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import sqlalchemy as sa

from leanplum_sync.address import Subject
from leanplum_sync.encryption import KEY_VARIABLE, SealingKeys
from leanplum_sync.journal import open_journal, read_journal
from leanplum_sync.journal.lock import Lease
from leanplum_sync.journal.run import RunJournal
from leanplum_sync.journal.schema import batch_table
from leanplum_sync.journal.signing import all_batches, changes_of
from leanplum_sync.journal.writer import Journal
from leanplum_sync.wire.action import Action, DeliveryClass
from leanplum_sync.wire.batch import Batch, DeliveryKey, PlannedAction
from leanplum_sync.wire.outcome import ActionOutcome, Outcome

Location: TypeAlias = str | Path

DONE = ActionOutcome(Outcome.DONE)
REJECTED = ActionOutcome(Outcome.REJECTED, "invalid")


def begin(
    journal: Journal, lease: Lease, digest: str = "d", made_at: float = 0.0, read_after_run: int | None = 0
) -> RunJournal:
    return journal.begin_run(
        lease,
        plan_digest=digest,
        plan_made_at=made_at,
        read_after_run=read_after_run,
        batches=3,
        actions=6,
    )


def sends(number: int, *users: str, name: str = "november") -> Batch:
    actions = tuple(
        PlannedAction(
            10 * number + index,
            Subject.user(user),
            DeliveryClass.ONCE,
            Action("sendMessage", {"userId": user, "messageId": 4_503_599_627_370_497}),
            (DeliveryKey(name, Subject.user(user), "MessageSend/m"),),
        )
        for index, user in enumerate(users)
    )
    return Batch(number, 0, DeliveryClass.ONCE, actions)


def sets(number: int, **attributes: object) -> Batch:
    """Return a batch that sets *attributes* of three users."""
    actions = tuple(
        PlannedAction(
            10 * number + index,
            Subject.user(f"u{index}"),
            DeliveryClass.REPEATABLE,
            Action("setUserAttributes", {"userId": f"u{index}", "userAttributes": attributes}),
        )
        for index in range(3)
    )
    return Batch(number, 0, DeliveryClass.REPEATABLE, actions)


def numbers(batch: Batch) -> list[int]:
    return [planned.number for planned in batch.actions]


def send(run: RunJournal, batch: Batch, *outcomes: ActionOutcome) -> None:
    run.record_sent(batch, numbers(batch), {}, body_digest="b")
    if outcomes:
        run.record_answer(batch, dict(zip(numbers(batch), outcomes, strict=True)))


def batches_begun(location: str | Path, part: str | None = None) -> int:
    """Return how many batches the journal has, of all runs or of the runs of *part*. Runs may be in progress."""
    with read_journal(location) as journal:
        runs = [run for run in journal.runs() if part in (None, run.part)]
        return sum(1 for run in runs for _ in journal.batches(run.number))


def shift_doubts(location: str | Path, seconds: float, key: str = "") -> None:
    """
    Have every request be sent, and every doubt arise, later or earlier than it did: nobody wants to wait for the settle
    window. *key* is the one of a signed journal.
    """
    keys = SealingKeys.from_environment({KEY_VARIABLE: key})
    with open_journal(location, keys=keys) as journal, journal._writable.writing("") as connection:
        for place in all_batches(connection):
            changes_of(connection).batch(*place)
        columns = (batch_table.c.sent_at, batch_table.c.doubted_at)
        connection.execute(sa.update(batch_table).values({each.name: each + seconds for each in columns}))
