"""The shared journal: what the server, the network and other people's machines may do to it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from journals import DONE, begin, sends
from postgresql import PASSWORD, Server

from leanplum_sync.errors import JournalError, JournalLockedError, JournalUnreachableError
from leanplum_sync.journal import database, open_journal, read_journal
from leanplum_sync.journal.database import SCHEMA
from leanplum_sync.journal.entry import BatchState, Fate
from leanplum_sync.journal.writer import Journal

pytestmark = pytest.mark.slow


@pytest.fixture
def address(postgresql: Server) -> str:
    return postgresql.new_database()


@pytest.fixture
def journal(address: str) -> Iterator[Journal]:
    with open_journal(address) as found:
        yield found


def cut_connections(postgresql: Server, address: str) -> None:
    name = address.partition("@/")[2].partition("?")[0]
    with postgresql.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )


def test_its_tables_stand_apart_from_those_of_others(postgresql: Server, address: str) -> None:
    name = address.partition("@/")[2].partition("?")[0]
    with postgresql.connect(name) as connection:
        connection.execute("CREATE TABLE run (theirs text)")
        with open_journal(address) as journal, journal.acquire("app", "sandbox"):
            assert len(journal.locks()) == 1
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        ours = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s", [SCHEMA]
        ).fetchall()
    assert tables == [("run",)]
    assert ("run",) in ours


@pytest.mark.parametrize("kind", ["host", "socket file without a server", "no socket file"])
def test_no_server_is_told_in_a_sentence(kind: str, tmp_path: Path) -> None:
    address = "postgresql://somebody:s3cret@127.0.0.1:1/journal"
    if kind != "host":
        address = f"postgresql://somebody:s3cret@/journal?host={tmp_path}"
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        if kind == "socket file without a server":
            listener.bind(str(tmp_path / ".s.PGSQL.5432"))
        for opening in (open_journal, read_journal):
            with pytest.raises(
                JournalUnreachableError, match=r"shared journal can't be reached: .*; it was not opened\.$"
            ):
                opening(address)


@pytest.mark.parametrize("password", ["wr0ng-password", "", "with:colon"])
def test_a_wrong_password_is_told_and_never_shown(postgresql: Server, password: str) -> None:
    address = postgresql.address(user="guarded").replace("guarded@", f"guarded:{password}@")
    with pytest.raises(JournalError, match="password") as caught:
        open_journal(address)
    assert not password or password not in str(caught.value)


def test_the_right_password_opens_it(postgresql: Server, address: str) -> None:
    with read_journal(address.replace("postgres@", f"guarded:{PASSWORD}@")) as reader:
        assert reader.runs() == ()


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:s3cret@host:not-a-port/db",
        "postgresql://u:s3cret@[::1/db",
        "postgresql://u:p@s3cret@host/db",
    ],
)
def test_an_address_that_can_not_be_read_is_told_without_being_shown(address: str) -> None:
    with pytest.raises(JournalError, match="address can't be read") as caught:
        open_journal(address)
    assert "s3cret" not in str(caught.value)


def test_somebody_without_the_right_to_make_it_is_told_so(postgresql: Server, address: str) -> None:
    with pytest.raises(JournalError, match="read-only"):
        open_journal(address.replace("postgres@", f"guarded:{PASSWORD}@"))


def test_a_connection_lost_in_the_middle_undoes_the_transaction_and_the_next_one_has_a_new_one(
    postgresql: Server, address: str, journal: Journal
) -> None:
    with journal.acquire("app", "sandbox", heartbeat=False) as lease:

        def write() -> None:
            with lease.writing("nothing was sent") as connection:
                cut_connections(postgresql, address)
                connection.execute(sa.text("SELECT 1"))

        with pytest.raises(JournalError, match="lost its connection; nothing was sent"):
            write()
        with lease.writing("nothing was sent"):
            pass


def test_a_writer_that_keeps_the_others_waiting_for_too_long_is_told_of(
    address: str, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_journal(address) as other, other._writable.writing(""):
        monkeypatch.setattr(database, "_BUSY_SECONDS", 1)
        with pytest.raises(JournalError, match="locked by another process for 1 seconds; nothing was sent"):
            journal.acquire("app", "sandbox")


def test_a_writer_paused_in_the_middle_loses_its_transaction_before_the_others_give_up(
    address: str, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 2)
    taken = []
    with open_journal(address) as paused:

        def write() -> None:
            with paused._writable.writing("nothing was sent") as connection:
                with journal.acquire("app", "sandbox") as lease:
                    taken.append(lease.fence)
                connection.execute(sa.text("SELECT 1"))

        with pytest.raises(JournalError, match="nothing was sent"):
            write()
        assert taken == [1]
        with paused.acquire("app", "sandbox"):
            pass


def test_a_machine_whose_clock_is_wrong_takes_no_lock_too_early(
    address: str, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    with journal.acquire("app", "sandbox", heartbeat=False):
        monkeypatch.setattr(time, "time", lambda: real() + 3600)
        with (
            open_journal(address) as other,
            pytest.raises(JournalLockedError, match="Another run is working on sandbox"),
        ):
            other.acquire("app", "sandbox")


@pytest.mark.parametrize(("durable", "setting"), [(True, "on"), (False, "off")])
def test_an_intent_waits_for_the_disk_whatever_the_servers_default_is(
    postgresql: Server, address: str, durable: bool, setting: str
) -> None:
    name = address.partition("@/")[2].partition("?")[0]
    with postgresql.connect() as connection:
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    with open_journal(address) as journal, journal._writable.writing("", durable_at_once=durable) as writing:
        assert writing.scalar(sa.text("SHOW synchronous_commit")) == setting
        # Any other would not see what was committed while it waited for its turn.
        assert writing.scalar(sa.text("SHOW transaction_isolation")) == "read committed"


def test_two_who_make_the_same_journal_at_once_make_one(address: str) -> None:
    start, errors = threading.Barrier(4), []

    def make() -> None:
        start.wait()
        try:
            open_journal(address).close()
        except JournalError as error:
            errors.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_parts_write_what_is_their_own_beside_each_other_and_what_others_write_too_alone(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 1)
    with (
        open_journal(address) as one,
        open_journal(address) as other,
        one.acquire("app", "live", part="1/2", heartbeat=False) as first,
        other.acquire("app", "live", part="2/2", heartbeat=False) as second,
        first.writing("", alone=False),
    ):
        with second.writing("", alone=False):
            pass
        with pytest.raises(JournalError, match="locked by another process"), second.writing("nothing"):
            pass


LOSSES = ["before it is committed", "after it is committed"]


@pytest.mark.parametrize("loss", LOSSES)
def test_an_answer_is_recorded_although_the_connection_is_lost(
    loss: str, journal: Journal, postgresql: Server, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nobody knows whether it was: the second try finds out."""
    dialect = journal._writable._engine.dialect
    commit, losses = dialect.do_commit, 0

    def lose(connection: Any) -> None:
        nonlocal losses
        losses += 1
        if losses > 1:
            commit(connection)
            return
        if loss == "after it is committed":
            commit(connection)
        cut_connections(postgresql, address)
        connection.cursor().execute("SELECT 1")

    with journal.acquire("app", "sandbox", heartbeat=False) as lease:
        run = begin(journal, lease)
        batch = sends(1, "u1", "u2")
        run.record_sent(batch, [10, 11], {}, body_digest="b")
        monkeypatch.setattr(dialect, "do_commit", lose)
        assert run.record_answer(batch, {10: DONE, 11: DONE}) is BatchState.DONE
        assert losses > 1 or loss == "after it is committed"
        monkeypatch.undo()
        entry = run.entries(1, 1)[1]
        tally = journal.tally(run.number)
    assert (entry.state, entry.attempts) == (BatchState.DONE, 1)
    assert (tally.actions[Fate.DONE], tally.lookups) == (2, 2)


