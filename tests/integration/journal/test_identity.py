"""The journal's mark, and the file that remembers it: damaged, cut off, or written by several processes."""

from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path

import pytest
from journals import DONE, Location, begin, send, sends, sets

from leanplum_sync.applier.live_state import HELD
from leanplum_sync.errors import JournalCorruptError, JournalReplacedError
from leanplum_sync.journal import open_journal, read_journal
from leanplum_sync.journal.copying import copy_journal
from leanplum_sync.journal.entry import Resolution
from leanplum_sync.journal.highwater import HighWater
from leanplum_sync.journal.lock import Lease
from leanplum_sync.journal.run import RunJournal
from leanplum_sync.journal.writer import Journal
from leanplum_sync.planner.known import JournalMark
from leanplum_sync.wire.outcome import ActionOutcome, Outcome

ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"])
SLOT = 512


@pytest.fixture
def remembering(tmp_path: Path) -> HighWater:
    return HighWater(tmp_path / "journal.db.mark")


def number(journal: Journal) -> int:
    mark = journal.mark()
    assert mark is not None
    return mark.number


def test_the_mark_rises_with_runs_deliveries_and_decisions_and_not_with_attributes(
    journal: Journal, lease: Lease
) -> None:
    assert number(journal) == 0
    run = begin(journal, lease)
    assert number(journal) == 1
    send(run, sets(1, tier="gold"), DONE, DONE, DONE)
    assert number(journal) == 1
    send(run, sends(2, "ann"), ActionOutcome(Outcome.IN_DOUBT, "no answer"))
    assert number(journal) == 2
    run.record_settled(sends(2, "ann"), {20: HELD}, reads=0)
    journal.resolve(lease, run.number, Resolution.DROP, sequence=2)
    assert number(journal) == 3


def test_a_shared_journal_is_remembered_where_asked(
    journal_location: Location, tmp_path: Path, backend: str
) -> None:
    memory = tmp_path / "state" / "journal.mark"
    with (
        open_journal(journal_location, memory=memory) as journal,
        journal.acquire("app", "sandbox", heartbeat=False) as lease,
    ):
        send(begin(journal, lease), sends(1, "ann"), DONE)
        mark = journal.mark()
    path = memory if backend == "postgresql" else Path(journal_location).with_name("journal.db.mark")
    assert HighWater(path).read() == mark


@ONLY_SQLITE
def test_the_mark_is_on_the_disk_before_a_send_may_leave(run: RunJournal, path: Path) -> None:
    run.record_sent(sends(1, "ann"), [10], {}, body_digest="b")
    with sqlite3.connect(path) as connection:
        ((mark,),) = connection.execute("SELECT mark FROM journal_identity")
    connection.close()
    remembered = HighWater(path.with_name("journal.db.mark")).read()
    assert remembered is not None
    assert remembered.number == mark == 2


@ONLY_SQLITE
def test_a_journal_that_is_ahead_of_its_file_is_the_right_one(
    journal: Journal, lease: Lease, path: Path
) -> None:
    """Its process died between the two writes."""
    memory = path.with_name("journal.db.mark")
    before = memory.read_bytes()
    begin(journal, lease)
    memory.write_bytes(before)
    with open_journal(path) as again:
        assert HighWater(memory).read() == again.mark()


@ONLY_SQLITE
def test_a_journal_without_its_file_gets_one(run: RunJournal, path: Path) -> None:
    memory = path.with_name("journal.db.mark")
    memory.unlink()
    with open_journal(path) as journal:
        assert HighWater(memory).read() == journal.mark()


@ONLY_SQLITE
@pytest.mark.parametrize("left", [(), ("journal.db",)])
def test_a_missing_or_empty_journal_is_not_made_again_where_one_is_remembered(
    run: RunJournal, journal: Journal, path: Path, left: tuple[str, ...]
) -> None:
    journal.close()
    for found in path.parent.glob("journal.db*"):
        if found.suffix != ".mark":
            found.unlink()
    for name in left:
        (path.parent / name).touch()
    with pytest.raises(JournalReplacedError, match=r"is missing or has no runs, although .*mark shows"):
        open_journal(path)
    assert sorted(found.name for found in path.parent.iterdir()) == sorted([*left, "journal.db.mark"])


