"""
Fewest batches under two limits, a subject's actions together and in order.

No packing can have fewer batches than ``max(users / 50, actions / 500)``, rounded up. With at most ten actions a subject,
filling batches one after another meets that bound. With larger ones it may not: 500 actions may be full at ten users.
Then a window of subjects is packed largest first, in two ways, and the better one is taken: *best fit* fills batches to
the brim (good when actions are what is scarce), *spreading* deals the large ones out over as many batches as the bound
asks for (good when users are). What is left half empty at the end of a window is packed again with the next.

A subject with more actions than a batch holds is cut into as few pieces as can be: full ones and a rest (good when actions
are scarce), or smaller ones, which leave room for other users. Which actions a piece holds is only said when its batch leaves
the packer: the first batch gets the first ones, so that no packing can put pieces out of order.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Generic, TypeAlias, TypeVar

from leanplum_sync.wire.limits import BatchLimits

T = TypeVar("T")
WINDOW: Final = 10_000  # subjects looked at together: at least 200 batches, so that a half-empty one is under half a percent


@dataclass(slots=True)
class _Bundle(Generic[T]):
    """All actions of one subject, in order; *taken* of them have left the packer."""

    position: int  # in the stream of subjects
    actions: Sequence[T]
    taken: int = 0

    def take(self, size: int) -> Sequence[T]:
        start, self.taken = self.taken, self.taken + size
        return self.actions[start : self.taken]

    @property
    def left(self) -> int:
        return len(self.actions) - self.taken


@dataclass(slots=True)
class _Piece(Generic[T]):
    bundle: _Bundle[T]
    size: int


@dataclass(slots=True)
class _Bin(Generic[T]):
    pieces: list[_Piece[T]] = field(default_factory=list)
    size: int = 0

    def takes(self, piece: _Piece[T], limits: BatchLimits) -> bool:
        return len(self.pieces) < limits.users and self.size + piece.size <= limits.actions

    def put(self, piece: _Piece[T]) -> None:
        self.pieces.append(piece)
        self.size += piece.size

    @property
    def first(self) -> int:
        return min(piece.bundle.position for piece in self.pieces)


_Cut: TypeAlias = Callable[[int, BatchLimits], list[int]]
_Way: TypeAlias = Callable[[list[_Piece[T]], int, BatchLimits], list[_Bin[T]]]


def into_batches(
    subjects: Iterable[Sequence[T]], limits: BatchLimits | None = None, window: int = WINDOW
) -> Iterator[list[Sequence[T]]]:
    """
    Yield batches, each a list of its subjects' actions: within *limits*, nothing lost, a subject's actions together and in order.

    *subjects* gives each subject's actions. One with more actions than a batch holds is cut into as few pieces as can be.
    Same input, same batches; memory grows with *window* only.
    """
    limits = limits or BatchLimits()
    stream = (_Bundle(position, actions) for position, actions in enumerate(subjects) if actions)
    held_back: list[_Piece[T]] = []
    while bundles := list(islice(stream, max(1, window - len(held_back)))):
        bins = _pack(held_back, bundles, limits)
        emptiest = _emptiest(bins, limits)
        yield from (_contents(bin_) for bin_ in bins if bin_ is not emptiest)
        held_back = sorted(emptiest.pieces, key=_in_stream)
    if held_back:
        yield from map(_contents, _pack(held_back, [], limits))


def lower_bound(users: int, actions: int, limits: BatchLimits | None = None) -> int:
    limits = limits or BatchLimits()
    return max(-(-users // limits.users), -(-actions // limits.actions))


def _full(count: int, limits: BatchLimits) -> list[int]:
    return _pieces(count, limits.actions, limits.actions)


def _nearly_full(count: int, limits: BatchLimits) -> list[int]:
    """Leave just so much room that a batch's other users can have an action each."""
    return _pieces(count, limits.actions - limits.users + 1, limits.actions)


