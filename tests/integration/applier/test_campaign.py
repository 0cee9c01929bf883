"""A slice of the crash campaign; `make campaign` runs more of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_campaign import BACKENDS, KINDS, POINTS, Trial
from lives import Nursery
from postgresql import Server

# Every point, every kind of change and both backends; the whole has every combination of them.
SEEDS = range(0, len(BACKENDS) * len(KINDS) * len(POINTS) * 2, len(POINTS))


@pytest.fixture(scope="module")
def children() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_kills_it_nothing_is_lost_and_nothing_happens_twice(
    seed: int, postgresql: Server, children: Nursery, tmp_path: Path
) -> None:
    verdict = Trial(seed, postgresql, children, tmp_path).go()
    assert not verdict.problems, verdict
