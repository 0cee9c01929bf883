"""
Fewest batches under two limits, a subject's actions together and in order.

No packing can have fewer batches than ``max(users / 50, actions / 500)``, rounded up. With at most ten actions a subject,
filling batches one after another meets that bound. With larger ones it may not: 500 actions may be full at ten users.
Then a window of subjects is packed largest first, in two ways, and the better one is taken: *best fit* fills batches to
the brim (good when actions are what is scarce), *spreading* deals the large ones out over as many batches as the bound
asks for (good when users are). What is left half empty at the end of a window is packed again with the next.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

from leanplum_sync.wire.limits import BatchLimits

T = TypeVar("T")
WINDOW = 10_000  # subjects looked at together: at least 200 batches, so that a half-empty one is under half a percent


@dataclass(frozen=True, slots=True)
class Bundle(Generic[T]):
    """All actions of one subject, in order."""

    position: int  # in the stream of subjects
    actions: tuple[T, ...]


@dataclass(slots=True)
class _Bin(Generic[T]):
    bundles: list[Bundle[T]] = field(default_factory=list)
    size: int = 0

    def takes(self, bundle: Bundle[T], limits: BatchLimits) -> bool:
        return len(self.bundles) < limits.users and self.size + len(bundle.actions) <= limits.actions

    def put(self, bundle: Bundle[T]) -> None:
        self.bundles.append(bundle)
        self.size += len(bundle.actions)


def into_batches(
    subjects: Iterable[Sequence[T]], limits: BatchLimits | None = None, window: int = WINDOW
) -> Iterator[list[T]]:
    """
    Yield batches of actions: within *limits*, nothing lost, a subject's actions together and in order.

    *subjects* gives each subject's actions. A subject with more actions than a batch holds is cut: its full pieces come
    first, each a batch of its own, so that pieces stay in order. Same input, same batches; memory grows with *window* only.
    """
    limits = limits or BatchLimits()
    stream = (Bundle(position, tuple(actions)) for position, actions in enumerate(subjects) if actions)
    held_back: list[Bundle[T]] = []
    while taken := list(islice(stream, max(1, window - len(held_back)))):
        bundles = list(held_back)
        for bundle in taken:
            full, rest = _cut(bundle, limits)
            yield from full
            if rest.actions:
                bundles.append(rest)
        bins = _pack(bundles, limits)
        held_back = _half_empty(bins, limits)
        left = {bundle.position for bundle in held_back}
        yield from (_in_order(bin_) for bin_ in bins if bin_.bundles[0].position not in left)
    yield from map(_in_order, _pack(held_back, limits))


def lower_bound(users: int, actions: int, limits: BatchLimits | None = None) -> int:
    limits = limits or BatchLimits()
    return max(-(-users // limits.users), -(-actions // limits.actions))


def _cut(bundle: Bundle[T], limits: BatchLimits) -> tuple[list[list[T]], Bundle[T]]:
    full = len(bundle.actions) // limits.actions if len(bundle.actions) > limits.actions else 0
    pieces = [list(bundle.actions[n * limits.actions : (n + 1) * limits.actions]) for n in range(full)]
    return pieces, Bundle(bundle.position, bundle.actions[full * limits.actions :])


def _pack(bundles: list[Bundle[T]], limits: BatchLimits) -> list[_Bin[T]]:
    if not bundles:
        return []
    fewest = lower_bound(len(bundles), sum(len(bundle.actions) for bundle in bundles), limits)
    best: list[_Bin[T]] = []
    ways: tuple[Callable[[list[Bundle[T]], int, BatchLimits], list[_Bin[T]]], ...] = (
        _one_by_one,
        _best_fit,
        _spread,
    )
    for way in ways:
        bins = way(bundles, fewest, limits)
        if not best or len(bins) < len(best):
            best = bins
        if len(best) == fewest:
            break
    return sorted(best, key=lambda bin_: min(bundle.position for bundle in bin_.bundles))


def _one_by_one(bundles: list[Bundle[T]], _fewest: int, limits: BatchLimits) -> list[_Bin[T]]:
    bins = [_Bin[T]()]
    for bundle in bundles:
        if not bins[-1].takes(bundle, limits):
            bins.append(_Bin())
        bins[-1].put(bundle)
    return bins


def _best_fit(bundles: list[Bundle[T]], _fewest: int, limits: BatchLimits) -> list[_Bin[T]]:
    """Put each, largest first, where the least room is left; open bins stand in lists by the room they have."""
    by_room: list[list[_Bin[T]]] = [[] for _ in range(limits.actions + 1)]
    bins: list[_Bin[T]] = []
    for bundle in sorted(bundles, key=_largest_first):
        need = len(bundle.actions)
        room = next((room for room in range(need, limits.actions + 1) if by_room[room]), None)
        if room is None:
            bin_ = _Bin[T]()
            bins.append(bin_)
            room = limits.actions
        else:
            bin_ = by_room[room].pop()
        bin_.put(bundle)
        if len(bin_.bundles) < limits.users and room > need:
            by_room[room - need].append(bin_)
    return bins


def _spread(bundles: list[Bundle[T]], fewest: int, limits: BatchLimits) -> list[_Bin[T]]:
    """Deal them out, largest first, each to the emptiest of *fewest* bins that takes it."""
    bins = [_Bin[T]() for _ in range(fewest)]
    heap = [(0, number) for number in range(fewest)]
    for bundle in sorted(bundles, key=_largest_first):
        while heap and len(bins[heap[0][1]].bundles) >= limits.users:
            heapq.heappop(heap)
        if not heap or not bins[heap[0][1]].takes(bundle, limits):
            bins.append(_Bin())
            heapq.heappush(heap, (0, len(bins) - 1))
        number = heap[0][1]
        bins[number].put(bundle)
        heapq.heapreplace(heap, (bins[number].size, number))
    return [bin_ for bin_ in bins if bin_.bundles]


def _largest_first(bundle: Bundle[T]) -> tuple[int, int]:
    return (-len(bundle.actions), bundle.position)


def _half_empty(bins: list[_Bin[T]], limits: BatchLimits) -> list[Bundle[T]]:
    """Return the bundles of the emptiest bin, to be packed again with what comes, in the order of the stream."""
    emptiest = min(
        bins, key=lambda bin_: max(len(bin_.bundles) / limits.users, bin_.size / limits.actions), default=None
    )
    return sorted(emptiest.bundles, key=lambda bundle: bundle.position) if emptiest else []


def _in_order(bin_: _Bin[T]) -> list[T]:
    return [
        action
        for bundle in sorted(bin_.bundles, key=lambda bundle: bundle.position)
        for action in bundle.actions
    ]
