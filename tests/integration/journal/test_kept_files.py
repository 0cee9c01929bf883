"""Files of runs in a shared journal: encrypted, complete or absent, and gone when nobody needs them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pytest
import sqlalchemy as sa
from clocks import Clock
from journals import Location, begin
from postgresql import Server

from leanplum_sync.encryption import SealingKeys
from leanplum_sync.errors import CredentialError, JournalCorruptError
from leanplum_sync.journal import open_journal, read_journal
from leanplum_sync.journal.copying import copy_journal
from leanplum_sync.journal.entry import RunEntry
from leanplum_sync.journal.kept_files import OF_PLAN, PLAN_NAME, KeptName
from leanplum_sync.journal.schema import kept_chunk_table, kept_file_table, version_table
from leanplum_sync.journal.writer import Journal

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("backend", ["postgresql"])]

KEY, OTHER = bytes(32), bytes([1] * 32)
SECRET = b"tier: platinum, "
CONTENT = SECRET * 220_000  # more than three chunks
PLAN = KeptName("app", "sandbox", "d", OF_PLAN, PLAN_NAME)
RECEIPT = KeptName("app", "sandbox", "d", 1, "run-1.receipt.json")
DAY = 86_400.0

Opened = Callable[..., Journal]


def writing(content: bytes) -> Callable[..., None]:
    """Return what writes *content* as a plan does: in pieces that have nothing to do with chunks."""

    def write(file: IO[bytes]) -> None:
        for start in range(0, len(content), 700_001):
            file.write(content[start : start + 700_001])

    return write


def content_of(journal: Journal, name: str) -> bytes:
    [kept] = [each for each in journal.kept_files(run_of(journal)) if each.name.name == name]
    found = io.BytesIO()
    journal.read_kept(kept, found)
    return found.getvalue()


def names_of(journal: Journal) -> list[str]:
    return [kept.name.name for kept in journal.kept_files(run_of(journal))]


def run_of(journal: Journal) -> RunEntry:
    found = journal.run(1)
    assert found is not None
    return found


def count(journal: Journal, table: sa.Table) -> int:
    with journal._writable.reading() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


@pytest.fixture
def opened(journal_location: Location, clock: Clock) -> Iterator[Opened]:
    """Open the journal, which has run 1 of the plan, with these keys."""
    with ExitStack() as stack:

        def open_it(*keys: bytes, location: Location = journal_location) -> Journal:
            return stack.enter_context(open_journal(location, clock=clock, keys=SealingKeys(keys)))

        with open_it(KEY) as journal, journal.acquire("app", "sandbox", heartbeat=False) as lease:
            begin(journal, lease)
        yield open_it


def test_a_file_is_stored_in_chunks_that_show_nothing_of_it(opened: Opened) -> None:
    journal = opened(KEY)
    journal.keep_file(PLAN, writing(CONTENT))
    assert content_of(journal, PLAN_NAME) == CONTENT
    with journal._writable.reading() as connection:
        chunks = connection.scalars(sa.select(kept_chunk_table.c.sealed)).all()
        [row] = connection.execute(sa.select(kept_file_table)).all()
    assert len(chunks) == row.chunks == 4
    assert max(map(len, chunks)) < 1.1 * (1 << 20)
    assert not any(SECRET in chunk for chunk in chunks)
    assert not any("platinum" in str(cell) for cell in row)


def test_a_file_that_fills_its_chunks_has_no_empty_one(opened: Opened) -> None:
    content = b"x" * (2 << 20)
    journal = opened(KEY)
    journal.keep_file(PLAN, writing(content))
    assert content_of(journal, PLAN_NAME) == content
    assert count(journal, kept_chunk_table) == 2


def test_an_empty_file_is_a_file(opened: Opened) -> None:
    journal = opened(KEY)
    journal.keep_file(RECEIPT, writing(b""))
    assert content_of(journal, RECEIPT.name) == b""


def test_the_same_content_is_stored_once_and_another_replaces_it(opened: Opened) -> None:
    journal = opened(KEY)
    journal.keep_file(PLAN, writing(CONTENT))
    [first] = journal.kept_files(run_of(journal))
    journal.keep_file(PLAN, writing(CONTENT))
    assert list(journal.kept_files(run_of(journal))) == [first]
    journal.keep_file(PLAN, writing(b"another"))
    assert content_of(journal, PLAN_NAME) == b"another"
    assert (count(journal, kept_file_table), count(journal, kept_chunk_table)) == (1, 1)


def test_the_plan_comes_first_and_outdated_files_of_a_run_go(opened: Opened) -> None:
    journal = opened(KEY)
    for name in ("run-1.held.csv", RECEIPT.name):
        journal.keep_file(KeptName("app", "sandbox", "d", 1, name), writing(b"x"))
    journal.keep_file(PLAN, writing(b"plan"))
    assert names_of(journal) == [PLAN_NAME, "run-1.held.csv", RECEIPT.name]
    journal.forget_files(RECEIPT, besides=[RECEIPT.name])
    assert names_of(journal) == [PLAN_NAME, RECEIPT.name]


def test_nothing_is_stored_without_a_key_or_in_a_file(
    journal_location: Location, tmp_path: Path, clock: Clock
) -> None:
    with open_journal(journal_location, clock=clock, keys=SealingKeys()) as journal:
        with journal.acquire("app", "sandbox", heartbeat=False) as lease:
            begin(journal, lease)
        journal.keep_file(PLAN, writing(b"plan"))
        assert count(journal, kept_file_table) == 0
    with open_journal(tmp_path / "journal.db", clock=clock, keys=SealingKeys((KEY,))) as in_file:
        in_file.keep_file(PLAN, writing(b"plan"))
        assert count(in_file, kept_file_table) == 0


def test_another_key_is_named_and_one_that_was_appended_reads(opened: Opened) -> None:
    opened(KEY).keep_file(PLAN, writing(b"plan"))
    for keys in ((), (OTHER,)):
        with pytest.raises(CredentialError, match=r"is (encrypted|signed) with the key [0-9a-f]{8}"):
            content_of(opened(*keys), PLAN_NAME)
    assert content_of(opened(OTHER, KEY), PLAN_NAME) == b"plan"


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM kept_chunk WHERE number = 4",
        "DELETE FROM kept_chunk WHERE number = 2",
        "DELETE FROM kept_chunk",
        "UPDATE kept_chunk SET number = CASE number WHEN 1 THEN 12 WHEN 2 THEN 11 ELSE number + 10 END",
        "UPDATE kept_chunk SET sealed = 'short' WHERE number = 3",
        "UPDATE kept_file SET name = 'run-1.receipt.json', run = 1",
        "UPDATE kept_file SET stamp = 'x'",
        "UPDATE kept_file SET salt = 'x'",
    ],
)
def test_a_file_that_was_changed_or_cut_short_is_refused(damage: str, opened: Opened) -> None:
    journal = opened(KEY)
    journal.keep_file(PLAN, writing(CONTENT))
    with journal._writable.writing("") as connection:
        connection.exec_driver_sql("SET search_path TO leanplum_sync")
        connection.exec_driver_sql(damage)
    [name] = names_of(journal)
    with pytest.raises(JournalCorruptError, match="was changed or deleted"):
        content_of(journal, name)


def failing(error: BaseException) -> Callable[..., None]:
    """Return what fails after three chunks of the upload."""
    calls = []

    def write(file: IO[bytes]) -> None:
        calls.append(file)
        file.write(CONTENT)
        if len(calls) > 1:
            raise error

    return write


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_upload_that_fails_leaves_nothing(error: BaseException, opened: Opened) -> None:
    journal = opened(KEY)
    journal.keep_file(PLAN, writing(b"before"))
    with pytest.raises(type(error)):
        journal.keep_file(PLAN, failing(error))
    assert content_of(journal, PLAN_NAME) == b"before"
    assert (count(journal, kept_file_table), count(journal, kept_chunk_table)) == (1, 1)


def leave_cut_off(journal: Journal, name: KeptName) -> None:
    """Leave three chunks of a copy, as a process that is killed does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("leanplum_sync.journal.kept_files._delete_unfinished", lambda *_: None)
        with pytest.raises(KeyboardInterrupt):
            journal.keep_file(name, failing(KeyboardInterrupt()))


