"""
Which part of a plan a worker applies next. Any number of workers share a plan, and none of them knows the others.

A worker takes a part whose lock nobody holds and that isn't done. Parts that another worker left behind come first, because their
sends may be in doubt. Otherwise, each worker begins at another place, so that two seldom want the same part.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from leanplum_sync.journal.entry import RunState
from leanplum_sync.journal.lock import overlap


class Turn(Enum):
    WAIT = "others hold all parts that are left"
    OVER = "no part is left"


@dataclass(frozen=True, slots=True)
class Shards:
    """
    *parts* are the names of the plan's parts that have users, and *states* those of their runs, if they were begun. *held* are
    the locks of living processes. *tried* are the parts that this worker has applied, whatever came of it. *resume* takes parts
    whose runs left something.
    """

    parts: Sequence[str]
    states: Mapping[str, RunState]
    held: Collection[str]
    tried: Collection[str]
    resume: bool = False

    def next(self, start: int) -> str | Turn:
        """Return the part to take, looking from place *start* on; or what to do instead."""
        left = [part for part in self._from(start) if part not in self.tried and not self.is_over(part)]
        free = [part for part in left if not any(overlap(part, held) for held in self.held)]
        if free:
            return next((part for part in free if part in self.states), free[0])
        return Turn.WAIT if left else Turn.OVER

    def is_over(self, part: str) -> bool:
        """Whether nobody has to take it any more."""
        match self.states.get(part):
            case RunState.FINISHED:
                return True
            case RunState.PARTIAL:
                return not self.resume
            case RunState.RUNNING | RunState.INTERRUPTED | RunState.SUPERSEDED | None:
                return False

    def count(self, *states: RunState) -> int:
        return sum(self.states.get(part) in states for part in self.parts)

    def _from(self, start: int) -> Sequence[str]:
        first = start % max(1, len(self.parts))
        return [*self.parts[first:], *self.parts[:first]]
