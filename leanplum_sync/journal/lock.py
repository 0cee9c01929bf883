"""
The lock on one app: one run at a time sends, whichever environment it is of. Two environments may name the same app.

It ends when its holder releases it, when the lease expires because the holder died or can't reach the
journal, or when the holder's process no longer exists on this machine, which is noticed at once. A new
holder gets a higher *fence*. Every transition checks the fence, so a holder that was paused and wakes up
changes nothing. The API can't check it, so a holder also checks its own deadline just before it writes to
the socket.

A lease that ends much later than one lease from now was renewed by a clock that was ahead. How long ago
that was is unknown, so whoever wants the lock watches it for one lease: a living holder renews within that
time.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import sqlalchemy as sa

from leanplum_sync.clock import Clock, utc
from leanplum_sync.errors import JournalError, JournalLockedError, LockLostError
from leanplum_sync.journal.database import Database
from leanplum_sync.journal.schema import lock_table

LEASE_SECONDS: Final = 60.0
_RENEWALS_PER_LEASE: Final = 4
# The share of the lease that is left when sending stops, so that a request reaches the API before the lease ends.
_MARGIN: Final = 0.2
# Leases that end later than this many of their lengths from now were renewed by a clock that was ahead.
# Above one, because how much clocks differ is measured over a network.
_LONGEST: Final = 1.5
_UNKNOWN: Final = "unknown"
# What is different after each renewal and each takeover.
_IDENTITY: Final = ("app", "environment", "part", "holder", "fence", "until")

# Built once: it runs with every transition.
_RENEWAL: Final = (
    sa.update(lock_table)
    .where(
        *(
            lock_table.c[name] == sa.bindparam(f"of_{name}")
            for name in ("app", "environment", "part", "holder", "fence")
        )
    )
    .values(until=sa.bindparam("to"))
)


class Lease:
    """
    The right to send, as long as it is renewed: by a thread of its own, and by every transition.

    A context manager that releases the lock.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        app: str,
        environment: str,
        part: str = "",
        seconds: float = LEASE_SECONDS,
        heartbeat: bool = True,
    ) -> None:
        self.app, self.environment, self.part, self.seconds = app, environment, part, seconds
        self.holder = clock.new_id()
        self._database, self._clock = database, clock
        self._lost = ""
        self._released = threading.Event()
        release_abandoned(database, clock, app=app)
        began = (clock.monotonic(), clock.now())
        with database.writing("nothing was sent") as connection:
            self.fence = self._take(connection)
        self._set_deadline(began)
        self._heart = threading.Thread(target=self._beat, name="leanplum-sync lease", daemon=True)
        if heartbeat:
            self._heart.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The lease expires by itself; an error that ended the block matters more.
        with suppress(JournalError):
            self.release()

    def check(self) -> None:
        """
        Check the send deadline. Call it immediately before the first byte is sent.

        Raises:
            LockLostError: the lease is over, or nearly. Two clocks are checked: one doesn't jump, the other
            runs while the
                machine sleeps.
        """
        if self._lost:
            raise LockLostError(self._lost)
        monotonic, wall = self._deadline
        if self._clock.monotonic() >= monotonic or self._clock.now() >= wall:
            raise LockLostError(
                f"The lock on {self.environment} was not renewed in time, so nothing more is sent. Was the process paused, or was the journal unreachable? Run apply with --resume."
            )

    def outlasts(self, seconds: float) -> bool:
        """Wait so long; False, without waiting, if the send deadline is over by then."""
        monotonic, wall = self._deadline
        if (
            self._lost
            or self._clock.monotonic() + seconds >= monotonic
            or self._clock.now() + seconds >= wall
        ):
            return False
        self._clock.sleep(seconds)
        return True

    @contextmanager
    def writing(
        self, if_it_fails: str, *, durable_at_once: bool = True, alone: bool = True
    ) -> Iterator[sa.Connection]:
        """
        Open a transaction under the lock, which also extends the lease. Every transition runs in one.

        A transaction that writes only rows of its own run need not be *alone*. Transactions of one lease
        are serialized anyway, because each renews the lease first.

        Raises:
            LockLostError: somebody else has the lock; nothing was changed.
            JournalError: it could not be written; *if_it_fails* completes the sentence.
        """
        # Taken before the transaction, so that the deadline is never after the lease, however long the disk takes.
        began = (self._clock.monotonic(), self._clock.now())
        with self._database.writing(if_it_fails, durable_at_once=durable_at_once, alone=alone) as connection:
            self._renew(connection)
            yield connection
        self._set_deadline(began)

    def release(self) -> None:
        """Release the lock. A lost lock stays with its new holder."""
        self._released.set()
        if self._heart.is_alive():
            self._heart.join()
        table = lock_table
        with self._database.writing("the lock was not released, and will expire") as connection:
            connection.execute(
                sa.update(table)
                .where(*self._scope(), table.c.holder == self.holder, table.c.fence == self.fence)
                .values(holder=None, until=self._now(connection))
            )

    def _scope(self) -> tuple[sa.ColumnElement[bool], ...]:
        table = lock_table
        return (table.c.app == self.app, table.c.environment == self.environment, table.c.part == self.part)

    def _take(self, connection: sa.Connection) -> int:
        table = lock_table
        now = self._now(connection)
        rows = connection.execute(sa.select(table).where(table.c.app == self.app)).all()
        for row in rows:
            if overlap(row.part, self.part) and is_held(row, now):
                raise JournalLockedError(
                    f"Another run is working on {self._named(row)}: process {row.pid} on {row.host} since "
                    f"{utc(row.since)}. Its lock expires at {utc(row.until)} unless it is renewed."
                )
        # Higher than every fence of the app, because environments and overlapping parts take the lock from
        # each other too.
        fence = max((row.fence for row in rows), default=0) + 1
        for row in rows:
            if overlap(row.part, self.part):
                connection.execute(
                    sa.update(table)
                    .where(
                        table.c.app == self.app,
                        table.c.environment == row.environment,
                        table.c.part == row.part,
                    )
                    .values(holder=None)
                )
        self._database.replace(
            connection,
            table,
            [
                {
                    "app": self.app,
                    "environment": self.environment,
                    "part": self.part,
                    "holder": self.holder,
                    "host": socket.gethostname(),
                    "machine": machine(),
                    "pid": os.getpid(),
                    "since": now,
                    "until": now + self.seconds,
                    "seconds": self.seconds,
                    "fence": fence,
                }
            ],
        )
        return fence

    def _named(self, row: sa.Row[Any]) -> str:
        named = f"{row.environment}, shard {row.part}" if row.part else str(row.environment)
        return named if row.environment == self.environment else f"{named}, which has the same app"

    def _now(self, connection: sa.Connection) -> float:
        return self._clock.now() + self._database.clock_ahead(connection)

    def _renew(self, connection: sa.Connection) -> None:
        changed = connection.execute(
            _RENEWAL,
            {
                "of_app": self.app,
                "of_environment": self.environment,
                "of_part": self.part,
                "of_holder": self.holder,
                "of_fence": self.fence,
                "to": self._now(connection) + self.seconds,
            },
        )
        if changed.rowcount != 1:
            self._lost = f"Another run took over the lock on {self.environment}; this one stopped and sends nothing more."
            raise LockLostError(self._lost)

    def _set_deadline(self, began: tuple[float, float]) -> None:
        usable = self.seconds * (1 - _MARGIN)
        self._deadline = (began[0] + usable, began[1] + usable)

    def _beat(self) -> None:
        while not self._released.wait(self.seconds / _RENEWALS_PER_LEASE):
            try:
                with self.writing("the lock was not renewed"):
                    pass
            except LockLostError:
                return
            except JournalError:
                continue  # the deadline stops sending if this persists