def let_a_day_pass(journal: Journal) -> None:
    with journal._writable.writing("") as connection:
        connection.execute(sa.update(kept_file_table).values(kept_at=kept_file_table.c.kept_at - 2 * DAY))


def test_the_next_upload_of_a_file_deletes_those_that_were_cut_off(opened: Opened) -> None:
    journal = opened(KEY)
    for name in (PLAN, RECEIPT):
        leave_cut_off(journal, name)
    let_a_day_pass(journal)
    leave_cut_off(journal, PLAN)  # it may be going on
    journal.keep_file(PLAN, writing(b"plan"))
    assert content_of(journal, PLAN_NAME) == b"plan"
    assert (count(journal, kept_file_table), count(journal, kept_chunk_table)) == (3, 7)


def test_an_upload_that_was_cut_off_is_no_file_and_goes_after_a_day(opened: Opened, clock: Clock) -> None:
    journal = opened(KEY)
    leave_cut_off(journal, PLAN)
    assert names_of(journal) == []
    assert count(journal, kept_chunk_table) == 3
    assert journal.prune_files({"d": True}.get, before=0) == 0  # it may be going on
    let_a_day_pass(journal)
    assert journal.prune_files({"d": True}.get, before=0) == 1
    assert (count(journal, kept_file_table), count(journal, kept_chunk_table)) == (0, 0)


