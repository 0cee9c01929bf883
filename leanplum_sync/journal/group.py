"""
Commits the transitions of several threads together: waiting for the disk takes as long for ten as for one.

The first caller commits for everyone who has arrived by then. Callers who arrive while it works wait, and one of them commits
the next group. No caller continues before its own transition is committed, so an intent always precedes its request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import sqlalchemy as sa

from leanplum_sync.errors import JournalUnreachableError
from leanplum_sync.journal.lock import Lease

T = TypeVar("T")
_RETRY_SECONDS: Final = 0.5


@dataclass(slots=True, eq=False)
class _Ticket(Generic[T]):
    work: Callable[[sa.Connection], T]
    if_it_fails: str
    durable_at_once: bool
    alone: bool
    is_retried: bool
    is_over: bool = False
    error: BaseException | None = None
    result: T | None = None

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]  # over, and without an error


class GroupCommit:
    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._waiting: list[_Ticket[object]] = []
        self._is_led = False
        self.changed = threading.Condition()

    def write(
        self,
        work: Callable[[sa.Connection], T],
        if_it_fails: str,
        *,
        durable_at_once: bool,
        alone: bool = True,
        is_retried: bool = False,
    ) -> T:
        """
        Do *work* in a transaction under the lock, alone or together with other work, and return its result once it is committed.

        Raises the errors of ``Lease.writing`` and of *work*. Work that fails leaves nothing behind and does not affect other work.
        It may be called more than once; only the last call counts. If the database can't be reached, what *is_retried* is
        tried again for as long as the lease lasts. *work* must then recognise what a lost commit has already written.
        """
        ticket: _Ticket[T] = _Ticket(work, if_it_fails, durable_at_once, alone, is_retried)
        with self.changed:
            self._waiting.append(ticket)  # type: ignore[arg-type]  # only the ticket knows its type
            self.changed.wait_for(lambda: ticket.is_over or not self._is_led)
            if ticket.is_over:
                return ticket.outcome()
            group, self._waiting, self._is_led = self._waiting, [], True
        try:
            self._commit(group)
        finally:
            with self.changed:
                self._is_led = False
                for each in group:
                    each.is_over = True
                self.changed.notify_all()
        return ticket.outcome()

    def _commit(self, group: Sequence[_Ticket[object]]) -> None:
        while group:
            at_work: _Ticket[object] | None = None
            try:
                with self._lease.writing(
                    "; ".join(dict.fromkeys(each.if_it_fails for each in group)),
                    durable_at_once=any(each.durable_at_once for each in group),
                    alone=any(each.alone for each in group),
                ) as connection:
                    for at_work in group:
                        at_work.result = at_work.work(connection)
                    at_work = None
            except JournalUnreachableError as error:
                group = self._to_retry(group, error)
            except BaseException as error:  # noqa: BLE001 - raised again in each caller whose work it undid
                if at_work is None or not isinstance(error, Exception):
                    for each in group:
                        each.error = error
                    return
                at_work.error = error
                group = [each for each in group if each is not at_work]
            else:
                return

    def _to_retry(
        self, group: Sequence[_Ticket[object]], error: JournalUnreachableError
    ) -> Sequence[_Ticket[object]]:
        """Return what is to be tried again, after a wait: nothing once the lease is over. The rest gets *error*."""
        is_time_left = any(each.is_retried for each in group) and self._lease.outlasts(_RETRY_SECONDS)
        retried = [each for each in group if each.is_retried and is_time_left]
        for each in group:
            if each not in retried:
                each.error = error
        return retried
