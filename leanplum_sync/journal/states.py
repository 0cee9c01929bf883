"""
How a batch moves between its states. Every statement that writes a batch's row is in this module.

A batch without a row is *planned*. One rule explains the table: the row says ``sent`` *before* the first byte leaves, so
whatever happens later, a batch that never reached ``sent`` was never transmitted.

::

                    ┌─────── nothing left the machine, or refused ───────┐
                    v                                                    │
    parked <──> planned ──> sent ──> done                                │
                    ^         ├────> in doubt ──> done                   │
                    │         ├────> parked          │                   │
                    │         └──────────────────────│───────────────────┘
                    ├────── live state differs ──────┤
                    └──── a person: send again ──── held ── a person: it happened ──> done

Knowledge is never lost: ``done`` is final, and only a person can move a batch out of ``held``. ``in doubt`` never becomes
``sent`` directly: live state, or a person, must first say that it is ``planned`` again. That prevents duplicates.

Every write carries the fence of the lock it is made under. A row that was written under a higher fence is not changed. With a
key, the batch is checked before its first change in a transaction, so it is changed here before its exceptions and deliveries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import sqlalchemy as sa

from leanplum_sync.errors import JournalCorruptError
from leanplum_sync.journal.entry import BatchState
from leanplum_sync.journal.schema import batch_table, deliveries_of_batch
from leanplum_sync.journal.signing import changes_of

TRANSITIONS: Final[Mapping[BatchState, frozenset[BatchState]]] = {
    # Directly to done or held: the read before writing found everything as desired. Planned to planned: part of the batch.
    BatchState.PLANNED: frozenset(
        {BatchState.SENT, BatchState.PLANNED, BatchState.DONE, BatchState.HELD, BatchState.PARKED}
    ),
    # Planned again: it never left, was refused for now, or was sent without the subjects that had to wait.
    # Held: this part is answered, and an earlier part is held.
    BatchState.SENT: frozenset(
        {BatchState.DONE, BatchState.IN_DOUBT, BatchState.PARKED, BatchState.PLANNED, BatchState.HELD}
    ),
    BatchState.IN_DOUBT: frozenset({BatchState.DONE, BatchState.PLANNED, BatchState.HELD}),
    BatchState.PARKED: frozenset({BatchState.PLANNED}),
    BatchState.HELD: frozenset({BatchState.DONE, BatchState.PLANNED}),
    BatchState.DONE: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Transition:
    """
    A change of state that the table allows: no other can be constructed.

    Raises:
        JournalCorruptError: the table has no such transition.
    """

    before: BatchState
    to: BatchState

    def __post_init__(self) -> None:
        if self.to not in TRANSITIONS[self.before]:
            raise JournalCorruptError(f"A batch that is {self.before.value} can't become {self.to.value}.")


def resting_state(open_count: int, held_count: int) -> BatchState:
    """Return the state of a batch of which nothing is in flight or in doubt."""
    if open_count:
        return BatchState.PLANNED
    return BatchState.HELD if held_count else BatchState.DONE


@dataclass(frozen=True, slots=True)
class BatchStates:
    """The batches of *run*, written under the lock with this *fence*."""

    run: int
    fence: int

    def enter(
        self, connection: sa.Connection, sequence: int, transition: Transition, values: Mapping[str, Any]
    ) -> None:
        """Write a batch's first row, with all of its *values*."""
        self.restore(connection, sequence, transition.to, values)

    def restore(
        self, connection: sa.Connection, sequence: int, state: BatchState, values: Mapping[str, Any]
    ) -> None:
        """Write a batch that was lost with its journal, in the *state* that the run's log and plan show."""
        changes_of(connection).new_batch(self.run, sequence)
        key = {"run": self.run, "sequence": sequence, "fence": self.fence, "state": state.value}
        connection.execute(sa.insert(batch_table), [{**values, **key}])

    def move(
        self,
        connection: sa.Connection,
        sequence: int,
        transition: Transition,
        values: Mapping[str, Any],
        added: Mapping[str, int],
    ) -> None:
        """
        Change the state of a batch that has a row; set *values*, and add *added* to the counts of those names.

        Raises:
            JournalCorruptError: the row is not in the state it should be in, or was written under a higher fence.
        """
        self._update(connection, sequence, (transition.before, transition.to), values, added)

    def amend(
        self,
        connection: sa.Connection,
        sequence: int,
        state: BatchState,
        values: Mapping[str, Any],
        added: Mapping[str, int],
    ) -> None:
        """Do as ``move`` does, and leave the batch in its *state*."""
        self._update(connection, sequence, (state, state), values, added)

    def count_deliveries(self, connection: sa.Connection, sequence: int) -> None:
        """Record how many deliveries the batch has now, so that ``journal verify`` notices lost ones."""
        row = (batch_table.c.run == self.run, batch_table.c.sequence == sequence)
        connection.execute(sa.update(batch_table).where(*row).values(deliveries=deliveries_of_batch()))

    def _update(
        self,
        connection: sa.Connection,
        sequence: int,
        before_and_after: tuple[BatchState, BatchState],
        values: Mapping[str, Any],
        added: Mapping[str, int],
    ) -> None:
        before, to = before_and_after
        changes_of(connection).batch(self.run, sequence)
        changed = connection.execute(
            _statement(tuple(values), tuple(added)),
            {
                "of_run": self.run,
                "of_sequence": sequence,
                "of_state": before.value,
                "to_state": to.value,
                "to_fence": self.fence,
            }
            | {f"to_{name}": value for name, value in values.items()}
            | {f"add_{name}": count for name, count in added.items()},
        )
        if changed.rowcount != 1:
            raise JournalCorruptError(
                f"Batch {sequence} of run {self.run} is no longer {before.value}: another process changed it."
            )


def count_deliveries(connection: sa.Connection) -> None:
    """Set how many deliveries each batch has, from the deliveries that name it."""
    connection.execute(sa.update(batch_table).values(deliveries=deliveries_of_batch()))


@cache  # building a statement takes longer than running it
def _statement(values: tuple[str, ...], added: tuple[str, ...]) -> sa.Update:
    column = batch_table.c
    return (
        sa.update(batch_table)
        .where(
            column.run == sa.bindparam("of_run"),
            column.sequence == sa.bindparam("of_sequence"),
            column.state == sa.bindparam("of_state"),
            column.fence <= sa.bindparam("to_fence"),
        )
        .values(
            {name: sa.bindparam(f"to_{name}") for name in ("state", "fence", *values)}
            | {name: column[name] + sa.bindparam(f"add_{name}") for name in added}
        )
    )