@pytest.mark.parametrize(
    ("plans", "stored_days_ago", "goes"),
    [({"d": True}, 100, False), ({"d": False}, 1, True), ({}, 1, False), ({}, 100, True)],
)
def test_files_go_with_their_plan(
    *, plans: dict[str, bool], stored_days_ago: int, goes: bool, opened: Opened, clock: Clock
) -> None:
    journal = opened(KEY)
    for name in (PLAN, RECEIPT):
        journal.keep_file(name, writing(b"x"))
    with journal._writable.writing("") as connection:
        now = clock.now() + journal._writable.clock_ahead(connection)
        connection.execute(sa.update(kept_file_table).values(kept_at=now - stored_days_ago * DAY))
    assert journal.prune_files(plans.get, before=now - 90 * DAY) == (2 if goes else 0)
    assert count(journal, kept_chunk_table) == (0 if goes else 2)


def test_a_copy_of_the_journal_has_them_too(
    opened: Opened, postgresql: Server, journal_location: str
) -> None:
    journal = opened(KEY)
    journal.keep_file(PLAN, writing(CONTENT))
    target = postgresql.new_database()
    counts = copy_journal(journal_location, target, SealingKeys((KEY,)))
    assert (counts["kept_file"], counts["kept_chunk"]) == (1, 4)
    assert content_of(opened(KEY, location=target), PLAN_NAME) == CONTENT


def test_a_journal_of_version_9_gets_kept_files(opened: Opened, journal_location: Location) -> None:
    journal = opened(KEY)
    with journal._writable.writing("") as connection:
        for table in (kept_chunk_table, kept_file_table):
            table.drop(connection)
        connection.execute(sa.update(version_table).values(version=9))
    opened(KEY).keep_file(PLAN, writing(b"plan"))
    assert content_of(opened(KEY), PLAN_NAME) == b"plan"


def test_an_empty_journal_keeps_no_files(opened: Opened, postgresql: Server) -> None:
    run = run_of(opened(KEY))
    with read_journal(postgresql.new_database(), keys=SealingKeys()) as empty:
        assert empty.kept_files(run) == ()
