"""Connects to the app of an environment, and tells people about its emulator."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from leanplum_sync.cli.context import remembered
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.shell import shortest
from leanplum_sync.library import connect
from leanplum_sync.project.settings import Settings


def connected(settings: Settings) -> AbstractContextManager[connect.App]:
    return connect.connected(settings, tell_changed_seed)


def tell_changed_seed(state: Path) -> None:
    Console(quiet=bool(remembered("quiet"))).say(
        f"The emulator's seed has changed since it was read. To start again from the new seed: rm {shortest(state)}*"
    )
