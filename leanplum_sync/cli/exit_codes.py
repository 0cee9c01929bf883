"""Exit codes. No other module knows the numbers."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

import click

from leanplum_sync.errors import (
    ApiError,
    CredentialError,
    EmulatorSetupError,
    HazardNotAllowedError,
    InterruptedRunError,
    JournalError,
    JournalLockedError,
    JournalUnreachableError,
    LockLostError,
    MovedError,
    PlanError,
    RateLimitedError,
    RejectedError,
    SpecError,
    StorageError,
    TooEarlyError,
    UsageError,
    VerificationError,
)


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
    SpecError: ExitCode.INVALID,
    EmulatorSetupError: ExitCode.INVALID,
    UsageError: ExitCode.USAGE,
    VerificationError: ExitCode.IN_PART,
    HazardNotAllowedError: ExitCode.NO_CONSENT,
    PlanError: ExitCode.STALE_PLAN,
    JournalLockedError: ExitCode.LOCKED,
    LockLostError: ExitCode.LOCKED,
    TooEarlyError: ExitCode.IN_DOUBT,
    JournalUnreachableError: ExitCode.UNREACHABLE,
    StorageError: ExitCode.CANT_WRITE,
    JournalError: ExitCode.STALE_PLAN,
    CredentialError: ExitCode.BAD_KEY,
    RateLimitedError: ExitCode.LIMITED,
    RejectedError: ExitCode.IN_PART,
    MovedError: ExitCode.BAD_KEY,
    ApiError: ExitCode.UNREACHABLE,
    ConnectionError: ExitCode.UNREACHABLE,
    TimeoutError: ExitCode.UNREACHABLE,
    OSError: ExitCode.CANT_WRITE,
    click.ClickException: ExitCode.USAGE,
    click.Abort: ExitCode.INTERRUPTED,
    KeyboardInterrupt: ExitCode.INTERRUPTED,
}


def exit_code(error: BaseException) -> ExitCode:
    if isinstance(error, InterruptedRunError):
        return ExitCode.TERMINATED if error.signal_number == signal.SIGTERM else ExitCode.INTERRUPTED
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), ExitCode.UNEXPECTED)
