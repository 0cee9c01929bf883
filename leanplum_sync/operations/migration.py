"""Checks whether an app that is being moved to CleverTap may still be planned for and written to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from leanplum_sync.errors import MigrationChangedError
from leanplum_sync.planner.hazards import DURING_MIGRATION
from leanplum_sync.wire.migration import Migration


class AsksForMigration(Protocol):
    def migration(self) -> Migration | None:
        """Return the state, None if there is no key to ask with."""


def is_migrating(reader: AsksForMigration) -> bool:
    """
    Return whether what the app receives is copied to CleverTap.

    Raises:
        MigrationChangedError: the app's traffic goes to CleverTap by now.
    """
    migration = reader.migration()
    if migration is Migration.MOVED:
        raise MigrationChangedError(
            "This app has moved to CleverTap. Leanplum's data about its users may be out of date, and changes or messages may reach nobody. Work with CleverTap instead, or ask Leanplum's support if this is wrong."
        )
    return migration is Migration.COPYING


def check_migration(reader: AsksForMigration, hazards: Mapping[str, int], *, changes: bool) -> None:
    """
    Check, before applying, that a plan with these *hazards* knows of a migration; one without *changes* needs not.

    Raises:
        MigrationChangedError: the app has moved, or a migration began after planning.
    """
    if is_migrating(reader) and changes and DURING_MIGRATION not in hazards:
        raise MigrationChangedError(
            "Since this plan was made, Leanplum has started to copy this app to CleverTap. Plan again to see the consequences."
        )
