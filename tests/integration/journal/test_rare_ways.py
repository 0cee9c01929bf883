"""What seldom happens to a journal."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from journals import sends

from leanplum_sync.errors import JournalError, JournalStorageError, LeanplumSyncError, LockLostError
from leanplum_sync.journal import database, lock, open_journal
from leanplum_sync.journal.database import Database
from leanplum_sync.journal.entry import BatchState, Fate, Resolution
from leanplum_sync.journal.export import lines, write_parquet
from leanplum_sync.journal.highwater import HighWater
from leanplum_sync.journal.run import RunJournal
from leanplum_sync.journal.verdict import DONE, Verdict
from leanplum_sync.journal.writer import Journal


@pytest.fixture
def backend() -> str:
    return "sqlite"


@pytest.fixture
def journal(journal_location: Path) -> Iterator[Journal]:
    with open_journal(journal_location) as found:
        yield found


@contextmanager
def begun(journal: Journal, digest: str = "d") -> Iterator[RunJournal]:
    with journal.acquire("app", "sandbox", heartbeat=False) as lease:
        yield journal.begin_run(
            lease, plan_digest=digest, plan_made_at=0.0, read_after_run=0, batches=2, actions=3
        )


def test_an_address_of_another_server_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(JournalError, match="Write postgresql://"):
        open_journal("mysql://somebody@example.com/journal")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_named(journal_location: Path) -> None:
    found = Database(journal_location)
    with pytest.raises(JournalError, match="its disk is full or failing; nothing was sent"):  # noqa: SIM117 - the inner one is asked
        with found.writing("nothing was sent"):
            raise sqlite3.OperationalError("database or disk is full")
    found.close()


def test_a_new_journal_that_finds_no_room_leaves_no_part_of_one(journal_location: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As on a full disk: SQLite's first page fits, the tables don't. Python ignores the signal that the kernel sends.
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * 4096, limits[1]))
    try:
        with pytest.raises(JournalStorageError, match="its disk is full or failing; it was not opened"):
            open_journal(journal_location)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in journal_location.parent.iterdir()] == ["journal.db.mark"]
    open_journal(journal_location).close()


def test_a_journal_that_another_process_creates_at_the_same_time_is_opened_and_not_replaced(
    journal_location: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = HighWater.alone
    ids = []

    def beaten(memory: HighWater) -> AbstractContextManager[int]:
        """Lock the file after another process did, and created the journal."""
        monkeypatch.setattr(HighWater, "alone", alone)
        with open_journal(journal_location) as other:
            ids.append(other.mark())
        return alone(memory)

    monkeypatch.setattr(HighWater, "alone", beaten)
    with open_journal(journal_location) as journal:
        assert [journal.mark()] == ids


def test_where_nobody_may_write_a_reader_leaves_the_write_ahead_log_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert database._mode(tmp_path / "journal.db") == "mode=ro&immutable=1"
    (tmp_path / "journal.db-wal").touch()
    assert database._mode(tmp_path / "journal.db") == "mode=ro"


def test_a_shared_journal_without_its_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(JournalError, match=r"pip install 'leanplum-sync\[postgres\]'"):
        open_journal("postgresql://somebody@localhost/journal")


def test_a_heart_beats_on_after_a_failure_and_stops_when_the_lock_is_lost(journal: Journal) -> None:
    beats = iter([JournalError("busy"), JournalError("busy"), LockLostError("lost")])

    @contextmanager
    def failing(*_: Any, **__: Any) -> Iterator[None]:
        raise next(beats)
        yield

    with journal.acquire("app", "sandbox", lease_seconds=0.01, heartbeat=False) as lease:
        lease.writing = failing  # type: ignore[assignment]  # a journal out of reach
        lease._beat()
    assert next(beats, None) is None


def test_a_holder_that_may_not_be_asked_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert not lock._is_dead(lock.machine(), 1)


def test_a_machine_that_tells_nothing_of_itself_is_unknown(tmp_path: Path) -> None:
    assert lock._text(str(tmp_path / "none")) == lock._link(str(tmp_path / "none")) == "unknown"


def test_batches_are_read_from_and_to_a_number(journal: Journal) -> None:
    with begun(journal) as run:
        for number in (1, 2):
            run.park(sends(number, f"u{number}"), "later")
    assert [entry.sequence for entry in journal.batches(1, last=1)] == [1]
    assert [entry.sequence for entry in journal.batches(1, [BatchState.PARKED], first=2)] == [2]


def test_what_is_not_held_can_not_be_resolved(journal: Journal) -> None:
    with begun(journal) as run:
        run.park(sends(1, "u1"), "later")
        with pytest.raises(JournalError, match="Batch 1 of run 1 has no held actions"):
            journal.resolve(run.lease, 1, Resolution.DONE, sequence=1)


def exported(journal: Journal, *runs: int) -> list[tuple[str, int]]:
    records = map(json.loads, lines(journal, runs))
    return [(record["record"], record["run"]) for record in records]


def test_an_export_has_what_belongs_to_its_runs_and_nothing_else(journal: Journal) -> None:
    for number, digest in ((1, "d"), (2, "e")):
        with begun(journal, digest) as run:
            sent = sends(1, f"a{number}", f"b{number}")
            run.record_sent(sent, [10, 11], {}, body_digest="x")
            run.record_doubt(sent, [10, 11], "lost")
            run.record_settled(sent, {10: DONE, 11: Verdict(Fate.HELD, "lost")}, reads=0)
    of_each = ["run", "batch", "exception", "delivery", "delivery"]
    assert exported(journal, 2) == [(record, 2) for record in of_each]
    assert exported(journal, 3) == []
    assert len(exported(journal, 1, 2, 3)) == 2 * len(of_each)


def test_an_export_that_can_not_be_written_is_one_sentence(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "taken.parquet").mkdir()
    with begun(journal), pytest.raises(LeanplumSyncError, match="the export can't be written"):
        write_parquet(journal, [1], tmp_path / "taken.parquet")
