"""Several threads write in one transaction, and each learns what became of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from leanplum_sync.errors import JournalError, LockLostError
from leanplum_sync.journal import open_journal
from leanplum_sync.journal.group import GroupCommit
from leanplum_sync.journal.lock import Lease
from leanplum_sync.journal.schema import applied_spec_table, lock_table

TABLE = applied_spec_table


class Watched:
    """A lease whose transactions are counted, and whose first one begins when *open* is set."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self.open = threading.Event()
        self.begun = threading.Event()
        self.durable: list[bool] = []

    @contextmanager
    def writing(
        self, if_it_fails: str, *, durable_at_once: bool, alone: bool = True
    ) -> Iterator[sa.Connection]:
        self.begun.set()
        assert self.open.wait(600)
        with self._lease.writing(if_it_fails, durable_at_once=durable_at_once) as connection:
            yield connection
        self.durable.append(durable_at_once)


@pytest.fixture
def lease(journal_location: str | Path) -> Iterator[Watched]:
    with (
        open_journal(journal_location) as journal,
        journal.acquire("app", "sandbox", heartbeat=False) as lease,
    ):
        yield Watched(lease)


@pytest.fixture
def group(lease: Watched) -> GroupCommit:
    return GroupCommit(lease)  # type: ignore[arg-type]  # all it asks of a lease is to write


def insert(name: str) -> Callable[[sa.Connection], str]:
    row = {
        "app": "app",
        "environment": "sandbox",
        "resource": name,
        "digest": "",
        "run": 1,
        "applied_at": 0.0,
    }

    def work(connection: sa.Connection) -> str:
        connection.execute(sa.insert(TABLE).values(row))
        return name

    return work


def fail(_connection: sa.Connection) -> str:
    raise JournalError("no")


def written(lease: Watched) -> list[str]:
    with lease.writing("", durable_at_once=True) as connection:
        return sorted(connection.scalars(sa.select(TABLE.c.resource)))


def all_at_once(
    group: GroupCommit, lease: Watched, works: list[Callable[[sa.Connection], Any]], durable: set[int]
) -> list[Future[Any]]:
    """Let the first lead a transaction of its own, and all others come while it is under way."""
    with ThreadPoolExecutor(len(works)) as pool:
        futures = []
        for number, work in enumerate(works):
            futures.append(pool.submit(group.write, work, "lost", durable_at_once=number in durable))
            assert lease.begun.wait(600)
        while len(group._waiting) < len(works) - 1:
            pass
        lease.open.set()
    return futures


def test_those_who_wait_share_the_next_transaction(lease: Watched, group: GroupCommit) -> None:
    names = [f"r{number}" for number in range(6)]
    futures = all_at_once(group, lease, [insert(name) for name in names], durable={3})
    assert [future.result() for future in futures] == names
    assert lease.durable == [False, True]
    assert written(lease) == names


def test_one_that_fails_leaves_nothing_behind_and_the_others_stand(
    lease: Watched, group: GroupCommit
) -> None:
    def insert_and_fail(connection: sa.Connection) -> str:
        insert("half")(connection)
        return fail(connection)

    works = [insert("a"), insert("b"), insert_and_fail, insert("c"), fail, insert("d")]
    futures = all_at_once(group, lease, works, durable=set())
    assert [type(future.exception()) for future in futures] == [
        type(None),
        type(None),
        JournalError,
        type(None),
        JournalError,
        type(None),
    ]
    assert written(lease) == ["a", "b", "c", "d"]


def test_a_lock_that_is_lost_is_lost_for_all(
    lease: Watched, group: GroupCommit, journal_location: str | Path
) -> None:
    with (
        open_journal(journal_location) as other,
        other._writable.writing("") as connection,
    ):
        connection.execute(sa.update(lock_table).values(holder="another", fence=lock_table.c.fence + 1))
    futures = all_at_once(group, lease, [insert(name) for name in "abc"], durable=set())
    assert [type(future.exception()) for future in futures] == [LockLostError] * 3
