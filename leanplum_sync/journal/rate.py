"""
One rate for all processes that work on an app: the limit on requests is the app's, not a process's.

A process is granted a slice: the moments at which its next requests may start. The journal's database hands out slices one after
the other, and no two overlap. So the processes together never start more requests than one of them would alone, however many
there are. A process asks only for requests that are waiting to start, and for the next slice when it has nearly used one, so it holds no
moments that others could use.

A moment that has passed is lost: a process that was paused asks again, or many of them would start their requests at once.
After a 429, requests of all processes are twice as far apart, until the API has accepted them for a while.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

import sqlalchemy as sa

from leanplum_sync.clock import GLANCE_SECONDS, Clock, pause
from leanplum_sync.errors import JournalError, JournalUnreachableError
from leanplum_sync.journal.database import SCHEMA, Database
from leanplum_sync.journal.lock import Lease
from leanplum_sync.journal.schema import rate_table

SLICE_SECONDS: Final = 0.25
_LATE_SECONDS: Final = 0.1  # how long a moment can be used
_RETRY_SECONDS: Final = 0.5
# After a 429, how long it takes until half of the additional distance is gone.
_HALF_LIFE_SECONDS: Final = 4.0
_MOST_TIMES_APART: Final = 32
_TOGETHER_SECONDS: Final = 1.0
_FAILED: Final = "nothing more was sent"

# A rate is only shared through PostgreSQL.
_RATE: Final = f"{SCHEMA}.{rate_table.name}"
_CLOCK: Final = (
    "WITH clock AS MATERIALIZED (SELECT extract(epoch FROM clock_timestamp())::double precision AS now)"
)
_INTERVAL: Final = "CAST(:interval AS double precision)"
# Not below zero: a power so small is an error.
_EXTRA: Final = f"extra_seconds * power(0.5::double precision, least(200, greatest(0, now - granted_at) / {_HALF_LIFE_SECONDS}))"
_TAKE: Final = sa.text(
    f"{_CLOCK} UPDATE {_RATE} SET due = greatest(due, now) + :wanted * ({_INTERVAL} + {_EXTRA}),"  # noqa: S608 - names and numbers of ours
    f" extra_seconds = {_EXTRA}, granted_at = now FROM clock WHERE app = :app RETURNING due, extra_seconds, now"
)
# Requests that were in flight together are refused together, which counts once.
_SLOW_DOWN: Final = sa.text(
    f"{_CLOCK} UPDATE {_RATE} SET due = greatest(due, now + {_TOGETHER_SECONDS}),"  # noqa: S608 - as above
    f" extra_seconds = least(2 * extra_seconds + {_INTERVAL}, {_MOST_TIMES_APART - 1} * {_INTERVAL}),"
    f" granted_at = now, slowed_at = now FROM clock WHERE app = :app AND now - slowed_at > {_TOGETHER_SECONDS}"
)
_GIVE_BACK: Final = sa.text(f"UPDATE {_RATE} SET due = due - :unused WHERE app = :app AND due = :end")  # noqa: S608 - as above


@dataclass(frozen=True, slots=True)
class Slice:
    """Moments at which requests may start: the first at *start*, the others *apart*, all before *end*, by the journal's clock at *now*."""

    start: float
    apart: float
    end: float
    now: float


def take(connection: sa.Connection, app: str, wanted: int, interval: float) -> Slice:
    """Take a slice of *wanted* moments, which are *interval* seconds apart, or more after a 429."""
    values = {"app": app, "wanted": wanted, "interval": interval}
    end, extra, now = connection.execute(_TAKE, values).one()
    apart = interval + extra
    return Slice(end - wanted * apart, apart, end, now)


def slow_down(connection: sa.Connection, app: str, interval: float) -> None:
    """After a 429: put the requests of all processes twice as far apart, and start none for a moment."""
    connection.execute(_SLOW_DOWN, {"app": app, "interval": interval})


def give_back(connection: sa.Connection, app: str, taken: Slice, unused: int) -> None:
    """Return the last *unused* moments of a slice, if nobody has taken another one since."""
    connection.execute(_GIVE_BACK, {"app": app, "end": taken.end, "unused": unused * taken.apart})


class SharedRate:
    """The part of this process, which holds *lease*. A context manager that gives back what it didn't use."""

    def __init__(self, database: Database, clock: Clock, lease: Lease, per_second: float) -> None:
        self._database, self._clock, self._lease = database, clock, lease
        self._interval = 1 / per_second
        self._most = max(1, round(SLICE_SECONDS * per_second))
        self._changed = threading.Condition()
        self._starts: deque[float] = deque()  # by the monotonic clock
        self._taken: Slice | None = None
        self._last_start = 0.0
        self._waiting, self._is_asking = 0, False
        row = {"app": lease.app, "due": 0.0, "extra_seconds": 0.0, "granted_at": 0.0, "slowed_at": 0.0}
        with database.brief("nothing was sent") as connection:
            database.add(connection, rate_table, [row])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._taken and self._starts:
            # If this fails, the others wait for a slice that nobody uses.
            with suppress(JournalError), self._database.brief(_FAILED) as connection:
                give_back(connection, self._lease.app, self._taken, len(self._starts))

    def wait(self, must_end: Callable[[], bool]) -> None:
        """
        Wait until a request may start.

        Raises:
            LockLostError: the journal was unreachable until the lease ended.
            JournalError: it failed.
        """
        with self._changed:
            self._waiting += 1
        try:
            start = self._next_start(must_end)
        finally:
            with self._changed:
                self._waiting -= 1
        while start is not None:
            pause(start - self._clock.monotonic(), self._clock, must_end)
            if must_end() or self._clock.monotonic() <= start + _LATE_SECONDS:
                return
            start = self._next_start(must_end)

    def refused(self) -> None:
        """Slow all processes down. If the journal can't be reached, this one stops sending anyway."""
        with suppress(JournalError), self._database.brief(_FAILED) as connection:
            slow_down(connection, self._lease.app, self._interval)

    def _next_start(self, must_end: Callable[[], bool]) -> float | None:
        """Return when the next request may start, None if this must end. One thread asks for all that wait."""
        while not must_end():
            with self._changed:
                while self._starts:
                    start = self._starts.popleft()
                    if self._clock.monotonic() <= start + _LATE_SECONDS:
                        return start
                # Moments far ahead would be lost if this process is paused, and asked for again behind those of all others.
                is_ahead = self._last_start > self._clock.monotonic() + SLICE_SECONDS
                if self._is_asking or is_ahead:
                    self._changed.wait(GLANCE_SECONDS / 2)
                    continue
                self._is_asking, wanted = True, max(1, min(self._waiting, self._most))
            try:
                self._ask(wanted, must_end)
            finally:
                with self._changed:
                    self._is_asking = False
                    self._changed.notify_all()
        return None

    def _ask(self, wanted: int, must_end: Callable[[], bool]) -> None:
        while not must_end():
            try:
                with self._database.brief(_FAILED) as connection:
                    taken = take(connection, self._lease.app, wanted, self._interval)
            except JournalUnreachableError:
                self._lease.check()
                self._clock.sleep(_RETRY_SECONDS)
                continue
            # Measured after the answer has come, so that no request starts earlier than granted.
            first = self._clock.monotonic() + taken.start - taken.now
            with self._changed:
                self._taken = taken
                self._last_start = first + (wanted - 1) * taken.apart
                self._starts.extend(first + number * taken.apart for number in range(wanted))
            return
