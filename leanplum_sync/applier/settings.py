"""How a run behaves: the settings that the command line, the library and the project file can choose."""

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
    *settle_seconds* is how long a request whose response was lost may still take effect, because the API queues concurrent
    calls. It is close to zero only for an emulator, which queues nothing.

    *lease_seconds* is how long the lock lasts after its last renewal.

    *observed_at* is when the users behind the plan were read; None if unknown, and then ``auto`` rechecks.
    *requests_per_second* None means no limit. *resume* also sends what an earlier run of the plan parked.
    *retry_rejected* also sends actions that are the same as what the API rejected in an earlier run.

    *together* is how many users are read with one request, where the API allows it.

    *sensitive* names attributes whose values are removed from the API's messages.

    The run stops when more than *rejections_limit* actions, and more than *rejections_share* of the answered ones, were
    rejected; when *failures_in_a_row* batches in a row were parked or in doubt; and before the next wave if more than
    *wave_failures_share* of a wave's actions failed.
    """

    concurrency: int = 8
    requests_per_second: float | None = None
    settle_seconds: float = 60.0
    lease_seconds: float = 60.0
    retries: int = 3
    recheck: Recheck = Recheck.AUTO
    observed_at: float | None = None
    resume: bool = False
    retry_rejected: bool = False
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
        case Recheck.AUTO:
            return settings.observed_at is None or now - settings.observed_at > SNAPSHOT_IS_OLD_AFTER_SECONDS
