"""A slice of the crash campaign; `make campaign` runs more of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import doubts
import pytest
from crash_campaign import BACKENDS, KINDS, POINTS, Trial
from lives import Nursery
from postgresql import Server

# Every point, every kind of change and both backends, for one process and for two that share a plan; the whole has every
# combination of the first three.
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


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(0, 220, 37))
def test_that_holds_whatever_the_answers_to_open_questions_about_the_api(
    seed: int, postgresql: Server, children: Nursery, tmp_path: Path
) -> None:
    row = random.Random(f"row {seed}").choice(doubts.rows())
    verdict = Trial(seed, postgresql, children, tmp_path, row=row).go()
    assert not verdict.problems, verdict


@pytest.mark.slow
def test_without_the_settle_window_the_judge_finds_users_in_two_requests_at_once(
    postgresql: Server, children: Nursery, tmp_path: Path
) -> None:
    """What it finds depends on who is faster; of these seeds each was seen to be enough."""
    for seed in (4, 12, 20, 30):
        folder = tmp_path / str(seed)
        folder.mkdir()
        if Trial(seed, postgresql, children, folder, settle_seconds=0.0).go().overlaps:
            return
    raise AssertionError("the judge found nothing")
