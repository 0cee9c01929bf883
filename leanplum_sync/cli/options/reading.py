"""``--observed``, and the snapshot that planning reads live users into, so that a billable lookup isn't repeated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from leanplum_sync.cli.options.shards import own
from leanplum_sync.operations.plan import Live
from leanplum_sync.planner.parts import Part
from leanplum_sync.project.model import Limits
from leanplum_sync.project.settings import Settings
from leanplum_sync.wire.limits import USERS_PER_BATCH

LIVE: Final = "live"
observed_option = click.option(
    "--observed",
    default=LIVE,
    metavar="live|FILE",
    help="Where to read users: live from the app, or from a snapshot FILE that pull wrote. Default: live.",
)
_UNUSED_FOR_SECONDS: Final = 3600.0


def together(limits: Limits) -> int:
    """Return how many users to read per request."""
    return USERS_PER_BATCH if limits.read_in_batches else 1


@contextmanager
def reading_live(
    settings: Settings, max_age_seconds: float | None, part: Part | None = None
) -> Iterator[Live]:
    """
    Yield the snapshot to read into, and how old its entries may be to be reused.

    A finished snapshot is reused only if *max_age_seconds* allows it, because an apply may have outdated it. An
    interrupted one has not been planned from, so it is continued for up to an hour. Each *part* has its own.
    """
    unfinished, finished = (own(path, part) for path in (settings.unfinished_snapshot, settings.snapshot))
    settings.state_folder.mkdir(parents=True, exist_ok=True)
    if max_age_seconds is not None and finished.exists() and not unfinished.exists():
        finished.replace(unfinished)
    age = _UNUSED_FOR_SECONDS if max_age_seconds is None else max_age_seconds
    limits = settings.environment.limits
    yield Live(unfinished, age, limits.concurrency, limits.requests_per_second, together(limits))
    if unfinished.exists():
        unfinished.replace(finished)
