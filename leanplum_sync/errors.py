"""
Every exception raised on purpose, cut by what the caller should do next.

::

    LeanplumSyncError
    ├─ SpecError                   the files are at fault; holds every Problem found
    ├─ UsageError                  what was asked for doesn't exist: an environment, a shard, a spec
    ├─ CredentialError             a key is missing, wrong, or of the wrong class
    ├─ InvalidCallError            the API would refuse the call as it is written: it was not sent
    ├─ SourceUnreachableError      a database with rows is down, busy or slow: run again later
    ├─ PlanError
    │  ├─ StalePlanError           damaged, forged, or out of date: plan again
    │  │  ├─ PlanMismatchError     made for another target, or from other inputs
    │  │  ├─ ExpiredPlanError      older than it may be
    │  │  └─ MigrationChangedError the app is being moved to another system, or was
    │  ├─ HazardNotAllowedError    over budget: consent by number, or change the specs
    │  └─ MonthlyBudgetError       more lookups than the month's budget: consent by number, or wait
    ├─ ApiError
    │  ├─ NotSentError             never reached the API: sending again is safe
    │  ├─ NoAnswerError            may have been carried out: its actions are in doubt
    │  ├─ RejectedError            the API refused the whole call: nothing was carried out
    │  │  └─ RateLimitedError      refused for now (429, or a daily quota): sending later is safe
    │  ├─ ExportFailedError        an export job failed, or its file is of no use: export again, or read live
    │  └─ UnexpectedResponseError  the response is not of the documented shape
    │     └─ MovedError            the app is on another host: ask there, or nowhere
    ├─ JournalError                the journal can't be used as it is
    │  ├─ JournalLockedError       another run works on this app and environment
    │  ├─ LockLostError            this run lost its lock and has stopped sending
    │  ├─ TooEarlyError            a lost request may still take effect: decide later
    │  ├─ JournalUnreachableError  the database is down or busy: run again later
    │  ├─ JournalStorageError      the journal can't be written; also a StorageError
    │  ├─ JournalCorruptError      the journal can't be read, or is of a newer version
    │  └─ JournalReplacedError     not the journal that was used before: restore it, or accept this one
    ├─ StorageError                a file can't be written: the disk is full, read-only or failing
    ├─ EmulatorSetupError          the embedded emulator can't start: a seed or its state file is at fault
    ├─ VerificationError           applied, and still different
    └─ InterruptedRunError         a signal ended the run; the journal is clean

The command line turns each branch into one exit code, in one place (``cli/exit_codes.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from leanplum_sync.problem import Problem


class LeanplumSyncError(Exception):
    """An error the user can act on. ``str()`` is one clear sentence: what is wrong, where, and what to do."""


class SpecError(LeanplumSyncError):
    """
    The specs or their data files are at fault.

    *problems* holds the problems found, in the order of the files. It may be cut at a limit; *total* counts them all, and
    *listed* is a file with all of them, if one was written.
    """

    def __init__(
        self, problems: Sequence[Problem], total: int | None = None, listed: Path | None = None
    ) -> None:
        self.problems = tuple(problems)
        self.listed = listed
        self.total = len(self.problems) if total is None else total
        super().__init__(f"{self.total} problem{'' if self.total == 1 else 's'} in the specs or their data")


class UsageError(LeanplumSyncError):
    pass


class CredentialError(LeanplumSyncError):
    pass


class InvalidCallError(LeanplumSyncError):
    pass


class ClockError(LeanplumSyncError):
    """This machine's clock differs too much from the host's."""


class SourceUnreachableError(LeanplumSyncError):
    """The message names the connection, and shows no part of its URL."""


class PlanError(LeanplumSyncError):
    pass


class StalePlanError(PlanError):
    pass


class MigrationChangedError(StalePlanError):
    pass


class MismatchKind(StrEnum):
    ENVIRONMENT = "environment"
    UNKNOWN_ENVIRONMENT = "unknown environment"  # the project has none of that name
    APP = "app"
    HOST = "host"
    KEY = "key"  # the environment now writes with another key
    INPUT_CHANGED = "input changed"
    INPUT_MISSING = "input missing"
    SPECS_UNCHECKED = (
        "specs unchecked"  # nobody compared the plan with specs that were added or changed since
    )
    SPEC_CONFLICT = "spec conflict"  # a spec that was added or changed contradicts the plan
    ACTION = "action"  # the plan holds a call that no plan may hold
    SUBJECT = "subject"  # a call is about another subject than its row says
    HAZARD = "hazard"  # the plan states another count than its own rows add up to


@dataclass(frozen=True, slots=True)
class Mismatch:
    """*planned* is the plan's own value, *found* the one to which it is compared; *name* says of what, such as a file."""

    kind: MismatchKind
    planned: str = ""
    found: str = ""
    name: str = ""

    def __str__(self) -> str:
        values = f" {self.planned} (here {self.found})" if self.found else f" {self.planned}"
        return f"{self.kind.value} {self.name}{values}".replace("  ", " ").rstrip()


