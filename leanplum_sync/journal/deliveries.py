"""What happens at most once, and what the API doesn't show: both are remembered by subject, for every later plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from leanplum_sync.errors import JournalError
from leanplum_sync.journal.database import Database
from leanplum_sync.journal.entry import DeliveryState, Fate
from leanplum_sync.journal.schema import delivery_table, fingerprint_table
from leanplum_sync.journal.verdict import Verdict
from leanplum_sync.wire.batch import Batch, PlannedAction
from leanplum_sync.wire.fingerprint import device_fingerprints

_STATE_OF: Final = {Fate.DONE: DeliveryState.DONE, Fate.HELD: DeliveryState.HELD}
# Not carried out: a later plan may ask again.
_UNDELIVERED: Final = (Fate.SKIPPED, Fate.REJECTED, Fate.CONFLICTING)


def is_remembered(planned: PlannedAction) -> bool:
    """Whether something of the action is kept for later runs, in rows that others may be about to write."""
    return bool(planned.deliveries) or bool(device_fingerprints(planned.action))


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What another batch has delivered, or may have: mostly another run's."""

    run: int
    state: DeliveryState

    @property
    def doubt(self) -> str:
        """Why nobody knows whether it happened, and what to do; empty where that is known, or decided."""
        match self.state:
            case DeliveryState.HELD:
                return f"held by run {self.run}: it may have happened; decide with leanplum-sync resolve {self.run}"
            case DeliveryState.SENT:
                return f"run {self.run} sent it, and has no answer so far"
            case DeliveryState.DONE | DeliveryState.DROPPED:  # pragma: no branch - the last of all cases
                return ""


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Of one run: every method is a part of one of its transitions."""

    database: Database
    app: str
    run: int

    def insert(self, connection: sa.Connection, batch: Batch, sending: Collection[int]) -> None:
        """Remember what the actions numbered *sending* may deliver from now on."""
        others = self.of_others(connection, batch, sending)
        if others:
            # The applier has looked before; here nobody can come in between.
            raise JournalError(
                f"Run {next(iter(others.values()))[0].run} has just delivered what batch {batch.number} would deliver; "
                "nothing was sent. Plan again."
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
            }
            for planned in batch.actions
            if planned.number in sending
            for key in planned.deliveries
        ]
        self.database.replace(connection, delivery_table, rows)

    def follow(
        self,
        connection: sa.Connection,
        batch: Batch,
        verdicts: Mapping[int, Verdict],
        planned_again: frozenset[int],
    ) -> None:
        """Let deliveries share the fate of their actions; what is *planned_again* has not happened."""
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
            number for number, verdict in verdicts.items() if verdict.fate in _UNDELIVERED
        }
        if gone:
            connection.execute(sa.delete(table).where(*mine, table.c.action.in_(gone)))

    def of_others(
        self, connection: sa.Connection, batch: Batch, numbers: Collection[int]
    ) -> Mapping[int, Sequence[Elsewhere]]:
        """Return, by number, each delivery of the action that isn't this batch's own."""
        table = delivery_table
        of_key = {
            (key.name, str(key.subject)): planned.number
            for planned in batch.actions
            if planned.number in numbers
            for key in planned.deliveries
        }
        if not of_key:
            return {}
        subjects = sorted({subject for _, subject in of_key})
        query = sa.select(table).where(table.c.app == self.app, table.c.subject.in_(subjects))
        found: dict[int, list[Elsewhere]] = {}
        for row in connection.execute(query):
            number = of_key.get((row.name, row.subject))
            if number is not None and (row.run, row.sequence) != (self.run, batch.number):
                found.setdefault(number, []).append(Elsewhere(row.run, DeliveryState(row.state)))
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
