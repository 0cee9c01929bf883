"""Connects to the app of an environment, and tells people about its emulator."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Lock

from leanplum_sync.cli.context import remembered
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.shell import shortest
from leanplum_sync.errors import ApiError
from leanplum_sync.library import connect
from leanplum_sync.project.settings import Settings
from leanplum_sync.render.values import duration, escaped
from leanplum_sync.wire.catalogue import KeyClass


def connected(
    settings: Settings,
    command: str,
    needs: Collection[KeyClass] = (),
    *,
    allowed_lookups: int | None = None,
) -> AbstractContextManager[connect.App]:
    return connect.connected(
        settings,
        tell_changed_seed,
        command=command,
        needs=needs,
        on_retry=RetryNotice(),
        warn=tell,
        allowed_lookups=allowed_lookups,
    )


def tell(sentence: str) -> None:
    Console().complain(escaped(sentence))


def tell_changed_seed(state: Path) -> None:
    Console(quiet=bool(remembered("quiet"))).say(
        f"The emulator's seed has changed since it was read. To start again from the new seed: rm {shortest(state)}*"
    )


class RetryNotice:
    """Tells people at a terminal why nothing seems to happen. Many threads may wait, so each attempt is told once."""

    def __init__(self) -> None:
        self._told = 0
        self._lock = Lock()

    def __call__(self, error: ApiError, attempt: int, seconds: float) -> None:
        with self._lock:
            is_new = attempt > self._told
            self._told = max(attempt, self._told)
        console = Console(quiet=bool(remembered("quiet") or remembered("no_progress")))
        if is_new and console.stderr.isatty():
            console.say(f"{escaped(str(error))} Trying again in {duration(seconds)}.")
