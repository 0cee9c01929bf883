"""
How many batches a plan needs, and how many billable lookups, against the fewest there can be: each batch is a request, and each
user in one a lookup.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from ratios import IS_QUICK, report

from leanplum_sync.planner.packing import into_batches, lower_bound
from leanplum_sync.wire.limits import BatchLimits

TARGET = 1.01
USERS = 5_000 if IS_QUICK else 100_000

SIZES = [1, 7, 60, 499, 700]
MIXES: dict[str, Callable[[random.Random], int]] = {
    "one action each": lambda _: 1,
    "a few actions each": lambda some: some.randint(1, 9),
    "about ten each, where both limits bite": lambda some: some.randint(5, 15),
    "many for a few, one for the rest": lambda some: some.randint(100, 400) if some.random() < 0.02 else 1,
    "whatever": lambda some: some.randint(1, 120),
    "1, 7, 60, 499 and 700, as many of each": lambda some: some.choice([1, 7, 60, 499, 700]),
    "mostly 1, some 7 and 60, few 499 and 700": lambda some: some.choices(SIZES, [90, 6, 2, 1, 1])[0],
    "mostly 7, some 1 and 60, few 499 and 700": lambda some: some.choices(SIZES, [10, 80, 8, 1, 1])[0],
    "60 and 499": lambda some: some.choice([60, 499]),
    "499 for half, 1 for half": lambda some: some.choice([499, 1]),
}


@pytest.mark.parametrize("mix", MIXES)
def test_batches_are_as_few_as_can_be(mix: str) -> None:
    chance = random.Random(mix)
    sizes = [MIXES[mix](chance) for _ in range(USERS)]
    subjects = ([subject] * size for subject, size in enumerate(sizes))
    batches = lookups = 0
    for batch in into_batches(subjects):
        batches += 1
        lookups += len({subject for subject, *_ in batch})
    fewest = lower_bound(len(sizes), sum(sizes))
    sharper = sharper_bound(sizes)
    report(
        f"batches against the fewest, {mix}",
        batches / fewest,
        f"at most {TARGET}",
        detail=f"{batches:,} batches; {batches / sharper:.4f} of a bound that looks at large users one by one",
    )
    places = sum(-(-size // BatchLimits().actions) for size in sizes)
    report(
        f"billable lookups against one for each user, or for each 500 of a user's actions, {mix}",
        lookups / places,
        "at most 1",
        detail=f"{lookups:,} lookups, {len(sizes):,} users",
    )
    assert batches / sharper < 1.05
    assert lookups <= places


def sharper_bound(sizes: Sequence[int]) -> int:
    """
    Return how few batches there can be, where those with many actions leave no room for as many users as a batch takes.

    Nobody with more than half of a batch's actions can share one with another such. So each has a batch, which takes others
    only as far as the rest of its actions goes; who has more than one batch's actions takes a place in several.
    """
    limits = BatchLimits()
    places = sum(-(-size // limits.actions) for size in sizes)
    large = [size for size in sizes if limits.actions // 2 < size <= limits.actions]
    beside = sum(min(limits.users, limits.actions - size + 1) for size in large)
    by_users = len(large) + max(0, -(-(places - beside) // limits.users))
    return max(lower_bound(len(sizes), sum(sizes), limits), by_users)
