"""The lock on an app: who has it, until when, and who may take it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import sqlalchemy as sa
from clocks import Clock
from journals import DONE, Location, begin, send, sends
from waiting import wait_for

from leanplum_sync.errors import JournalLockedError, LockLostError, StalePlanError
from leanplum_sync.journal import lock, open_journal
from leanplum_sync.journal.lock import Lease, overlap
from leanplum_sync.journal.schema import lock_table
from leanplum_sync.journal.writer import Journal


def test_only_one_holds_the_lock_and_it_is_named(journal: Journal, lease: Lease) -> None:
    with pytest.raises(JournalLockedError) as caught:
        journal.acquire("app", "sandbox")
    assert f"process {os.getpid()} on" in str(caught.value)
    assert "since 2023-11-14 22:13:20 UTC" in str(caught.value)
    with journal.acquire("another", "sandbox"):
        assert len(journal.locks()) == 2
    assert len(journal.locks()) == 1


def test_the_lock_covers_the_app_whatever_environment_names_it(journal: Journal, lease: Lease) -> None:
    with pytest.raises(JournalLockedError, match="is working on sandbox, which has the same app: process"):
        journal.acquire("app", "production")
    fence = lease.fence
    lease.release()
    with journal.acquire("app", "production", heartbeat=False) as other:
        assert other.fence > fence
        with pytest.raises(JournalLockedError, match="is working on production, which has the same app"):
            journal.acquire("app", "sandbox", part="1/2")


def test_a_holder_for_another_environment_that_lost_its_lease_changes_nothing(
    journal: Journal, clock: Clock
) -> None:
    first = journal.acquire("app", "sandbox", lease_seconds=60, heartbeat=False)
    run = begin(journal, first)
    clock.sleep(61)
    with journal.acquire("app", "production", heartbeat=False) as second:
        with pytest.raises(LockLostError, match="took over"):
            send(run, sends(1, "u1"))
        second.check()


def test_an_unfinished_run_of_another_environment_is_superseded(journal: Journal, clock: Clock) -> None:
    """What it had sent is in doubt: the next run of the app waits for it, and its plan can't be resumed."""
    with journal.acquire("app", "sandbox", heartbeat=False) as first:
        send(begin(journal, first, "a"), sends(1, "u1"))
    assert journal.last_doubt("app") is None
    with journal.acquire("app", "production", heartbeat=False) as second:
        begin(journal, second, "b")
    assert journal.last_doubt("app") == pytest.approx(journal.now(), abs=1)
    with (
        journal.acquire("app", "sandbox", heartbeat=False) as again,
        pytest.raises(StalePlanError, match="a later plan has taken over"),
    ):
        begin(journal, again, "a")


def test_the_lease_of_a_holder_that_says_nothing_more_ends_by_itself(journal: Journal, clock: Clock) -> None:
    first = journal.acquire("app", "sandbox", lease_seconds=60, heartbeat=False)
    run = begin(journal, first)
    first.check()
    clock.sleep(49)
    with pytest.raises(LockLostError, match="was not renewed in time"):
        first.check()
    with pytest.raises(JournalLockedError):
        journal.acquire("app", "sandbox")
    clock.sleep(12)
    second = journal.acquire("app", "sandbox", heartbeat=False)
    assert second.fence > first.fence
    with pytest.raises(LockLostError, match="took over"):
        send(run, sends(1, "u1"))
    with pytest.raises(LockLostError, match="took over"):
        first.check()
    assert not list(journal.batches(run.number))
    first.release()
    assert len(journal.locks()) == 1
    second.check()


@pytest.mark.parametrize("ahead", [7200.0, 10.0])
def test_a_lock_left_by_a_clock_that_was_ahead_ends_within_one_lease(
    journal: Journal, clock: Clock, ahead: float
) -> None:
    journal.acquire("app", "sandbox", lease_seconds=3, heartbeat=False)
    _renew_elsewhere(journal, ahead)
    before = clock.now()
    with journal.acquire("app", "sandbox", heartbeat=False):
        assert clock.now() - before == pytest.approx(3, abs=0.1)