@ONLY_SQLITE
def test_a_new_journal_does_not_take_the_log_of_the_one_that_was_there(path: Path) -> None:
    """SQLite would apply it, and damage the new file."""
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE run (number INTEGER)")
        connection.commit()
        log = path.with_name("journal.db-wal").read_bytes()
    connection.close()
    assert log
    path.write_bytes(b"")
    path.with_name("journal.db-wal").write_bytes(log)
    with open_journal(path) as journal:
        assert journal.runs() == ()


@ONLY_SQLITE
@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM journal_identity",
        "INSERT INTO journal_identity (id, mark) VALUES ('another', 7)",
        "UPDATE journal_identity SET id = x'ff'",
        "UPDATE journal_identity SET mark = 'many'",
        "UPDATE journal_identity SET id = CAST(x'ff' AS TEXT)",
    ],
)
def test_a_journal_whose_identity_is_damaged_is_damaged(
    run: RunJournal, journal: Journal, path: Path, damage: str
) -> None:
    journal.close()
    with sqlite3.connect(path) as connection:
        connection.execute(damage)
    connection.close()
    with pytest.raises(JournalCorruptError, match="damaged"):
        open_journal(path)
    with read_journal(path) as reader, pytest.raises(JournalCorruptError, match="damaged"):
        reader.mark()


def test_a_write_that_is_cut_off_leaves_the_mark_before_it(remembering: HighWater) -> None:
    remembering.raise_to(JournalMark("a", 1))
    for latest in range(2, 6):
        before = remembering.path.read_bytes()
        remembering.raise_to(JournalMark("a", latest))
        after = remembering.path.read_bytes()
        for cut in range(0, 2 * SLOT, 13):
            torn = bytearray(before.ljust(len(after), b"\0"))
            torn[: min(cut, len(after))] = after[:cut]
            remembering.path.write_bytes(torn)
            found = remembering.read()
            assert found is not None
            assert found.number in (latest - 1, latest)
        remembering.path.write_bytes(after)


def test_a_damaged_file_is_refused_and_named(remembering: HighWater) -> None:
    remembering.raise_to(JournalMark("a", 1))
    remembering.raise_to(JournalMark("a", 2))
    content = remembering.path.read_bytes().replace(b'"a"', b'"b"')
    remembering.path.write_bytes(content)
    for use in (remembering.read, lambda: remembering.raise_to(JournalMark("a", 3))):
        with pytest.raises(JournalCorruptError, match=r"journal\.db\.mark is damaged"):
            use()
    assert remembering.path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", bytes(SLOT)])
def test_a_file_that_was_never_written_remembers_nothing(remembering: HighWater, content: bytes) -> None:
    remembering.path.write_bytes(content)
    assert remembering.read() is None


def test_a_lower_mark_never_replaces_a_higher_one_of_the_same_journal(remembering: HighWater) -> None:
    for each in (5, 3, 4, 5, 1):
        remembering.raise_to(JournalMark("a", each))
    assert remembering.read() == JournalMark("a", 5)
    remembering.raise_to(JournalMark("b", 1))
    assert remembering.read() == JournalMark("b", 1)


def test_processes_that_write_at_once_leave_the_highest_mark(remembering: HighWater) -> None:
    context = multiprocessing.get_context("fork")
    several = [context.Process(target=_raise, args=(remembering, first)) for first in range(4)]
    for process in several:
        process.start()
    for process in several:
        process.join()
    assert remembering.read() == JournalMark("a", 203)


def _raise(remembering: HighWater, first: int) -> None:
    for each in range(first, 204, 4):
        remembering.raise_to(JournalMark("a", each))


def test_a_copy_is_the_same_journal_and_a_copy_of_an_older_one_is_refused(
    run: RunJournal, journal: Journal, journal_location: Location, tmp_path: Path, backend: str
) -> None:
    send(run, sends(1, "ann"), DONE)
    run.lease.release()
    target = tmp_path / "copy.db"
    copy_journal(journal_location, target)
    mark = journal.mark()
    assert mark is not None
    with read_journal(target) as reader:
        assert reader.mark() == mark
    assert HighWater(tmp_path / "copy.db.mark").read() == mark
    if backend == "sqlite":
        memory = HighWater(Path(journal_location).with_name("journal.db.mark"))
        memory.raise_to(JournalMark(mark.id, 99))
        with pytest.raises(JournalReplacedError, match="is an older copy"):
            copy_journal(journal_location, tmp_path / "another.db")
