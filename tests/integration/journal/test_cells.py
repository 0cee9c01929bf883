"""SQLite keeps any value in any column. A journal whose cells hold what nobody wrote there is damaged, and says where."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from journals import DONE, begin, sends, sets

from leanplum_sync.address import Subject
from leanplum_sync.errors import JournalCorruptError
from leanplum_sync.journal import open_journal, read_journal
from leanplum_sync.journal.entry import Fate
from leanplum_sync.journal.reader import JournalReader
from leanplum_sync.wire.outcome import ActionOutcome, Outcome

REJECTED = ActionOutcome(Outcome.REJECTED, "no")
U1 = Subject.user("u1")


@pytest.fixture
def location(tmp_path: Path) -> Path:
    """A journal with a run that has footprints, deliveries and a rejection."""
    path = tmp_path / "journal.db"
    with open_journal(path) as journal, journal.acquire("app", "sandbox", heartbeat=False) as lease:
        run = begin(journal, lease)
        batch = sets(1, tier="gold")
        run.record_sent(batch, [10, 11, 12], {}, body_digest="b")
        run.record_answer(batch, {10: DONE, 11: DONE, 12: REJECTED})
        send = sends(2, "u1")
        run.record_sent(send, [20], {}, body_digest="b")
        run.record_answer(send, {20: DONE})
        journal.note_specs(lease, {"UserAttributes/a": "d"})
    return path


READ: dict[str, Callable[[JournalReader], Any]] = {
    "runs": lambda journal: journal.runs(),
    "batches": lambda journal: list(journal.batches(1)),
    "exceptions": lambda journal: list(journal.exceptions(1, tuple(Fate))),
    "deliveries": lambda journal: list(journal.deliveries()),
    "locks": lambda journal: journal.locks(),
    "specs": lambda journal: journal.applied_specs("app", "sandbox"),
    "footprints": lambda journal: journal.footprints("app", "sandbox", [U1]),
    "known": lambda journal: journal.known("app", [U1]),
    "tally": lambda journal: journal.tally(1),
    "last run": lambda journal: journal.last_run(),
}


@pytest.mark.parametrize(
    ("damage", "read", "place"),
    [
        ("UPDATE run SET state = 'x'", "runs", "run.state"),
        ("UPDATE run SET started_at = 1e300", "runs", "run.started_at"),
        ("UPDATE run SET app = x'00'", "runs", ""),
        ("UPDATE run SET batches = 'many'", "runs", "run.batches"),
        ("UPDATE batch SET state = 'x'", "tally", "batch.state"),
        ("UPDATE batch SET class = 'x'", "batches", "batch.class"),
        ("UPDATE batch SET open_actions = '{'", "batches", "batch.open_actions"),
        ("UPDATE batch SET open_actions = '[\"x\"]'", "batches", "batch.open_actions"),
        ("UPDATE batch SET reason = x'80'", "batches", "batch.reason"),
        ("UPDATE exception SET subject = 'u1'", "exceptions", "exception.subject"),
        ("UPDATE exception SET message = x'80'", "exceptions", "exception.message"),
        ("UPDATE delivery SET subject = 'robot:u1'", "deliveries", "delivery.subject"),
        ("UPDATE delivery SET message = 'x'", "known", "delivery.message"),
        ("UPDATE run_lock SET holder = 'h', since = 'x'", "locks", "run_lock.since"),
        ("UPDATE applied_spec SET applied_at = -1", "specs", "applied_spec.applied_at"),
        ("UPDATE footprint SET fields = 7", "footprints", ""),
        ("UPDATE footprint SET fields = '7'", "footprints", "a value recorded for run 1"),
        ("UPDATE footprint SET fields = '[[7, 7]]'", "footprints", "a value recorded for run 1"),
        (
            'UPDATE footprint SET fields = \'[[["a"], {"user:u1": []}]]\'',
            "footprints",
            "a value recorded for run 1",
        ),
    ],
)
def test_a_damaged_cell_is_named(damage: str, read: str, place: str, location: Path) -> None:
    with closing(sqlite3.connect(location)) as connection, connection:
        connection.execute(damage)
    with read_journal(location) as journal, pytest.raises(JournalCorruptError, match="is damaged") as raised:
        READ[read](journal)
    assert place in str(raised.value)


def test_an_intact_journal_is_read(location: Path) -> None:
    with read_journal(location) as journal:
        assert all(read(journal) is not None for read in READ.values())
