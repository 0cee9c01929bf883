"""The rate that processes with a shared journal keep to together."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import sqlalchemy as sa
from postgresql import Server

from leanplum_sync.clock import SystemClock, pause
from leanplum_sync.journal.database import Database
from leanplum_sync.journal.lock import Lease
from leanplum_sync.journal.rate import SharedRate, Slice, give_back, slow_down, take
from leanplum_sync.journal.schema import rate_table

APP = "app_shop"
INTERVAL = 0.05
EPSILON = 1e-6  # times since 1970 as doubles are exact to some 0.2 microseconds


@pytest.fixture
def location(postgresql: Server) -> str:
    return postgresql.new_database()


@pytest.fixture
def database(location: str) -> Iterator[Database]:
    with closing(Database(location)) as database:
        with database.brief("") as connection:
            row = {"app": APP, "due": 0.0, "extra_seconds": 0.0, "granted_at": 0.0, "slowed_at": 0.0}
            database.add(connection, rate_table, [row])
        yield database


def taken(database: Database, wanted: int) -> Slice:
    with database.brief("") as connection:
        return take(connection, APP, wanted, INTERVAL)


def due(database: Database) -> float:
    with database.reading() as connection:
        return float(connection.scalar(sa.select(rate_table.c.due)) or 0.0)


def test_slices_never_overlap_however_many_take_them_at_once(database: Database, location: str) -> None:
    slices: list[Slice] = []

    def work(wanted: int) -> None:
        with closing(Database(location)) as own:
            slices.extend(taken(own, wanted) for _ in range(10))

    threads = [threading.Thread(target=work, args=(wanted,)) for wanted in (1, 2, 3, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(slices) == 40
    slices.sort(key=lambda each: each.start)
    for one, other in itertools.pairwise(slices):
        assert one.end <= other.start + EPSILON
    assert all(each.start >= each.now - EPSILON for each in slices)
    assert sum(each.end - each.start for each in slices) == pytest.approx(10 * (1 + 2 + 3 + 5) * INTERVAL)


def test_a_pause_saves_nothing_up(database: Database) -> None:
    with database.brief("") as connection:
        connection.execute(sa.update(rate_table).values(due=rate_table.c.due))  # long ago
    first, second = taken(database, 4), taken(database, 4)
    assert first.start >= first.now - EPSILON
    assert second.start >= first.end - EPSILON


def test_a_refusal_puts_the_requests_of_all_twice_as_far_apart_once_for_those_in_flight_together(
    database: Database,
) -> None:
    for _ in range(3):
        with database.brief("") as connection:
            slow_down(connection, APP, INTERVAL)
    after = taken(database, 2)
    # It recovers with the time that passes meanwhile.
    assert INTERVAL < after.apart <= 2 * INTERVAL
    assert after.start > taken(database, 1).now  # nothing starts at once
    with database.brief("") as connection:
        connection.execute(sa.update(rate_table).values(slowed_at=0.0))
        slow_down(connection, APP, INTERVAL)
    assert INTERVAL < taken(database, 1).apart <= 4 * INTERVAL
    with database.brief("") as connection:
        connection.execute(sa.update(rate_table).values(granted_at=rate_table.c.granted_at - 4))
    assert taken(database, 1).apart - INTERVAL <= 1.5 * INTERVAL  # half of it is gone
    for _ in range(6):
        with database.brief("") as connection:
            connection.execute(sa.update(rate_table).values(slowed_at=0.0))
            slow_down(connection, APP, INTERVAL)
    with database.brief("") as connection:
        connection.execute(sa.update(rate_table).values(granted_at=rate_table.c.granted_at - 60))
    assert taken(database, 1).apart < 1.01 * INTERVAL  # after a minute, whatever came before


def test_unused_moments_are_returned_unless_others_came_after_them(database: Database) -> None:
    mine = taken(database, 4)
    with database.brief("") as connection:
        give_back(connection, APP, mine, 3)
    assert due(database) == pytest.approx(mine.start + INTERVAL)
    mine = taken(database, 4)
    others = taken(database, 1)
    with database.brief("") as connection:
        give_back(connection, APP, mine, 3)
    assert due(database) == others.end


class PausedClock(SystemClock):
    """Its first sleep takes a minute: the process was stopped."""

    def __init__(self) -> None:
        self.at, self.naps = 1000.0, 0

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.naps += 1
        self.at += 60.0 if self.naps == 1 else seconds


@contextmanager
def shared(database: Database, clock: SystemClock, per_second: float) -> Iterator[SharedRate]:
    with (
        Lease(database, SystemClock(), app=APP, environment="live", heartbeat=False) as lease,
        SharedRate(database, clock, lease, per_second) as rate,
    ):
        yield rate


def test_a_process_that_was_paused_asks_again_instead_of_starting_late(database: Database) -> None:
    clock = PausedClock()
    with shared(database, clock, per_second=1.0) as rate:
        rate.wait(lambda: False)
        before = due(database)
        rate.wait(lambda: False)  # has to wait for a second, and is stopped meanwhile
    assert clock.naps >= 1
    assert due(database) == pytest.approx(before + 2.0)


def test_a_process_takes_no_moments_far_ahead_however_many_requests_wait(database: Database) -> None:
    ends = threading.Event()
    with shared(database, SystemClock(), per_second=0.001) as rate:
        threads = [threading.Thread(target=rate.wait, args=(ends.is_set,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        ends.wait(0.5)  # one starts at once, another waits for its moment, and the rest don't ask
        now = taken(database, 1).now
        ends.set()
        for thread in threads:
            thread.join()
    assert due(database) - now < 3 * 1000.0


class LateClock(SystemClock):
    """Each sleep takes a little too long."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds + 0.01


def test_a_long_pause_ends_on_time() -> None:
    clock = LateClock()
    pause(60.0, clock, lambda: False)
    assert clock.at == pytest.approx(1060.0, abs=0.02)


def test_a_run_that_must_end_does_not_wait(database: Database) -> None:
    with shared(database, PausedClock(), per_second=0.001) as rate:
        rate.wait(lambda: False)
        rate.wait(lambda: True)