def _equal(count: int, limits: BatchLimits) -> list[int]:
    return _pieces(count, -(-count // -(-count // limits.actions)), limits.actions)


def _pieces(count: int, size: int, most: int) -> list[int]:
    """Cut *count* into as few pieces as can be; each but the last has *size*, or more where that is needed."""
    pieces = []
    for left in range(-(-count // most) - 1, 0, -1):
        pieces.append(max(size, count - left * most))
        count -= pieces[-1]
    return [*pieces, count]


def _pack(held_back: list[_Piece[T]], bundles: list[_Bundle[T]], limits: BatchLimits) -> list[_Bin[T]]:
    fewest = lower_bound(
        len(held_back) + len(bundles),
        sum(piece.size for piece in held_back) + sum(bundle.left for bundle in bundles),
        limits,
    )
    has_large = any(bundle.left > limits.actions for bundle in bundles)
    cuts: tuple[_Cut, ...] = (_full, _nearly_full, _equal) if has_large else (_full,)
    best: list[_Bin[T]] = []
    for cut in cuts:
        cut_up = (_Piece(bundle, size) for bundle in bundles for size in cut(bundle.left, limits))
        pieces = [*held_back, *cut_up]
        ways: tuple[_Way[T], ...] = (_one_by_one, _best_fit, _spread)
        for way in ways:
            bins = way(pieces, fewest, limits)
            if not best or len(bins) < len(best):
                best = bins
            if len(best) == fewest:
                return sorted(best, key=lambda bin_: bin_.first)
    return sorted(best, key=lambda bin_: bin_.first)


def _one_by_one(pieces: list[_Piece[T]], _fewest: int, limits: BatchLimits) -> list[_Bin[T]]:
    bins = [_Bin[T]()]
    for piece in pieces:
        if not bins[-1].takes(piece, limits):
            bins.append(_Bin())
        bins[-1].put(piece)
    return bins


def _best_fit(pieces: list[_Piece[T]], _fewest: int, limits: BatchLimits) -> list[_Bin[T]]:
    """Best fit, largest first. Open bins are kept in lists by their free space."""
    by_room: list[list[_Bin[T]]] = [[] for _ in range(limits.actions + 1)]
    bins: list[_Bin[T]] = []
    for piece in sorted(pieces, key=_largest_first):
        need = piece.size
        room = next((room for room in range(need, limits.actions + 1) if by_room[room]), None)
        if room is None:
            bin_ = _Bin[T]()
            bins.append(bin_)
            room = limits.actions
        else:
            bin_ = by_room[room].pop()
        bin_.put(piece)
        if len(bin_.pieces) < limits.users and room > need:
            by_room[room - need].append(bin_)
    return bins


def _spread(pieces: list[_Piece[T]], fewest: int, limits: BatchLimits) -> list[_Bin[T]]:
    """Deal them out, largest first, each to the emptiest of *fewest* bins that takes it."""
    bins = [_Bin[T]() for _ in range(fewest)]
    heap = [(0, number) for number in range(fewest)]
    for piece in sorted(pieces, key=_largest_first):
        while heap and len(bins[heap[0][1]].pieces) >= limits.users:
            heapq.heappop(heap)
        if not heap or not bins[heap[0][1]].takes(piece, limits):
            bins.append(_Bin())
            heapq.heappush(heap, (0, len(bins) - 1))
        number = heap[0][1]
        bins[number].put(piece)
        heapq.heapreplace(heap, (bins[number].size, number))
    return [bin_ for bin_ in bins if bin_.pieces]


def _largest_first(piece: _Piece[T]) -> tuple[int, int]:
    return (-piece.size, piece.bundle.position)


def _in_stream(piece: _Piece[T]) -> int:
    return piece.bundle.position


def _emptiest(bins: list[_Bin[T]], limits: BatchLimits) -> _Bin[T]:
    return min(bins, key=lambda bin_: max(len(bin_.pieces) / limits.users, bin_.size / limits.actions))


def _contents(bin_: _Bin[T]) -> list[Sequence[T]]:
    return [piece.bundle.take(piece.size) for piece in sorted(bin_.pieces, key=_in_stream)]
