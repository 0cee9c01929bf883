"""
Every exception raised on purpose, cut by what the caller should do next.

::

    LeanplumSyncError
    ├─ SpecError                   the files are at fault; holds every Problem found
    ├─ CredentialError             a key is missing, wrong, or of the wrong class
    ├─ InvalidCallError            the API would refuse the call as it is written: it was not sent
    ├─ PlanError
    │  ├─ StalePlanError           stale, foreign, damaged or expired: plan again
    │  └─ HazardNotAllowedError    over budget: consent by number, or change the specs
    ├─ ApiError
    │  ├─ NotSentError             never reached the API: sending again is safe
    │  ├─ NoAnswerError            may have been carried out: its actions are in doubt
    │  ├─ RejectedError            the API refused the whole call: nothing was carried out
    │  │  └─ RateLimitedError      refused for now (429): sending later is safe
    │  └─ UnexpectedResponseError  the answer is not of the documented shape
    ├─ JournalError                the journal can't be used as it is
    │  ├─ JournalLockedError       another run works on this app and environment
    │  ├─ LockLostError            this run lost its lock and has stopped sending
    │  ├─ TooEarlyError            a lost request may still take effect: decide later
    │  ├─ JournalUnreachableError  the database is down or busy: run again later
    │  ├─ JournalStorageError      the journal can't be written; also a StorageError
    │  └─ JournalCorruptError      the journal can't be read, or is of a newer version
    ├─ StorageError                a file can't be written: the disk is full, read-only or failing
    ├─ EmulatorSetupError          the embedded emulator can't start: a seed or its state file is at fault
    ├─ VerificationError           applied, and still different
    └─ InterruptedRunError         a signal ended the run; the journal is clean

The command line turns each branch into one exit code, in one place (``cli/exit_codes.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from leanplum_sync.problem import Problem


class LeanplumSyncError(Exception):
    """Something the user can act on. ``str()`` gives one clear sentence: what, where, and what to do."""


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


class CredentialError(LeanplumSyncError):
    pass


class InvalidCallError(LeanplumSyncError):
    pass


class PlanError(LeanplumSyncError):
    pass


class StalePlanError(PlanError):
    pass


class HazardNotAllowedError(PlanError):
    """*over* has what needs consent, by hazard, and the number to consent with."""

    def __init__(self, message: str = "", *, over: Mapping[str, int] | None = None) -> None:
        self.over = dict(over or {})
        super().__init__(message)


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


class UnexpectedResponseError(ApiError):
    pass


class JournalError(LeanplumSyncError):
    pass


class JournalLockedError(JournalError):
    pass


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


class EmulatorSetupError(LeanplumSyncError):
    pass


class VerificationError(LeanplumSyncError):
    pass


class InterruptedRunError(LeanplumSyncError):
    """*signal_number* is the signal that asked the run to stop."""

    def __init__(self, message: str, *, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__(message)
