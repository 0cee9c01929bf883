"""Exit codes. No other module knows the numbers."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

import click

from leanplum_sync import errors


class ExitCode(IntEnum):
    OK = 0
    UNEXPECTED = 1
    CHANGES_PENDING = 2  # only with --detailed-exitcode
    INVALID = 3
    IN_PART = 4
    IN_DOUBT = 5
    NO_CONSENT = 6
    STALE_PLAN = 7
    LOCKED = 8
    BAD_KEY = 9
    LIMITED = 10
    USAGE = 64
    CANT_WRITE = 74  # Source: sysexits.h, EX_IOERR
    UNREACHABLE = 75  # Source: sysexits.h, EX_TEMPFAIL
    INTERRUPTED = 130
    TERMINATED = 143


# The first class that an error is an instance of decides: subclasses come before their bases.
_CODES: Final[Mapping[type[BaseException], ExitCode]] = {
    errors.SpecError: ExitCode.INVALID,
    errors.EmulatorSetupError: ExitCode.INVALID,
    errors.ClockError: ExitCode.INVALID,
    errors.UsageError: ExitCode.USAGE,
    errors.VerificationError: ExitCode.IN_PART,
    errors.HazardNotAllowedError: ExitCode.NO_CONSENT,
    errors.MonthlyBudgetError: ExitCode.NO_CONSENT,
    errors.PlanError: ExitCode.STALE_PLAN,
    errors.JournalLockedError: ExitCode.LOCKED,
    errors.LockLostError: ExitCode.LOCKED,
    errors.TooEarlyError: ExitCode.IN_DOUBT,
    errors.JournalUnreachableError: ExitCode.UNREACHABLE,
    errors.SourceUnreachableError: ExitCode.UNREACHABLE,
    errors.StorageError: ExitCode.CANT_WRITE,
    errors.JournalError: ExitCode.STALE_PLAN,
    errors.CredentialError: ExitCode.BAD_KEY,
    errors.RateLimitedError: ExitCode.LIMITED,
    errors.RejectedError: ExitCode.IN_PART,
    errors.MovedError: ExitCode.BAD_KEY,
    errors.ApiError: ExitCode.UNREACHABLE,
    ConnectionError: ExitCode.UNREACHABLE,
    TimeoutError: ExitCode.UNREACHABLE,
    OSError: ExitCode.CANT_WRITE,
    click.ClickException: ExitCode.USAGE,
    click.Abort: ExitCode.INTERRUPTED,
    KeyboardInterrupt: ExitCode.INTERRUPTED,
}


def exit_code(error: BaseException) -> ExitCode:
    if isinstance(error, errors.InterruptedRunError):
        return ExitCode.TERMINATED if error.signal_number == signal.SIGTERM else ExitCode.INTERRUPTED
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), ExitCode.UNEXPECTED)
