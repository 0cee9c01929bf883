"""
Events of a run, as records for a log: numbers, states and times, but no user ids, no values and no messages
of the API.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from leanplum_sync.journal.entry import BatchState, Fate
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.batch import Batch

Event: TypeAlias = Mapping[str, Json]
Listener: TypeAlias = Callable[[Event], None]


def nobody(_event: Event) -> None:
    """Listen to nothing."""


def both(first: Listener, second: Listener) -> Listener:
    def tell(event: Event) -> None:
        first(event)
        second(event)

    return tell


def batch_event(
    batch: Batch,
    before: BatchState,
    after: BatchState,
    *,
    on_their_way: int,
    open_actions: int,
    fates: Iterable[Fate],
    reads: int,
) -> Event:
    """Return a transition of *batch*. *fates* are the ones that this step decided."""
    return {
        "event": "batch",
        "batch": batch.number,
        "wave": batch.wave,
        "class": batch.delivery_class.value,
        "from": before.value,
        "to": after.value,
        "actions": len(batch.actions),
        "onTheirWay": on_their_way,
        "open": open_actions,
        "fates": {fate.value: count for fate, count in sorted(Counter(fates).items())},
        "reads": reads,
    }
