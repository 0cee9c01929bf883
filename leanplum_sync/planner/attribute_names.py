"""
How near an app comes to the most attribute names it may have.

What the API does with one more is not documented. What is kept here grows with the names, not with the users.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from leanplum_sync.planner.change import Change
from leanplum_sync.planner.change_facts import Effect, effect_of
from leanplum_sync.wire.limits import USER_ATTRIBUTE_NAMES

NEAR: Final = USER_ATTRIBUTE_NAMES * 4 // 5  # from here on, new names are worth a look


class AttributeNames:
    """The names that users were seen to have, and those that a plan gives them. *marker* is that of receipts."""

    def __init__(self, marker: str | None = None) -> None:
        self._marker = marker
        self._observed: set[str] = set()
        self._planned: set[str] = set()

    def observe(self, names: Iterable[str]) -> None:
        self._observed.update(names)

    def plan(self, changes: Iterable[Change]) -> None:
        for change in changes:
            match effect_of(change.kind):
                case Effect.ATTRIBUTE if change.after is None:
                    pass
                case Effect.ATTRIBUTE | Effect.ITEMS_ADDED:
                    self._planned.add(change.field)
                case Effect.SUM:
                    self._planned.add(change.field)
                    if self._marker is not None:
                        self._planned.add(self._marker)
                case (
                    Effect.EXISTENCE
                    | Effect.ITEMS_REMOVED
                    | Effect.PROFILE_FIELD
                    | Effect.DEVICE_FIELD
                    | Effect.MESSAGE
                ):
                    pass

    @property
    def new(self) -> frozenset[str]:
        """
        The planned names that nobody was seen to have. Users who were not read may have them, and others too: the app has
        at least as many names as were seen.
        """
        return frozenset(self._planned - self._observed)

    @property
    def new_near_ceiling(self) -> int:
        """How many names are new, once the app has more than ``NEAR`` with them; 0 before."""
        return len(self.new) if len(self._observed | self._planned) > NEAR else 0
