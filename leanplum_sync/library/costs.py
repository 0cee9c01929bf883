"""
Records what a command costs in the journal's ledger, while it runs, and refuses what goes over the month's budget.

A slice is written after the first lookup, and then after every hundred or every hundredth of what was spent so far, whichever is more: a
command that is killed loses at most the last slice.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import ExitStack
from threading import Lock
from typing import TYPE_CHECKING, Final

from leanplum_sync.clock import Clock
from leanplum_sync.errors import JournalError, MonthlyBudgetError
from leanplum_sync.planner.plan import Target
from leanplum_sync.project.settings import Settings
from leanplum_sync.wire.billing import Lookups

if TYPE_CHECKING:
    from leanplum_sync.journal.ledger import Ledger

_SLICE: Final = 100
_SLICES: Final = 100  # of a long command, so that it doesn't write more and more


class Costs:
    """
    The cost of one *command*. Threads may share it.

    A ledger that can't be written stops no command: *warn* gets one sentence, and nothing more is recorded. *allowed* replaces
    the month's budget: a person has consented to that many lookups in this month.
    """

    def __init__(
        self,
        settings: Settings,
        target: Target,
        command: str,
        clock: Clock,
        *,
        warn: Callable[[str], None] = lambda _: None,
        allowed: int | None = None,
    ) -> None:
        self._settings, self._target, self._command, self._clock = settings, target, command, clock
        self._warn = warn
        self._budget = settings.lookups_per_month if allowed is None else allowed
        self._id, self._began = clock.new_id(), clock.now()
        self._run: int | None = None
        self._plan_digest: str | None = None
        self._spent: dict[str, Lookups] = {}  # by day
        self._unwritten = 0
        self._is_off = False
        self._has_written = self._must_rewrite = False
        self._lock = Lock()
        self._opened = ExitStack()
        self._ledger: Ledger | None = None

    @property
    def total(self) -> int:
        """Return the lookups so far."""
        return sum(each.total for each in self._spent.values())

    def spend(self, lookups: Lookups) -> None:
        """Count the cost of one request."""
        with self._lock:
            day = _today(self._clock).isoformat()
            self._spent[day] = self._spent.get(day, Lookups()) + lookups
            self._unwritten += lookups.total
            if not self._has_written or self._unwritten >= max(_SLICE, self.total // _SLICES):
                self._write()

    def about(self, *, run: int | None = None, plan_digest: str | None = None) -> None:
        """Name the run or the plan that the command turned out to be about."""
        with self._lock:
            self._run = self._run if run is None else run
            self._plan_digest = self._plan_digest if plan_digest is None else plan_digest
            self._must_rewrite = self._has_written

    def close(self) -> None:
        with self._lock:
            if self._unwritten or self._must_rewrite:
                self._write()
            self._opened.close()

    @property
    def admit(self) -> Callable[[int], None] | None:
        """Return ``check`` if there is a budget, else None: then nobody needs to count beforehand."""
        return None if self._budget is None else self.check

    def check(self, forecast: int) -> None:
        """
        Call it before *forecast* more lookups are spent.

        Raises:
            MonthlyBudgetError: the month's lookups of the environment would exceed its budget.
            JournalError: there is a budget, and the ledger can't be read.
        """
        if refusal := self.refusal(forecast, self._command):
            raise refusal

    def refusal(self, forecast: int, command: str = "apply") -> MonthlyBudgetError | None:
        """Return the error if *command* can't spend *forecast* more lookups."""
        if self._budget is None or not forecast:
            return None
        spent = self._spent_by_others() + self.total
        if spent + forecast <= self._budget:
            return None
        return MonthlyBudgetError(
            environment=self._settings.name,
            command=command,
            spent=spent,
            forecast=forecast,
            budget=self._budget,
        )

    def _spent_by_others(self) -> int:
        from leanplum_sync.journal.ledger import read_ledger  # noqa: PLC0415 - the database library loads only when used

        month = _today(self._clock).replace(day=1).isoformat()
        with read_ledger(self._settings.journal, self._clock) as ledger:
            costs = ledger.costs(since=month, environment=self._settings.name) if ledger else ()
            return sum(cost.lookups for cost in costs if cost.command_id != self._id)

    def _write(self) -> None:
        from leanplum_sync.journal.ledger import Cost, open_ledger  # noqa: PLC0415 - as above

        if self._is_off:
            return
        now = self._clock.now()
        costs = [
            Cost(
                command_id=self._id,
                day=day,
                app=self._target.app_id,
                environment=self._target.environment,
                command=self._command,
                began_at=self._began,
                noted_at=now,
                read_lookups=spent.reads,
                write_lookups=spent.writes,
                run=self._run,
                plan_digest=self._plan_digest,
            )
            for day, spent in self._spent.items()
        ]
        try:
            if self._ledger is None:
                self._ledger = self._opened.enter_context(open_ledger(self._settings.journal, self._clock))
            self._ledger.note(costs)
        except JournalError as error:
            self._is_off = True
            self._warn(f"The lookups of this command are not recorded for status --costs. {error}")
        self._unwritten, self._has_written, self._must_rewrite = 0, True, False


def _today(clock: Clock) -> dt.date:
    return dt.datetime.fromtimestamp(clock.now(), dt.UTC).date()
