"""The journal on a real disk: what it refuses to open, what it says, what it leaves alone."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
from journals import DONE, REJECTED, Location, begin, send, sends, sets

from leanplum_sync.address import Subject
from leanplum_sync.errors import JournalCorruptError, JournalError
from leanplum_sync.journal import open_journal, read_journal
from leanplum_sync.journal.lock import Lease
from leanplum_sync.journal.run import RunJournal
from leanplum_sync.journal.schema import (
    batch_subject_table,
    batch_table,
    delivery_rename_table,
    delivery_table,
    footprint_table,
    lock_table,
    rejection_table,
    run_plan_table,
    run_table,
    version_table,
)
from leanplum_sync.journal.writer import Journal
from leanplum_sync.planner.known import NOTHING_KNOWN

# For what is about files. Everything else holds for both backends.
ONLY_SQLITE = pytest.mark.parametrize("backend", ["sqlite"])


@ONLY_SQLITE
def test_a_journal_that_does_not_exist_reads_as_empty_and_is_not_made(path: Path) -> None:
    with read_journal(path) as reader:
        user = Subject.user("u1")
        assert reader.known("app", [user]) == {user: NOTHING_KNOWN}
        assert reader.runs() == ()
        assert list(reader.exceptions(1)) == []
        assert reader.locks() == ()
        assert reader.tally(1).requests == 0
    assert not path.parent.exists()


def test_an_empty_database_reads_as_an_empty_journal(journal_location: Location) -> None:
    if isinstance(journal_location, Path):
        journal_location.parent.mkdir()
        journal_location.touch()
    with read_journal(journal_location) as reader:
        assert reader.runs() == ()
        assert reader.locks() == ()


@ONLY_SQLITE
def test_reading_leaves_no_file_behind(journal: Journal, path: Path) -> None:
    journal.close()
    with read_journal(path) as reader:
        assert reader.runs() == ()
    assert sorted(found.name for found in path.parent.iterdir()) == ["journal.db", "journal.db.mark"]


def test_a_reader_can_not_write(journal: Journal, journal_location: Location) -> None:
    with (
        read_journal(journal_location) as reader,
        pytest.raises(JournalError, match="read-only"),
        reader._database.writing("nothing was changed") as connection,
    ):
        connection.execute(sa.delete(run_table))


@ONLY_SQLITE
def test_a_journal_in_a_folder_nobody_may_write_to_can_be_read(
    journal: Journal, lease: Lease, run: RunJournal, path: Path
) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    journal.close()
    path.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with read_journal(path) as reader:
        assert len(reader.runs()) == 1
    path.parent.chmod(stat.S_IRWXU)


def test_a_newer_journal_is_refused(journal: Journal, journal_location: Location) -> None:
    with journal._writable.writing("") as connection:
        connection.execute(sa.update(version_table).values(version=99))
    for opening in (open_journal, read_journal):
        with pytest.raises(JournalCorruptError, match="newer version of leanplum-sync"):
            opening(journal_location)


@ONLY_SQLITE
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE journal_version SET version = CAST(x'ff' AS TEXT)",
        "UPDATE journal_version SET version = 'two'",
        "UPDATE journal_version SET version = x'00'",
        "UPDATE journal_version SET version = 0",
        "DELETE FROM journal_version",
        # The driver can't even read SQLite's own sentence about it.
        "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = '', name = CAST(x'ff' AS TEXT) WHERE name = 'run'",
    ],
)
def test_a_journal_that_no_longer_says_its_version_is_damaged(
    journal: Journal, path: Path, damage: str
) -> None:
    journal.close()
    with sqlite3.connect(path) as connection:
        connection.executescript(damage)
    connection.close()
    for opening in (open_journal, read_journal):
        with pytest.raises(JournalCorruptError, match="damaged, or is not a journal; it was not opened"):
            opening(path)


def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"not a database, but somebody's notes " * 100)
    before = path.read_bytes()
    with pytest.raises(JournalCorruptError, match="damaged, or is not a journal; it was not opened"):
        open_journal(path)
    assert path.read_bytes() == before


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(JournalError, match="can't be used"):
        open_journal(tmp_path / "file" / "journal.db")


@ONLY_SQLITE
def test_intents_are_durable_when_they_return(run: RunJournal, path: Path) -> None:
    """Another connection sees the intent at once, and the disk was asked to keep it."""
    run.record_sent(sends(1, "u1"), [10], {}, body_digest="b")
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT state FROM batch").fetchall() == [("sent",)]
    connection.close()
    with run._database.writing("") as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


@pytest.mark.parametrize(
    ("version", "missing"), [(1, (footprint_table, run_plan_table)), (2, (run_plan_table,))]
)
def test_a_journal_of_an_older_version_is_brought_up_to_date_by_who_writes(
    *,
    version: int,
    missing: tuple[sa.Table, ...],
    run: RunJournal,
    journal: Journal,
    lease: Lease,
    journal_location: Location,
) -> None:
    with journal._writable.writing("") as connection:
        for table in missing:
            table.drop(connection)
        connection.execute(sa.update(version_table).values(version=version))
    with pytest.raises(
        JournalError,
        match=rf"older format {version}\. Upgrade it with: leanplum-sync journal upgrade",
    ):
        read_journal(journal_location)
    with open_journal(journal_location) as upgraded:
        assert [entry.number for entry in upgraded.runs()] == [run.number]
    assert begin(journal, lease, made_at=60.0).number == run.number
    send(run, sets(1, tier="gold"), DONE, DONE, DONE)
    with read_journal(journal_location) as reader:
        assert reader.footprints("app", "sandbox", [Subject.user("u1")])


def test_a_journal_of_version_8_counts_its_deliveries(
    run: RunJournal, journal: Journal, journal_location: Location
) -> None:
    send(run, sends(1, "ann", "ben"), DONE, DONE)
    send(run, sets(2, tier="gold"), DONE, DONE, DONE)
    with journal._writable.writing("") as connection:
        schema = "" if isinstance(journal_location, Path) else "leanplum_sync."
        connection.exec_driver_sql(f"ALTER TABLE {schema}batch DROP COLUMN deliveries")
        connection.execute(sa.update(version_table).values(version=8))
    with open_journal(journal_location) as upgraded:
        assert not list(upgraded.faults())
    with journal._writable.reading() as connection:
        assert list(connection.scalars(sa.select(batch_table.c.deliveries))) == [2, 0]


def test_a_journal_of_version_7_gets_rejections(
    run: RunJournal, journal: Journal, journal_location: Location
) -> None:
    send(run, sets(1, tier="gold"), DONE, DONE, DONE)
    with journal._writable.writing("") as connection:
        rejection_table.drop(connection)
        schema = "" if isinstance(journal_location, Path) else "leanplum_sync."
        connection.exec_driver_sql(f"ALTER TABLE {schema}batch DROP COLUMN rejected_before")
        connection.execute(sa.update(version_table).values(version=7))
    with open_journal(journal_location) as upgraded:
        assert upgraded.tally(run.number).rejected_before == 0
    send(run, sets(2, tier="x"), REJECTED, REJECTED, REJECTED)
    assert run.failures(0) == (3, 6)


def test_a_journal_of_version_5_gets_the_length_of_leases(
    journal: Journal, journal_location: Location
) -> None:
    journal.acquire("app", "sandbox", heartbeat=False)
    with journal._writable.writing("") as connection:
        rows = [dict(row) for row in connection.execute(sa.select(lock_table)).mappings()]
        lock_table.drop(connection)
        former = sa.Table(
            "run_lock",
            sa.MetaData(),
            *(
                sa.Column(each.name, each.type, primary_key=each.primary_key)
                for each in lock_table.columns
                if each.name != "seconds"
            ),
        )
        former.create(connection)
        connection.execute(sa.insert(former), [{**row, "until": 0.0} for row in rows])
        connection.execute(sa.update(version_table).values(version=5))
    with open_journal(journal_location) as upgraded:
        with upgraded._writable.reading() as connection:
            assert connection.scalar(sa.select(lock_table.c.seconds)) == 60
        with upgraded.acquire("app", "sandbox") as lease:
            assert lease.fence == 2


def test_a_journal_of_version_4_gets_the_messages_of_deliveries_and_renames(
    run: RunJournal, journal: Journal, journal_location: Location
) -> None:
    ann, ben = (Subject.user(name) for name in ("ann", "ben"))
    send(run, sends(1, "ann"), DONE)
    columns = ["app", "subject", "name", "resource", "state", "run", "sequence", "action"]
    with journal._writable.writing("") as connection:
        delivery_rename_table.drop(connection)
        former_columns = sa.select(*(delivery_table.c[name] for name in columns))
        rows = [dict(row) for row in connection.execute(former_columns).mappings()]
        delivery_table.drop(connection)
        former = sa.Table(
            "delivery",
            sa.MetaData(),
            *(
                sa.Column(name, delivery_table.c[name].type, primary_key=name in ("app", "subject", "name"))
                for name in columns
            ),
            sa.Index("delivery_by_batch", "run", "sequence"),
        )
        former.create(connection)
        connection.execute(sa.insert(former), rows)
        connection.execute(sa.update(version_table).values(version=4))
    with open_journal(journal_location) as upgraded:
        sent = upgraded.known("app", [ann])[ann].sent["november"]
        assert sent.message is None
        assert sent.at is not None
        assert upgraded.recipients("app", ["november", "december"]) == {"november": 1}
    send(run, sends(2, "ben"), DONE)
    with read_journal(journal_location) as reader:
        assert reader.known("app", [ben])[ben].sent["november"].message == 4_503_599_627_370_497


def test_deliveries_of_an_older_version_are_known_by_their_names_alone(
    run: RunJournal, journal: Journal, journal_location: Location
) -> None:
    send(run, sends(1, "ann", "ben"), DONE, DONE)
    columns = ["app", "subject", "name", "resource", "state", "run", "sequence", "action"]
    with journal._writable.writing("") as connection:
        former_columns = sa.select(*(delivery_table.c[name] for name in columns))
        rows = [dict(row) for row in connection.execute(former_columns).mappings()]
        delivery_table.drop(connection)
        former = sa.Table(
            "delivery",
            sa.MetaData(),
            *(
                sa.Column(
                    name,
                    delivery_table.c[name].type,
                    primary_key=name in ("app", "subject", "resource", "name"),
                )
                for name in columns
            ),
            sa.Index("delivery_by_batch", "run", "sequence"),
        )
        former.create(connection)
        again = {**rows[0], "resource": "MessageSend/other", "state": "held", "run": 7}
        connection.execute(sa.insert(former), [*rows, again])
        connection.execute(sa.update(version_table).values(version=3))
    with open_journal(journal_location) as upgraded:
        ann, ben = (Subject.user(name) for name in ("ann", "ben"))
        known = upgraded.known("app", [ann, ben])
        assert known[ann].held == {"november": 7}
        assert (known[ben].delivered, known[ben].held) == ({"november": "MessageSend/m"}, {})


def test_errors_name_no_user(run: RunJournal, journal: Journal) -> None:
    batch = sends(1, "secret-user")
    with journal._writable.writing("") as connection:
        batch_subject_table.drop(connection)
    with pytest.raises(JournalError) as caught:
        send(run, batch)
    assert "secret-user" not in str(caught.value)
    assert "nothing was sent" in str(caught.value)