class PlanMismatchError(StalePlanError):
    """*mismatches* holds everything that is wrong, not only the first."""

    def __init__(self, plan: Path, mismatches: Sequence[Mismatch]) -> None:
        self.plan, self.mismatches = plan, tuple(mismatches)
        super().__init__(f"{plan} can't be applied here: {'; '.join(map(str, self.mismatches))}.")


class ExpiredPlanError(StalePlanError):
    """*made_at* is in seconds since the epoch."""

    def __init__(
        self, plan: Path, *, environment: str, made_at: float, age_seconds: float, max_age_seconds: float
    ) -> None:
        self.plan, self.environment, self.made_at = plan, environment, made_at
        self.age_seconds, self.max_age_seconds = age_seconds, max_age_seconds
        super().__init__(f"{plan} is {age_seconds:.0f} seconds old; {max_age_seconds:.0f} are allowed.")


class HazardNotAllowedError(PlanError):
    """
    *over* has the count of each hazard over budget, which is the number to consent with; *allowed* the budgets of these.

    *unaccepted* are those of them without consent. *wrong* are consents whose number is not the plan's; *counts* has all
    of the plan's numbers.
    """

    def __init__(
        self,
        *,
        over: Mapping[str, int],
        allowed: Mapping[str, int],
        unaccepted: Sequence[str] = (),
        wrong: Sequence[tuple[str, int]] = (),
        counts: Mapping[str, int] | None = None,
    ) -> None:
        self.over, self.allowed = dict(over), dict(allowed)
        self.unaccepted, self.wrong = tuple(unaccepted), tuple(wrong)
        self.counts = dict(over if counts is None else counts)
        found = [f"{name}: {self.over[name]} planned, {allowed[name]} allowed" for name in self.unaccepted]
        found += [
            f"{name}: {self.counts.get(name, 0)} planned, consent is for {count}"
            for name, count in self.wrong
        ]
        super().__init__(f"The plan needs consent ({'; '.join(found)}).")


class MonthlyBudgetError(PlanError):
    """
    A command would exceed the environment's billable lookups per month. Nothing was read or sent by the part that was refused.

    *spent* are the lookups of the month so far, *forecast* the ones that the *command* still needs.
    """

    def __init__(self, *, environment: str, command: str, spent: int, forecast: int, budget: int) -> None:
        self.environment, self.command = environment, command
        self.spent, self.forecast, self.budget = spent, forecast, budget
        super().__init__(
            f"{command} needs {_lookups(forecast)}, and {environment} used {spent:,} this month. Together, these"
            f" are {self.total:,}; the budget allows {budget:,} (billableLookupsPerMonth). To allow them this time, add"
            f" --allow-lookups {self.total}."
        )

    @property
    def total(self) -> int:
        """Return the number to consent with."""
        return self.spent + self.forecast


def _lookups(count: int) -> str:
    return "1 billable lookup" if count == 1 else f"{count:,} billable lookups"


class ApiError(LeanplumSyncError):
    pass


class NotSentError(ApiError):
    pass


class NoAnswerError(ApiError):
    pass


class RejectedError(ApiError):
    """*status* is the HTTP status; *reason* is the API's own sentence."""

    def __init__(self, message: str, *, status: int, reason: str = "") -> None:
        self.status = status
        self.reason = reason
        super().__init__(message)


class RateLimitedError(RejectedError):
    pass


class ExportFailedError(ApiError):
    """*attribute* is the one that was exported, empty if nobody said."""

    def __init__(self, message: str, *, attribute: str = "") -> None:
        self.attribute = attribute
        super().__init__(message)


class UnexpectedResponseError(ApiError):
    pass


class MovedError(UnexpectedResponseError):
    """*host* is where the app is now, as the response says. Nobody followed it; the call may have been carried out."""

    def __init__(self, message: str, *, host: str = "another host") -> None:
        self.host = host
        super().__init__(message)


class JournalError(LeanplumSyncError):
    pass


class JournalLockedError(JournalError):
    """*who* is a sentence about the other run."""

    def __init__(self, who: str, *, advice: str = "Wait for it, or stop it.") -> None:
        self.who = who
        super().__init__(f"{who} {advice}")


class LockLostError(JournalError):
    pass


class TooEarlyError(JournalError):
    """Nothing was decided. *until*, in seconds since the epoch, is when a person can know."""

    def __init__(self, message: str, *, until: float) -> None:
        self.until = until
        super().__init__(message)


class JournalUnreachableError(JournalError):
    pass


class StorageError(LeanplumSyncError):
    pass


class JournalStorageError(JournalError, StorageError):
    pass


class JournalCorruptError(JournalError):
    pass


class JournalReplacedError(JournalError):
    pass


class EmulatorSetupError(LeanplumSyncError):
    pass


class VerificationError(LeanplumSyncError):
    pass


class InterruptedRunError(LeanplumSyncError):
    """*signal_number* is the signal that asked the run to stop."""

    def __init__(self, message: str, *, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__(message)
