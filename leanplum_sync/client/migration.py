"""Detects that an app's migration state changes during a command, and stops further requests."""

from __future__ import annotations

import threading
from typing import Final

from leanplum_sync.errors import MigrationChangedError
from leanplum_sync.wire.migration import read_migration_hash

_CHANGED: Final = (
    "This app's migration to CleverTap has started or moved on during this run, so nothing more was sent. Plan again: the new"
    " plan takes the migration into account."
)


class MigrationWatch:
    """
    Shared by all calls of one command. Later responses are compared with the hash in the first one.

    A response without a hash is ignored: servers of two versions may be in use side by side.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has_answer = self._has_changed = False
        self._hash: str | None = None

    def observe(self, body: bytes) -> None:
        found = read_migration_hash(body)
        with self._lock:
            if not self._has_answer:
                self._has_answer, self._hash = True, found
            elif found is not None and found != self._hash:
                self._has_changed = True

    def check(self) -> None:
        """
        Raises:
            MigrationChangedError: the state has changed since the first response.
        """
        if self._has_changed:
            raise MigrationChangedError(_CHANGED)
