"""The store: one transaction a request, all of it or nothing."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from leanplum_sync.emulator import server
from leanplum_sync.emulator.store import Store
from leanplum_sync.emulator.user import User

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "state.db" if request.param == "file" else None)
    yield opened
    opened.close()


def _fail_half_way(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.put(User("u", 0.0))
        transaction.assign("d", "u")
        transaction.put_thing("message", "7", {})
        transaction.count("effects", "track")
        transaction.flush()
        raise InterruptedError


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    with pytest.raises(InterruptedError):
        _fail_half_way(store)
    assert (list(store.users()), store.owner("d"), store.things("message"), store.counters()) == (
        [],
        None,
        {},
        {},
    )


def test_the_store_goes_on_after_a_failure(store: Store) -> None:
    with pytest.raises(InterruptedError):
        _fail_half_way(store)
    with store.transaction() as transaction:
        transaction.put(User("u", 1.0))
    assert [user.created for user in store.users()] == [1.0]


def test_later_actions_of_a_request_see_what_earlier_ones_did(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.put(User("u", 1.0))
        assert transaction.user("u") == User("u", 1.0)
        transaction.remove("u")
        assert transaction.user("u") is None


def test_users_are_fetched_many_at_once(store: Store) -> None:
    names = [f"u{n}" for n in range(1200)]
    with store.transaction() as transaction:
        for name in names[::2]:
            transaction.put(User(name, 1.0))
    with store.transaction() as transaction:
        transaction.fetch(names)
        assert [transaction.user(name) is not None for name in names] == [True, False] * 600


def test_answers_are_remembered_for_the_last_batches_only(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leanplum_sync.emulator.store.ANSWERED_BATCHES", 3)
    for batch in "abcde":
        with store.transaction() as transaction:
            for action in "12":
                transaction.remember_answer(batch, action, {"reqId": action})
    with store.transaction() as transaction:
        found = [transaction.answered(batch, "2") for batch in "abcde"]
        assert found == [None, None, {"reqId": "2"}, {"reqId": "2"}, {"reqId": "2"}]
        assert transaction.answered("e", "3") is None


def test_a_store_without_a_file_holds_more_than_its_memory_and_shares_nothing() -> None:
    one, other = Store(None), Store(None)
    with one.transaction() as transaction:
        transaction.put_file("large", bytes(20_000_000))  # more than is kept in memory
    assert other.file("large") is None
    assert len(one.file("large") or b"") == 20_000_000
    one.close()
    other.close()


def test_removing_a_user_takes_the_devices_along(store: Store) -> None:
    with store.transaction() as transaction:
        transaction.put(User("u", 1.0))
        transaction.assign("d", "u")
        transaction.assign("e", "v")
    with store.transaction() as transaction:
        transaction.remove("u")
    assert (store.owner("d"), store.owner("e")) == (None, "v")


def test_answers_are_not_held_back_by_nagles_algorithm() -> None:
    # asyncio only switches it off for sockets that name their protocol; 40 ms an answer, otherwise.
    with server.bound(0) as listening:
        assert listening.proto == socket.IPPROTO_TCP