def test_nothing_is_sent_on_an_intent_whose_connection_was_lost(
    journal: Journal, postgresql: Server, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialect = journal._writable._engine.dialect

    def lose(connection: Any) -> None:
        cut_connections(postgresql, address)
        connection.cursor().execute("SELECT 1")

    with journal.acquire("app", "sandbox", heartbeat=False) as lease:
        run = begin(journal, lease)
        monkeypatch.setattr(dialect, "do_commit", lose)
        with pytest.raises(JournalUnreachableError, match="nothing was sent"):
            run.record_sent(sends(1, "u1"), [10], {}, body_digest="b")
        monkeypatch.undo()
        assert not run.entries(1, 1)


def test_an_answer_that_can_not_be_recorded_within_the_lease_leaves_a_doubt(
    journal: Journal, postgresql: Server, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialect = journal._writable._engine.dialect

    def lose(connection: Any) -> None:
        cut_connections(postgresql, address)
        connection.cursor().execute("SELECT 1")

    with journal.acquire("app", "sandbox", heartbeat=False, lease_seconds=3.0) as lease:
        run = begin(journal, lease)
        batch = sends(1, "u1")
        run.record_sent(batch, [10], {}, body_digest="b")
        monkeypatch.setattr(dialect, "do_commit", lose)
        with pytest.raises(JournalUnreachableError, match="in doubt"):
            run.record_answer(batch, {10: DONE})
        monkeypatch.undo()
        assert run.entries(1, 1)[1].state is BatchState.SENT
