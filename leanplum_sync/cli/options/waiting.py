"""``--lock-timeout``: waits for the journal's lock while another run holds it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, Final, TypeVar

from leanplum_sync.cli.options.basic import duration_option
from leanplum_sync.cli.output.console import Console
from leanplum_sync.errors import JournalLockedError

R = TypeVar("R")

_FIRST_PAUSE: Final = 1.0  # seconds between two tries; doubled up to
_LONGEST_PAUSE: Final = 15.0


def waiting_for_lock(function: Callable[..., R]) -> Callable[..., R]:
    """
    Give a command the option ``--lock-timeout``: until then, a command that finds the lock held starts from the beginning.

    It starts from the beginning because the other run may have changed what the command decides by: a plan may be outdated by
    then. A command changes nothing before it has the lock, so nothing is done twice.
    """

    @wraps(function)
    def waiting(console: Console, *, lock_timeout: float | None, **options: Any) -> R:
        deadline = time.monotonic() + (lock_timeout or 0.0)
        pause = _FIRST_PAUSE
        while True:
            try:
                return function(console, **options)
            except JournalLockedError as error:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise
                if console.repeats:
                    console.complain(f"Waiting for the lock. {error.who}")
                    console = replace(console, repeats=False)
                time.sleep(min(pause, left))
                pause = min(2 * pause, _LONGEST_PAUSE)

    return duration_option(
        "--lock-timeout",
        help="How long to wait for another run to finish, such as 10m or 2h. Default: don't wait, and exit with 8.",
    )(waiting)
