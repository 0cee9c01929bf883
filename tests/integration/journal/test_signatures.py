"""With a key, every record that decides about sending again is signed: altered, inserted, copied and deleted ones are refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from clocks import Clock
from journals import DONE, REJECTED, Location, begin, send, sends, sets

from leanplum_sync.address import Subject
from leanplum_sync.encryption import KEY_VARIABLE, SealingKeys, new_key
from leanplum_sync.errors import CredentialError, JournalCorruptError, JournalError, JournalLockedError
from leanplum_sync.journal import open_journal, read_journal
from leanplum_sync.journal.copying import copy_journal
from leanplum_sync.journal.database import Database
from leanplum_sync.journal.entry import Resolution
from leanplum_sync.journal.recording import SendElsewhere
from leanplum_sync.journal.schema import batch_table, identity_table, run_table
from leanplum_sync.journal.sign import sign_journal
from leanplum_sync.journal.writer import Journal
from leanplum_sync.wire.outcome import ActionOutcome, Outcome

NO_KEYS = SealingKeys()
USERS = [Subject.user(name) for name in ("ann", "ben", "cid", "dan", "eve")]
IN_DOUBT = ActionOutcome(Outcome.IN_DOUBT, "no answer")
ALTERED = f"was altered, or written without {KEY_VARIABLE}. The command stopped without changing anything. Restore the journal from a backup."


KEY = new_key()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    return KEY


def live(journal: Journal) -> None:
    """
    Run 1 has a batch that is done, one with a held send, one in doubt, and one with a rejection; a later plan resumed it, and
    run 2 of another plan took over. Batch 1 of run 2 is in flight.
    """
    with journal.acquire("app", "sandbox", heartbeat=False) as lease:
        journal.accept(lease)
        first = begin(journal, lease)
        send(first, sends(1, "ann", "ben"), DONE, DONE)
        send(first, sends(2, "cid"), IN_DOUBT)
        send(first, sets(3, tier="gold"), DONE, REJECTED, DONE)
        begin(journal, lease, made_at=60.0)
        second = begin(journal, lease, digest="e", made_at=90.0)
        send(second, sends(1, "dan", name="december"))


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[], str]], Location]:
    """Return a journal of each backend that has lived, made once. It is to be copied."""
    made: dict[str, Location] = {}

    def found(backend: str, new_database: Callable[[], str]) -> Location:
        if backend not in made:
            is_file = backend == "sqlite"
            made[backend] = tmp_path_factory.mktemp("lived") / "journal.db" if is_file else new_database()
            with open_journal(made[backend], clock=Clock()) as journal:
                live(journal)
        return made[backend]

    return found


@pytest.fixture
def location(request: Any, backend: str, tmp_path: Path, lived: Any) -> Location:
    if backend == "sqlite":
        source = lived(backend, str)
        shutil.copytree(source.parent, tmp_path / "deep")
        return tmp_path / "deep" / source.name
    server = request.getfixturevalue("postgresql")
    return server.copy_database(lived(backend, server.new_database))


def alter(location: Location, *statements: str) -> int:
    """Execute *statements* as somebody without the key does. Return how many rows the last one changed."""
    database = Database(location, is_checked=False)
    changed = 0
    try:
        with database._engine.begin() as connection:
            for statement in statements:
                schema = "" if isinstance(location, Path) else "leanplum_sync."
                changed = connection.exec_driver_sql(statement.replace("@", schema)).rowcount
    finally:
        database.close()
    return changed


def read_all(location: Location) -> None:
    with read_journal(location) as journal:
        for run in journal.runs():
            list(journal.batches(run.number))
            list(journal.exceptions(run.number))
        list(journal.deliveries())
        journal.known("app", USERS)


def sentences(location: Location) -> list[str]:
    with read_journal(location, is_checked=False) as journal:
        return [f"{fault.run}/{fault.batch} {fault.sentence}" for fault in journal.faults()]


def test_an_untouched_journal_is_consistent(location: Location) -> None:
    read_all(location)
    assert sentences(location) == []
    with open_journal(location) as journal, journal.acquire("app", "sandbox", heartbeat=False) as lease:
        begin(journal, lease, digest="f", made_at=120.0)
    read_all(location)
    assert sentences(location) == []


BATCH = {
    "the state of a batch": "UPDATE @batch SET state = 'planned' WHERE run = 1 AND sequence = 1",
    "its open actions": "UPDATE @batch SET open_actions = '[10]' WHERE run = 1 AND sequence = 1",
    "its digest": "UPDATE @batch SET body_digest = 'x' WHERE run = 1 AND sequence = 1",
    "the time of its doubt": "UPDATE @batch SET doubted_at = 1 WHERE run = 1 AND sequence = 1",
    "its count of deliveries and the deliveries": "UPDATE @batch SET deliveries = 1 WHERE run = 1 AND sequence = 1;DELETE FROM @delivery WHERE subject = 'user:ann'",
    "the state of a delivery": "UPDATE @delivery SET state = 'held' WHERE subject = 'user:ann'",
    "who received it": "UPDATE @delivery SET subject = 'user:eve' WHERE subject = 'user:ann'",
    "what was received": "UPDATE @delivery SET name = 'x' WHERE subject = 'user:ann'",
    "a further delivery": "INSERT INTO @delivery VALUES ('app', 'user:eve', 'november', 'MessageSend/m', 'done', 1, 1, 10, 7)",
    "a delivery that is another batch's": "UPDATE @delivery SET sequence = 1 WHERE subject = 'user:cid'",
    "a further exception": "INSERT INTO @exception VALUES (1, 1, 10, 'user:ann', 'skipped', '')",
    "a signature of another batch": "UPDATE @batch SET signature = (SELECT signature FROM @batch WHERE run = 1 AND sequence = 3) WHERE run = 1 AND sequence = 1",
    "a signature of another run": "UPDATE @batch SET signature = (SELECT signature FROM @batch WHERE run = 2 AND sequence = 1) WHERE run = 1 AND sequence = 1",
    "no signature": "UPDATE @batch SET signature = NULL WHERE run = 1 AND sequence = 1",
    "an invalid signature": "UPDATE @batch SET signature = 'x' WHERE run = 1 AND sequence = 1",
}
# SQLite stores bytes in any column.
BYTES = {
    "UPDATE @exception SET message = x'00' WHERE run = 1 AND sequence = 3": "batch 3 of run 1",
    "UPDATE @run_plan SET plan_made_at = x'00'": "run 1",
    "UPDATE @journal_accepted SET app = x'00'": "its identity",
}
HELD = {
    "a decision on a held send": "UPDATE @exception SET fate = 'skipped' WHERE run = 1 AND sequence = 2",
    "a held send": "DELETE FROM @exception WHERE run = 1 AND sequence = 2",
    "a delivery that is held": "UPDATE @delivery SET state = 'done' WHERE subject = 'user:cid'",
}


@pytest.mark.parametrize("statements", BATCH.values(), ids=BATCH)
def test_a_batch_that_was_altered_is_refused(location: Location, statements: str) -> None:
    assert alter(location, *statements.split(";")) == 1
    with pytest.raises(
        JournalCorruptError, match=rf"batch 1 of run 1 ({ALTERED}|has the wrong number of deliveries)"
    ):
        read_all(location)
    assert any(each.startswith("1/1 was altered") for each in sentences(location))


@pytest.mark.parametrize("statement", HELD.values(), ids=HELD)
def test_a_decision_that_no_person_made_is_refused(location: Location, statement: str) -> None:
    assert alter(location, statement) == 1
    with pytest.raises(JournalCorruptError, match=f"batch 2 of run 1 {ALTERED}"):
        read_all(location)
    with (
        open_journal(location) as journal,
        journal.acquire("app", "sandbox", heartbeat=False) as lease,
        pytest.raises(JournalError, match="batch 2 of run 1"),
    ):
        journal.resolve(lease, 1, Resolution.AGAIN, sequence=2)


RUN_COLUMNS = ", ".join(column.name for column in run_table.columns if column.name != "number")


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE @run SET state = 'finished' WHERE number = 1", f"run 1 {ALTERED}"),
        ("UPDATE @run SET plan_digest = 'x' WHERE number = 2", f"run 2 {ALTERED}"),
        ("UPDATE @run SET ended_at = NULL WHERE number = 1", f"run 1 {ALTERED}"),
        ("UPDATE @run SET begun = 4 WHERE number = 1", f"run 1 {ALTERED}"),
        ("DELETE FROM @run_plan", f"run 1 {ALTERED}"),
        ("INSERT INTO @run_plan VALUES (2, 7.0)", f"run 2 {ALTERED}"),
        ("DELETE FROM @run WHERE number = 2", f"its identity {ALTERED}"),
        ("UPDATE @journal_identity SET mark = mark + 1", f"its identity {ALTERED}"),
        ("UPDATE @journal_identity SET id = 'another'", f"its identity {ALTERED}"),
        ("DELETE FROM @journal_accepted", f"its identity {ALTERED}"),
        ("INSERT INTO @journal_accepted VALUES ('another', 1.0)", f"its identity {ALTERED}"),
        ("INSERT INTO @delivery_rename VALUES ('app', 'november', 'december')", f"its identity {ALTERED}"),
        (
            "DELETE FROM @batch WHERE run = 1 AND sequence = 3",
            "run 1 has the wrong number of batches: 2, not 3",
        ),
        (
            "DELETE FROM @delivery WHERE subject = 'user:ann'",
            "batch 1 of run 1 has the wrong number of deliveries: 1, not 2",
        ),
        (f"INSERT INTO @run SELECT 3, {RUN_COLUMNS} FROM @run WHERE number = 1", f"its identity {ALTERED}"),
    ],
)
def test_a_run_or_journal_that_was_altered_is_not_opened(
    location: Location, statement: str, sentence: str
) -> None:
    assert alter(location, statement) == 1
    for opening in (read_journal, open_journal):
        with pytest.raises(JournalCorruptError, match=sentence.replace(";", ".*;")):
            opening(location)
    assert sentences(location)


def test_a_batch_that_was_deleted_whole_is_missed(location: Location) -> None:
    alter(
        location,
        "DELETE FROM @delivery WHERE run = 1 AND sequence = 1",
        "DELETE FROM @batch WHERE run = 1 AND sequence = 1",
    )
    with pytest.raises(JournalCorruptError, match="run 1 has the wrong number of batches: 2, not 3"):
        open_journal(location)


def test_a_delivery_without_a_batch_is_refused_when_it_is_read(location: Location) -> None:
    alter(
        location,
        "INSERT INTO @delivery VALUES ('app', 'user:eve', 'may', 'MessageSend/m', 'done', 1, 9, 10, 7)",
    )
    with read_journal(location) as journal, pytest.raises(JournalCorruptError, match="batch 9 of run 1"):
        journal.known("app", USERS)
    with (
        open_journal(location) as journal,
        journal.acquire("app", "sandbox", heartbeat=False) as lease,
    ):
        run = begin(journal, lease, digest="f", made_at=120.0)
        with pytest.raises(JournalCorruptError, match="batch 9 of run 1"):
            run.delivered_by_others(sends(1, "eve", name="may"))
        with pytest.raises(JournalCorruptError, match="batch 9 of run 1"):
            send(run, sends(1, "eve", name="may"))


def test_a_record_of_another_journal_is_refused(
    journal_location: Location, location: Location, tmp_path: Path, clock: Clock
) -> None:
    with open_journal(tmp_path / "other.db", clock=clock) as other:
        live(other)
        with other._writable.reading() as connection:
            (signature,) = connection.scalars(
                sa.select(batch_table.c.signature).where(batch_table.c.run == 1, batch_table.c.sequence == 1)
            )
    alter(location, f"UPDATE @batch SET signature = '{signature}' WHERE run = 1 AND sequence = 1")
    with pytest.raises(JournalCorruptError, match="batch 1 of run 1"):
        read_all(location)


@pytest.mark.parametrize(
    "statement",
    [
        BATCH["the state of a batch"].replace("run = 1", "run = 2"),
        "UPDATE @delivery SET state = 'done' WHERE subject = 'user:dan'",
    ],
)
def test_a_batch_that_is_altered_during_the_run_is_not_changed_or_signed(
    journal_location: Location, clock: Clock, statement: str
) -> None:
    with (
        open_journal(journal_location, clock=clock) as journal,
        journal.acquire("app", "sandbox", heartbeat=False) as lease,
    ):
        begin(journal, lease, digest="d")
        run = begin(journal, lease, digest="e", made_at=90.0)
        batch = sends(1, "dan", name="december")
        send(run, batch)
        alter(journal_location, statement)
        for change in (
            lambda: run.record_answer(batch, {10: DONE}),
            lambda: run.record_doubt(batch, [10], "no answer"),
            lambda: run.entries(1, 1),
        ):
            with pytest.raises(JournalCorruptError, match="batch 1 of run 2"):
                change()
        with pytest.raises(JournalCorruptError, match="batch 1 of run 2"):
            read_all(journal_location)


def test_a_journal_begun_without_the_key_is_refused_until_a_person_has_it_signed(
    journal_location: Location, clock: Clock
) -> None:
    with open_journal(journal_location, clock=clock, keys=NO_KEYS) as journal:
        live(journal)
    for opening in (read_journal, open_journal):
        with pytest.raises(JournalCorruptError, match="sign it: leanplum-sync journal sign"):
            opening(journal_location)
    assert any("was created without" in each for each in sentences(journal_location))
    signed = sign_journal(journal_location)
    assert (signed.runs, signed.batches) == (2, 4)
    read_all(journal_location)
    assert sentences(journal_location) == []
    alter(journal_location, BATCH["the state of a batch"])
    with pytest.raises(JournalCorruptError, match="batch 1 of run 1"):
        sign_journal(journal_location)


def test_a_journal_that_is_not_consistent_is_not_signed(journal_location: Location, clock: Clock) -> None:
    with open_journal(journal_location, clock=clock, keys=NO_KEYS) as journal:
        live(journal)
    alter(journal_location, "UPDATE @batch SET state = 'planned' WHERE run = 1 AND sequence = 1")
    with pytest.raises(JournalCorruptError, match="is not consistent; nothing was signed"):
        sign_journal(journal_location)


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize(("statement", "place"), BYTES.items())
def test_a_record_with_a_value_that_is_never_written_is_not_signed(
    journal_location: Location, clock: Clock, statement: str, place: str
) -> None:
    with open_journal(journal_location, clock=clock, keys=NO_KEYS) as journal:
        live(journal)
    assert alter(journal_location, statement) == 1
    with pytest.raises(JournalCorruptError, match=f"{place} has a value that leanplum-sync never writes"):
        sign_journal(journal_location)
    assert any("was created without" in each for each in sentences(journal_location))


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize(("statement", "place"), BYTES.items())
def test_a_signed_record_with_a_value_that_is_never_written_is_refused(
    location: Location, statement: str, place: str
) -> None:
    assert alter(location, statement) == 1
    with pytest.raises(JournalCorruptError, match=f"{place} {ALTERED}"):
        read_all(location)


def test_a_journal_in_use_is_not_signed(journal_location: Location) -> None:
    with (
        open_journal(journal_location, keys=NO_KEYS) as journal,
        journal.acquire("app", "sandbox", heartbeat=False) as lease,
    ):
        begin(journal, lease)
        with pytest.raises(JournalLockedError, match="nothing was signed"):
            sign_journal(journal_location)


def test_without_a_key_or_a_journal_nothing_is_signed(location: Location, tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match=f"{KEY_VARIABLE} is not set"):
        sign_journal(location, NO_KEYS)
    with pytest.raises(JournalError, match="does not exist; nothing was signed"):
        sign_journal(tmp_path / "missing.db")


def test_without_its_key_a_signed_journal_is_read_but_not_written(location: Location) -> None:
    with read_journal(location, keys=NO_KEYS) as journal:
        assert len(journal.runs()) == 2
    with pytest.raises(CredentialError, match=f"is signed with the key .*, but {KEY_VARIABLE} is not set"):
        open_journal(location, keys=NO_KEYS)


def test_a_new_key_signs_what_changes_and_the_old_one_still_counts(
    location: Location, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = new_key()
    monkeypatch.setenv(KEY_VARIABLE, f"{new},{key}")
    with open_journal(location) as journal, journal.acquire("app", "sandbox", heartbeat=False) as lease:
        begin(journal, lease, digest="f", made_at=120.0)
    read_all(location)
    sign_journal(location)
    monkeypatch.setenv(KEY_VARIABLE, new)
    assert sentences(location) == []
    monkeypatch.setenv(KEY_VARIABLE, key)
    with pytest.raises(CredentialError, match="is signed with the key"):
        read_journal(location)


def test_a_journal_without_any_record_is_signed_when_it_is_first_opened_for_writing(
    journal_location: Location,
) -> None:
    open_journal(journal_location, keys=NO_KEYS).close()
    with read_journal(journal_location) as journal:
        assert journal.runs() == ()
    open_journal(journal_location).close()
    assert sentences(journal_location) == []


def test_a_journal_without_runs_that_says_it_is_accepted_is_not_signed(journal_location: Location) -> None:
    open_journal(journal_location, keys=NO_KEYS).close()
    alter(journal_location, "INSERT INTO @journal_accepted VALUES ('app', 1.0)")
    for opening in (read_journal, open_journal):
        with pytest.raises(JournalCorruptError, match="was created without"):
            opening(journal_location)


def test_sends_that_were_made_elsewhere_are_signed(location: Location) -> None:
    send_elsewhere = SendElsewhere("may", (), "MessageSend/m", 7, "by hand")
    with open_journal(location) as journal, journal.acquire("app", "sandbox", heartbeat=False) as lease:
        assert journal.record_elsewhere(lease, send_elsewhere, USERS).recorded == len(USERS)
    read_all(location)
    assert sentences(location) == []


def test_a_copy_keeps_its_signatures(location: Location, tmp_path: Path) -> None:
    copy_journal(location, tmp_path / "copy" / "journal.db")
    read_all(tmp_path / "copy" / "journal.db")
    assert sentences(tmp_path / "copy" / "journal.db") == []


def test_without_a_key_nothing_is_signed_or_counted(journal_location: Location) -> None:
    with open_journal(journal_location, keys=NO_KEYS) as journal:
        live(journal)
        with journal._writable.reading() as connection:
            assert set(connection.scalars(sa.select(batch_table.c.signature))) == {None}
            assert set(connection.scalars(sa.select(run_table.c.signature))) == {None}
            assert set(connection.scalars(sa.select(run_table.c.begun))) == {0}
            assert set(connection.scalars(sa.select(identity_table.c.signature))) == {None}


def test_a_journal_of_version_10_is_signed_by_a_person(journal_location: Location) -> None:
    with open_journal(journal_location, keys=NO_KEYS) as journal:
        live(journal)
    alter(
        journal_location,
        "ALTER TABLE @batch DROP COLUMN signature",
        "ALTER TABLE @run DROP COLUMN signature",
        "ALTER TABLE @run DROP COLUMN begun",
        "ALTER TABLE @journal_identity DROP COLUMN signature",
        "UPDATE @journal_version SET version = 10",
    )
    with pytest.raises(JournalCorruptError, match="journal sign"):
        open_journal(journal_location)
    sign_journal(journal_location)
    read_all(journal_location)
    assert sentences(journal_location) == []
