"""Notices when an app's migration state changes, and lets nothing more be sent then."""

from __future__ import annotations

import threading
from typing import Final

from leanplum_sync.errors import MigrationChangedError
from leanplum_sync.wire.migration import read_migration_hash

_CHANGED: Final = (
    "The migration of this app to CleverTap has begun or gone on since the run started, so nothing more was sent. Plan again:"
    " plan asks how far it has come."
)


class MigrationWatch:
    """
    Shared by all calls of one command. The first answer gives the hash that later ones are compared with.

    An answer without a hash says nothing: servers of two versions may answer side by side.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has_answer = self._has_changed = False
        self._hash: str | None = None

    def observe(self, body: bytes) -> None:
        """Take note of the hash in an answer."""
        found = read_migration_hash(body)
        with self._lock:
            if not self._has_answer:
                self._has_answer, self._hash = True, found
            elif found is not None and found != self._hash:
                self._has_changed = True

    def check(self) -> None:
        """
        Raises:
            MigrationChangedError: the state has changed since the first answer.
        """
        if self._has_changed:
            raise MigrationChangedError(_CHANGED)
