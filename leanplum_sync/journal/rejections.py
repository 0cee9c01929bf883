"""
Remembers what the API rejected, so that later runs don't send it again: the same action would be rejected with the same words.

Only the last response about a subject counts, and only for an action that is the same as a whole: the API rejects an action
because of one of its values and doesn't always say which.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from leanplum_sync.address import Subject
from leanplum_sync.journal.database import Database
from leanplum_sync.journal.entry import Fate
from leanplum_sync.journal.rows import Row
from leanplum_sync.journal.schema import rejection_table
from leanplum_sync.journal.texts import Texts
from leanplum_sync.journal.verdict import Verdict
from leanplum_sync.wire.action import Action, DeliveryClass
from leanplum_sync.wire.batch import Batch, PlannedAction
from leanplum_sync.wire.fingerprint import action_fingerprint


@dataclass(frozen=True, slots=True)
class Rejections:
    """The rejections of *app*, as run number *run* sees and changes them."""

    database: Database
    texts: Texts
    app: str
    run: int

    def before(self, batch: Batch) -> Mapping[int, Verdict]:
        """Return, by action number, verdicts on what an earlier run tried last, and the API rejected."""
        if batch.delivery_class is not DeliveryClass.REPEATABLE:
            return {}
        with self.database.reading() as connection:
            rows = connection.execute(_about(self.app, list(map(str, batch.subjects)))).all()
        found = {(row.subject, row.fingerprint): row for row in rows if row.run != self.run}
        if not found:
            return {}
        return {
            planned.number: Verdict(Fate.SKIPPED, self._words(row), is_rejected_before=True)
            for planned in batch.actions
            if (row := found.get((str(planned.subject), stamp(self.texts, planned.action))))
        }

    def _words(self, row: Row) -> str:
        message = self.texts.open(row.message, "rejection", row.run, row.subject)
        return f"rejected before, in run {row.run}: {message}"

    def follow(self, connection: sa.Connection, batch: Batch, verdicts: Mapping[int, Verdict]) -> None:
        """Remember what the API's response about *batch* rejected, in place of what it rejected before for these subjects."""
        if batch.delivery_class is not DeliveryClass.REPEATABLE:
            return
        answered = [planned for planned in batch.actions if planned.number in verdicts]
        table = rejection_table
        subjects = [str(subject) for subject in {planned.subject for planned in answered}]
        rows = list(self._rejected(answered, verdicts))
        # Most of the time, there is nothing to forget, and a query costs less than a write.
        known = _about(self.app, subjects).where(table.c.run != self.run).limit(1)
        if connection.execute(known).first() is not None:
            connection.execute(
                sa.delete(table).where(
                    table.c.app == self.app, table.c.subject.in_(subjects), table.c.run != self.run
                )
            )
        self.database.replace(connection, table, rows)

    def _rejected(
        self, answered: Sequence[PlannedAction], verdicts: Mapping[int, Verdict]
    ) -> Iterator[dict[str, str | int]]:
        for planned in answered:
            verdict = verdicts[planned.number]
            if verdict.fate is Fate.REJECTED:
                subject = str(planned.subject)
                yield {
                    "app": self.app,
                    "subject": subject,
                    "fingerprint": stamp(self.texts, planned.action),
                    "run": self.run,
                    "message": self.texts.seal(verdict.message, "rejection", self.run, subject),
                }


def rejected_before(
    rows: Sequence[Row], texts: Texts, actions: Mapping[Subject, Sequence[Action]]
) -> frozenset[Subject]:
    """Return which subjects have an action that is among *rows* of rejections."""
    found = {(row.subject, row.fingerprint) for row in rows}
    subjects = {subject for subject, _ in found}
    return frozenset(
        subject
        for subject, own in actions.items()
        if str(subject) in subjects and any((str(subject), stamp(texts, action)) in found for action in own)
    )


def stamp(texts: Texts, action: Action) -> str:
    return texts.stamp(action_fingerprint(action))


def _about(app: str, subjects: Sequence[str]) -> sa.Select[tuple[str, str, int, str]]:
    table = rejection_table
    columns = (table.c.subject, table.c.fingerprint, table.c.run, table.c.message)
    return sa.select(*columns).where(table.c.app == app, table.c.subject.in_(subjects))
