"""How a run behaves: what the command line and the project file may set."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

EXCEPTIONS_LISTED: Final = 1000
SNAPSHOT_IS_OLD_AFTER_SECONDS: Final = 600.0


class Recheck(StrEnum):
    AUTO = "auto"  # when the snapshot behind the plan is older than ten minutes
    ON = "on"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class ApplySettings:
    """
    *settle_seconds* is how long a request whose answer was lost may still take effect: the API queues concurrent calls.
    Zero-ish only where nothing queues (an emulator).

    *lease_seconds* is how long the lock outlives a run that says nothing more.

    *observed_at* is when the snapshot behind the plan was taken, None if unknown: then ``auto`` rechecks.
    *requests_per_second* None means no limit. *resume* takes up what an earlier run of the plan parked.

    So many users as *together* are looked at with one request, where the API can.

    *sensitive* names attributes whose values are not repeated in what the API says.

    The run stops when more than *rejections_limit* actions, and more than *rejections_share* of those answered, were
    rejected; when *failures_in_a_row* batches in a row were parked or fell in doubt; and before the next wave when more than
    *wave_failures_share* of the actions of one failed.
    """

    concurrency: int = 8
    requests_per_second: float | None = None
    settle_seconds: float = 60.0
    lease_seconds: float = 60.0
    retries: int = 3
    recheck: Recheck = Recheck.AUTO
    observed_at: float | None = None
    resume: bool = False
    together: int = 1
    rejections_limit: int = 100
    rejections_share: float = 0.1
    failures_in_a_row: int = 10
    wave_failures_share: float = 0.1
    exceptions_listed: int = EXCEPTIONS_LISTED
    sensitive: frozenset[str] = frozenset()


def recheck_is_due(settings: ApplySettings, now: float) -> bool:
    match settings.recheck:
        case Recheck.ON:
            return True
        case Recheck.OFF:
            return False
        case Recheck.AUTO:  # pragma: no branch - the last of all cases
            return settings.observed_at is None or now - settings.observed_at > SNAPSHOT_IS_OLD_AFTER_SECONDS
