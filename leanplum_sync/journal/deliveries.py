"""Remembers, by subject and for every later plan, what must happen at most once and what the API doesn't show."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from leanplum_sync.errors import JournalError
from leanplum_sync.journal.database import Database
from leanplum_sync.journal.entry import DeliveryState, Fate, FateGroup
from leanplum_sync.journal.schema import delivery_rename_table, delivery_table, fingerprint_table
from leanplum_sync.journal.verdict import Verdict
from leanplum_sync.wire.batch import Batch, PlannedAction
from leanplum_sync.wire.fingerprint import device_fingerprints

_STATE_OF: Final = {Fate.DONE: DeliveryState.DONE, Fate.HELD: DeliveryState.HELD}


def is_remembered(planned: PlannedAction) -> bool:
    """Whether the action leaves rows for later runs, which other processes may be writing too."""
    return bool(planned.deliveries) or bool(device_fingerprints(planned.action))


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """
    A delivery of another batch, usually of another run, that happened or may have happened.

    *name* is that of the planned delivery, which may be recorded under a former one.
    """

    name: str
    run: int
    state: DeliveryState

    @property
    def doubt(self) -> str:
        """Why it is unknown whether it happened, and what to do; empty if it is known or decided."""
        match self.state:
            case DeliveryState.HELD:
                return f"held by run {self.run}: it may have happened; to decide: leanplum-sync resolve {self.run}"
            case DeliveryState.SENT:
                return f"run {self.run} sent it and has no response yet"
            case DeliveryState.DONE | DeliveryState.DROPPED:
                return ""


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The deliveries of one run. Every method is part of one of its transitions."""

    database: Database
    app: str
    run: int

    def insert(self, connection: sa.Connection, batch: Batch, sending: Collection[int]) -> None:
        """Record the deliveries that the actions numbered *sending* may now make."""
        others = self.of_others(connection, batch, sending)
        if others:
            # The applier has checked before; within this transaction nobody can interfere.
            raise JournalError(
                f"Run {next(iter(others.values()))[0].run} has just delivered the messages or increments of batch {batch.number}, so nothing was sent. Plan again."
            )
        rows = [
            {
                "app": self.app,
                "subject": str(key.subject),
                "resource": key.resource,
                "name": key.name,
                "state": DeliveryState.SENT.value,
                "run": self.run,
                "sequence": batch.number,
                "action": planned.number,
                "message": planned.action.arguments.get("messageId"),
            }
            for planned in batch.actions
            if planned.number in sending
            for key in planned.deliveries
        ]
        self.database.replace(connection, delivery_table, rows)
        if rows:
            self.database.raise_mark(connection)
        renames = {
            (former, key.name)
            for planned in batch.actions
            if planned.number in sending
            for key in planned.deliveries
            for former in key.former
        }
        self.database.replace(
            connection,
            delivery_rename_table,
            [{"app": self.app, "former": former, "name": name} for former, name in sorted(renames)],
        )

    def follow(
        self,
        connection: sa.Connection,
        batch: Batch,
        verdicts: Mapping[int, Verdict],
        planned_again: frozenset[int],
    ) -> None:
        """Update deliveries by the verdicts on their actions; actions that are *planned_again* have not happened."""
        if not any(planned.deliveries for planned in batch.actions):
            return
        table = delivery_table
        mine = (table.c.run == self.run, table.c.sequence == batch.number)
        for fate, state in _STATE_OF.items():
            numbers = [number for number, verdict in verdicts.items() if verdict.fate is fate]
            if numbers:
                connection.execute(
                    sa.update(table).where(*mine, table.c.action.in_(numbers)).values(state=state.value)
                )
        gone = planned_again | {
            number for number, verdict in verdicts.items() if verdict.fate.group is FateGroup.NOT_CARRIED_OUT
        }
        if gone:
            connection.execute(sa.delete(table).where(*mine, table.c.action.in_(gone)))

    def of_others(
        self, connection: sa.Connection, batch: Batch, numbers: Collection[int]
    ) -> Mapping[int, Sequence[Elsewhere]]:
        """
        Return, by action number, the deliveries of the same key that other batches made, under this name, a
        former one, or one that a run has renamed it to since it was planned.
        """
        table = delivery_table
        of_key = self._planned_under(connection, batch, numbers)
        if not of_key:
            return {}
        subjects = sorted({subject for _, subject in of_key})
        query = sa.select(table).where(table.c.app == self.app, table.c.subject.in_(subjects))
        found: dict[int, list[Elsewhere]] = {}
        rows = connection.execute(query).all()
        others = [row for row in rows if (row.run, row.sequence) != (self.run, batch.number)]
        self.database.signer.check_batches(connection, {(row.run, row.sequence) for row in others})
        for row in others:
            for number, name in of_key.get((row.name, row.subject), ()):
                found.setdefault(number, []).append(Elsewhere(name, row.run, DeliveryState(row.state)))
        return found

    def _planned_under(
        self, connection: sa.Connection, batch: Batch, numbers: Collection[int]
    ) -> Mapping[tuple[str, str], Sequence[tuple[int, str]]]:
        """
        Return the planned deliveries, as action number and name, by each name and subject that they may be
        recorded under.
        """
        keys = [
            (planned.number, key)
            for planned in batch.actions
            if planned.number in numbers
            for key in planned.deliveries
        ]
        if not keys:
            return {}
        table = delivery_rename_table
        renames = sa.select(table.c.former, table.c.name).where(
            table.c.app == self.app, table.c.former.in_(sorted({key.name for _, key in keys}))
        )
        later: dict[str, list[str]] = {}
        for row in connection.execute(renames):
            later.setdefault(row.former, []).append(row.name)
        found: dict[tuple[str, str], list[tuple[int, str]]] = {}
        for number, key in keys:
            for name in (key.name, *key.former, *later.get(key.name, ())):
                found.setdefault((name, str(key.subject)), []).append((number, key.name))
        return found

    def remember_fingerprints(self, connection: sa.Connection, done: Iterable[PlannedAction]) -> None:
        rows = [
            {
                "app": self.app,
                "subject": str(planned.subject),
                "device": device,
                "field": name,
                "fingerprint": digest,
            }
            for planned in done
            for (device, name), digest in device_fingerprints(planned.action).items()
        ]
        self.database.replace(connection, fingerprint_table, rows)
