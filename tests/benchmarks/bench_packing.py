"""How many batches a plan needs, against the fewest there can be: each batch is a request."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from ratios import IS_QUICK, report

from leanplum_sync.planner.packing import into_batches, lower_bound

TARGET = 1.01
USERS = 5_000 if IS_QUICK else 100_000

MIXES: dict[str, Callable[[random.Random], int]] = {
    "one action each": lambda _: 1,
    "a few actions each": lambda some: some.randint(1, 9),
    "about ten each, where both limits bite": lambda some: some.randint(5, 15),
    "many for a few, one for the rest": lambda some: some.randint(100, 400) if some.random() < 0.02 else 1,
    "whatever": lambda some: some.randint(1, 120),
}


@pytest.mark.parametrize("mix", MIXES)
def test_batches_are_as_few_as_can_be(mix: str) -> None:
    chance = random.Random(mix)
    sizes = [MIXES[mix](chance) for _ in range(USERS)]
    subjects = ([(user, action) for action in range(size)] for user, size in enumerate(sizes))
    batches = sum(1 for _ in into_batches(subjects))
    fewest = lower_bound(len(sizes), sum(sizes))
    report(
        f"batches against the fewest, {mix}",
        batches / fewest,
        f"at most {TARGET}",
        detail=f"{batches:,} batches",
    )
    assert batches / fewest < 1.1
