"""How batches are carried out at the same time: by threads in earnest; in tests one step after the other, in a chosen order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")


class Team(Protocol):
    def submit(self, work: Callable[[], T], /) -> Future[T]: ...

    def first_of(self, futures: Collection[Future[T]]) -> Collection[Future[T]]:
        """Wait until one of *futures* is finished, and return those that are."""


class Hands(Protocol):
    def team(self, size: int) -> AbstractContextManager[Team]:
        """*size* things at once; leaving the context waits for all of them."""

    def condition(self) -> threading.Condition:
        """Return what the members of a team wait on for each other."""


class Threads:
    @contextmanager
    def team(self, size: int) -> Iterator[Team]:
        with ThreadPoolExecutor(size, "leanplum-sync apply") as pool:
            yield _Pool(pool)

    def condition(self) -> threading.Condition:
        return threading.Condition()


class _Pool:
    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def submit(self, work: Callable[[], T], /) -> Future[T]:
        return self._pool.submit(work)

    def first_of(self, futures: Collection[Future[T]]) -> Collection[Future[T]]:
        return wait(futures, return_when=FIRST_COMPLETED).done
