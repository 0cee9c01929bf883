"""Runs batches concurrently: with threads in production, and in tests step by step in a chosen order."""

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
        """Wait until at least one of *futures* is finished, and return the finished ones."""


class Executor(Protocol):
    def team(self, size: int) -> AbstractContextManager[Team]:
        """Run at most *size* tasks at once; leaving the context waits for all of them."""

    def condition(self) -> threading.Condition:
        """Return the condition on which the tasks of a team wait for each other."""


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
