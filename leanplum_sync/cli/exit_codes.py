"""What a finished command tells its caller, in one number; the only place that knows the numbers."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

import click

from leanplum_sync.errors import (
    CredentialError,
    HazardNotAllowedError,
    InterruptedRunError,
    JournalLockedError,
    LockLostError,
    RateLimitedError,
    SpecError,
    StalePlanError,
    TooEarlyError,
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
    INTERRUPTED = 130
    TERMINATED = 143


_CODES: Final[Mapping[type[BaseException], ExitCode]] = {
    SpecError: ExitCode.INVALID,
    VerificationError: ExitCode.IN_PART,
    HazardNotAllowedError: ExitCode.NO_CONSENT,
    StalePlanError: ExitCode.STALE_PLAN,
    JournalLockedError: ExitCode.LOCKED,
    LockLostError: ExitCode.LOCKED,
    TooEarlyError: ExitCode.IN_DOUBT,
    CredentialError: ExitCode.BAD_KEY,
    RateLimitedError: ExitCode.LIMITED,
    click.ClickException: ExitCode.USAGE,
    click.Abort: ExitCode.INTERRUPTED,
    KeyboardInterrupt: ExitCode.INTERRUPTED,
}


def exit_code(error: BaseException) -> ExitCode:
    if isinstance(error, InterruptedRunError):
        return ExitCode.TERMINATED if error.signal_number == signal.SIGTERM else ExitCode.INTERRUPTED
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), ExitCode.UNEXPECTED)
