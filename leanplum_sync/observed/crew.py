"""Threads that work on several jobs at once and yield answers as they come."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

Job = TypeVar("Job")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class _Said(Generic[Answer]):
    answer: Answer


@dataclass(frozen=True, slots=True)
class _Done:
    error: BaseException | None = None


class Crew(Generic[Job, Answer]):
    """
    Works on one stream of jobs, with a short queue. *work* must change nothing.

    The threads are daemons: a run that ends doesn't wait for responses that are still in flight.
    """

    def __init__(self, work: Callable[[Job], Iterable[Answer]], size: int, stopping: threading.Event) -> None:
        self._work, self._stopping = work, stopping
        self._threads = [threading.Thread(target=self._go, daemon=True) for _ in range(max(1, size))]
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._said: queue.SimpleQueue[_Said[Answer] | _Done] = queue.SimpleQueue()

    def answers(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        """Yield the responses to *jobs* as they come; raise what a thread raised."""
        for thread in self._threads:
            thread.start()
        under_way = 0
        for job in jobs:
            self._jobs.put(job)
            under_way += 1
            if under_way == 2 * len(self._threads):
                yield from self._until_one_is_done()
                under_way -= 1
        for _ in range(under_way):
            yield from self._until_one_is_done()

    def stop(self) -> None:
        self._stopping.set()
        for _ in self._threads:
            self._jobs.put(None)

    def wait(self, seconds: float) -> None:
        """After ``stop``: wait at most *seconds* for the jobs that have started."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, end - time.monotonic()))

    def left(self) -> Iterator[Answer]:
        """Yield the responses that have come so far, without waiting for more."""
        while True:
            try:
                said = self._said.get_nowait()
            except queue.Empty:
                return
            if isinstance(said, _Said):
                yield said.answer

    def _until_one_is_done(self) -> Iterator[Answer]:
        while isinstance(said := self._said.get(), _Said):
            yield said.answer
        if said.error is not None:
            raise said.error

    def _go(self) -> None:
        while (job := self._jobs.get()) is not None and not self._stopping.is_set():
            try:
                for answer in self._work(job):
                    self._said.put(_Said(answer))
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
                self._said.put(_Done(error))
            else:
                self._said.put(_Done())