def release_abandoned(database: Database, clock: Clock, *, app: str | None = None) -> None:
    """
    Release locks of *app*, None for all apps, that a clock ahead of the journal's renewed and nobody renews any more.

    If there are such locks, this waits for the longest of their leases.
    """
    table = lock_table
    query = sa.select(table).where(table.c.holder.is_not(None))
    if app is not None:
        query = query.where(table.c.app == app)
    with database.reading() as connection:
        now = clock.now() + database.ahead()
        found = [
            row
            for row in connection.execute(query)
            if is_held(row, now) and row.until > now + _LONGEST * row.seconds
        ]
    if not found:
        return
    clock.sleep(max(row.seconds for row in found))
    with database.writing("nothing was sent") as connection:
        for row in found:
            same = (table.c[name] == row._mapping[name] for name in _IDENTITY)  # noqa: SLF001 - SQLAlchemy's public name for it
            connection.execute(sa.update(table).where(*same).values(holder=None))


def is_held(row: sa.Row[Any], now: float) -> bool:
    """Whether a living process holds the lock of *row*, by the journal's clock."""
    return row.holder is not None and row.until > now and not _is_dead(row.machine, row.pid)


def overlap(one: str, other: str) -> bool:
    """
    Whether two parts, ``N/M`` or empty for all subjects, may share a subject.

    Only parts of one division can be disjoint.
    """
    if not one or not other or one == other:
        return True
    return one.partition("/")[2] != other.partition("/")[2]


def machine() -> str:
    """
    Return a name for the scope of process ids: this boot of this machine, in this container.

    If the system doesn't tell the boot or the container, the name contains ``unknown``.
    """
    return "/".join(
        (_text("/proc/sys/kernel/random/boot_id"), _link("/proc/self/ns/pid"), socket.gethostname())
    )


def _is_dead(of_machine: str, pid: int) -> bool:
    # Two machines may have the same host name, and can't see each other's processes.
    if of_machine != machine() or _UNKNOWN in of_machine.split("/", 2)[:2]:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    # Killed, and not yet waited for by its parent. Source: proc(5), the field after the name in parentheses.
    return _text(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1] == ["Z"]


def _text(path: str) -> str:
    return _or_unknown(lambda: Path(path).read_text("ascii", "replace").strip())


def _link(path: str) -> str:
    return _or_unknown(lambda: str(Path(path).readlink()))


def _or_unknown(read: Callable[[], str]) -> str:
    try:
        return read()
    except OSError:
        return _UNKNOWN
