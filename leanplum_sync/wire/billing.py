"""What a request costs. Source: Leanplum's docs on billing: one lookup for each unique user of an HTTP request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from leanplum_sync.wire.action import Action
from leanplum_sync.wire.catalogue import ACTIONS


@dataclass(frozen=True, slots=True)
class Lookups:
    """Billable lookups: of users who are only read, and of users who are written to."""

    reads: int = 0
    writes: int = 0

    @property
    def total(self) -> int:
        return self.reads + self.writes

    def __add__(self, other: Lookups) -> Lookups:
        return Lookups(self.reads + other.reads, self.writes + other.writes)


def lookups_of(actions: Iterable[Action]) -> Lookups:
    """
    Return the cost of one request with *actions*. A user counts once, as a write if any action writes to them.

    An id of a device counts as a user of its own. If the same request also names the user who has the device, the API
    may count one less.
    """
    kinds: dict[tuple[str, str], str] = {}
    for action in actions:
        spec = ACTIONS.get(action.name)
        if spec is None or not spec.billable:
            continue
        names = ((name, action.arguments.get(name)) for name in ("userId", "deviceId"))
        if who := next(((name, str(id_)) for name, id_ in names if id_), None):
            kinds[who] = "writes" if spec.writes else kinds.get(who, "reads")
    count = Counter(kinds.values())
    return Lookups(count["reads"], count["writes"])
