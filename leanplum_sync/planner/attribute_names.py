"""
How close an app comes to its limit of attribute names.

What the API does beyond the limit is not documented. Memory grows with the names, not with the users.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from leanplum_sync.planner.change import Change, Effect, effect_of
from leanplum_sync.wire.limits import USER_ATTRIBUTE_NAMES

NEAR: Final = USER_ATTRIBUTE_NAMES * 4 // 5  # from here on, new names are a hazard


class AttributeNames:
    """The names of observed attributes, and of the attributes that a plan sets. *marker* is the attribute of receipts."""

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
                    | Effect.ABSENCE
                    | Effect.ITEMS_REMOVED
                    | Effect.PROFILE_FIELD
                    | Effect.DEVICE_FIELD
                    | Effect.SUBSCRIPTION
                    | Effect.MESSAGE
                    | Effect.OCCURRENCE
                    | Effect.THING
                ):
                    pass

    @property
    def new(self) -> frozenset[str]:
        """The planned names that no observed user has. Users who were not read may have them."""
        return frozenset(self._planned - self._observed)

    @property
    def new_near_ceiling(self) -> int:
        """How many names are new, once the app has more than ``NEAR`` with them; 0 before."""
        return len(self.new) if len(self._observed | self._planned) > NEAR else 0
