"""Each branch of the error tree has its number."""

from __future__ import annotations

import signal

import click
import pytest

from leanplum_sync import errors
from leanplum_sync.cli.exit_codes import ExitCode, exit_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.SpecError([]), 3),
        (errors.VerificationError(), 4),
        (errors.HazardNotAllowedError(over={"sends": 3}, allowed={"sends": 0}), 6),
        (errors.StalePlanError(), 7),
        (errors.JournalLockedError("held"), 8),
        (errors.LockLostError(), 8),
        (errors.CredentialError(), 9),
        (errors.RateLimitedError("slow down", status=429), 10),
        (errors.NotSentError(), 75),
        (errors.NoAnswerError(), 75),
        (errors.UnexpectedResponseError(), 75),
        (errors.RejectedError("no", status=400), 4),
        (errors.JournalUnreachableError(), 75),
        (errors.JournalStorageError(), 74),
        (errors.JournalCorruptError(), 7),
        (errors.StorageError(), 74),
        (errors.EmulatorSetupError(), 3),
        (errors.ClockError(), 3),
        (OSError(28, "No space left on device"), 74),
        (PermissionError(13, "Permission denied"), 74),
        (ConnectionResetError(), 75),
        (TimeoutError(), 75),
        (click.UsageError("no such option"), 64),
        (click.BadParameter("no number"), 64),
        (click.Abort(), 130),
        (KeyboardInterrupt(), 130),
        (errors.InterruptedRunError("stopped", signal_number=signal.SIGINT), 130),
        (errors.InterruptedRunError("stopped", signal_number=signal.SIGTERM), 143),
        (KeyError("unforeseen"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_an_error_becomes_the_documented_number(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


def test_every_documented_number_has_a_name() -> None:
    assert sorted(ExitCode) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 64, 74, 75, 130, 143]