def test_a_lock_that_a_clock_ahead_keeps_renewing_holds(journal: Journal, clock: Clock) -> None:
    journal.acquire("app", "sandbox", lease_seconds=3, heartbeat=False)
    _renew_elsewhere(journal, 7200)
    clock.sleep = lambda seconds: _renew_elsewhere(journal, 7200 + seconds)  # type: ignore[method-assign]  # the holder renews meanwhile
    with pytest.raises(JournalLockedError):
        journal.acquire("app", "sandbox")


def _renew_elsewhere(journal: Journal, ahead: float) -> None:
    """As a living process on another machine does, whose clock is *ahead*."""
    with journal._writable.writing("") as connection:
        until = journal.now() + ahead + lock_table.c.seconds
        connection.execute(sa.update(lock_table).values(machine="elsewhere", until=until))


def test_every_transition_renews_the_lease(journal: Journal, clock: Clock) -> None:
    with journal.acquire("app", "sandbox", lease_seconds=60, heartbeat=False) as lease:
        run = begin(journal, lease)
        for number in range(1, 10):
            clock.sleep(30)
            send(run, sends(number, f"u{number}"), DONE)
            lease.check()


def test_the_lease_is_renewed_while_nothing_else_happens(
    journal_location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        lock, "_RENEWALS_PER_LEASE", 60_000
    )  # every 0.06 s, of a lease that no slow machine lets expire
    with (
        open_journal(journal_location) as journal,
        journal.acquire("app", "sandbox", lease_seconds=3600) as lease,
    ):
        until = journal.locks()[0].until
        wait_for(lambda: journal.locks()[0].until > until)
        lease.check()


def test_the_lock_of_a_process_that_is_gone_from_this_machine_is_taken_over_at_once(
    journal_location: Location,
) -> None:
    script = (
        "import os, sys\n"
        "from leanplum_sync.journal import open_journal\n"
        "open_journal(sys.argv[1]).acquire('app', 'sandbox', lease_seconds=3600)\n"
        "os._exit(1)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(journal_location)], check=False, timeout=300)
    with open_journal(journal_location) as journal:
        assert journal.locks()[0].pid != os.getpid()
        with journal.acquire("app", "sandbox"):
            assert journal.locks()[0].pid == os.getpid()


@pytest.mark.parametrize("hidden", [("_text", "_link"), ("_text",), ("_link",)])
def test_where_the_system_names_no_machine_nobody_is_held_dead(
    journal_location: Location, monkeypatch: pytest.MonkeyPatch, hidden: tuple[str, ...]
) -> None:
    for name in hidden:
        monkeypatch.setattr(lock, name, lambda _: "unknown")
    script = "import os; print(os.getpid())"
    gone = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, timeout=300)
    with open_journal(journal_location) as journal, journal.acquire("app", "sandbox", heartbeat=False):
        with journal._writable.writing("") as connection:  # as another machine of this name left it
            connection.execute(sa.update(lock_table).values(pid=int(gone.stdout)))
        with pytest.raises(JournalLockedError, match="Another run is working on sandbox"):
            journal.acquire("app", "sandbox")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("", "", True), ("", "1/4", True), ("1/4", "1/4", True), ("1/4", "2/4", False), ("1/4", "2/3", True)],
)
def test_parts_of_one_division_do_not_overlap(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is expected
    assert overlap(other, one) is expected


def test_two_parts_of_an_environment_can_be_worked_on_at_once(journal: Journal) -> None:
    with (
        journal.acquire("app", "sandbox", part="1/2"),
        journal.acquire("app", "sandbox", part="2/2"),
        pytest.raises(JournalLockedError),
    ):
        journal.acquire("app", "sandbox")
    with journal.acquire("app", "sandbox"):
        pass
