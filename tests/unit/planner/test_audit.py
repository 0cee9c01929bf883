"""The bound of an audit is the exact one, and it holds as often as it says."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import pairwise
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.planner.audit import AuditBound, AuditGoal, bound, sample_size

GOAL = AuditGoal(share=0.1, confidence=99)


def exact_most(population: int, sample: int, differing: int, confidence: Fraction) -> int:
    """Return the bound by counting samples, in whole numbers: the largest number of differing users that is plausible."""

    def is_plausible(total: int) -> bool:
        ways = sum(comb(total, k) * comb(population - total, sample - k) for k in range(differing + 1))
        return Fraction(ways, comb(population, sample)) > (100 - confidence) / 100

    totals = range(differing, population - sample + differing + 1)
    return max(total for total in totals if is_plausible(total)) - differing


@pytest.mark.parametrize("confidence", [50, 90, 99, Fraction("99.9")])
@pytest.mark.parametrize("population", [1, 2, 7, 12, 13])
def test_the_bound_is_the_one_of_counting_all_samples(population: int, confidence: Fraction) -> None:
    for sample in range(population + 1):
        for differing in range(sample + 1):
            found = bound(population, sample, differing, float(confidence))
            assert found.most == exact_most(population, sample, differing, Fraction(confidence))
            assert found.unseen == population - sample


@given(st.integers(30, 150), st.data())
def test_the_bound_of_larger_populations_is_exact_too(population: int, data: st.DataObject) -> None:
    sample = data.draw(st.integers(0, population))
    differing = data.draw(st.integers(0, min(sample, 20)) | st.integers(0, sample))
    found = bound(population, sample, differing, 99)
    assert found.most == exact_most(population, sample, differing, Fraction(99))


@pytest.mark.parametrize(
    ("population", "sample", "differing"),
    [(1_000_000, 4_600, 0), (1_000_000, 4_600, 3), (50_000_000, 2_000, 1)],
)
def test_a_bound_of_a_million_is_between_what_whole_numbers_find_plausible_and_what_they_don_t(
    population: int, sample: int, differing: int
) -> None:
    def chance(total: int) -> Fraction:
        term = ways = comb(total, differing) * comb(population - total, sample - differing)
        for k in range(differing, 0, -1):
            others = population - total
            term = term * k * (others - sample + k) // ((total - k + 1) * (sample - k + 1))
            ways += term
        return Fraction(ways, comb(population, sample))

    total = bound(population, sample, differing, 99).most + differing
    assert chance(total - 1) > Fraction(1, 100)
    assert chance(total + 1) <= Fraction(1, 100)


def test_the_bound_covers_nobody_if_all_were_looked_at_and_everybody_if_none_was() -> None:
    everybody, nobody = bound(1000, 1000, 17, 99), bound(1000, 0, 0, 99)
    assert (everybody.most, everybody.share) == (0, 0.0)
    assert (nobody.most, nobody.share) == (1000, 100.0)


def test_more_that_differ_raise_the_bound_and_a_larger_sample_lowers_it() -> None:
    by_found = [bound(10_000, 500, differing, 99).most for differing in range(20)]
    by_sample = [bound(10_000, sample, 0, 99).most for sample in range(0, 10_001, 500)]
    assert all(low < high for low, high in pairwise(by_found))
    assert all(low >= high for low, high in pairwise(by_sample))


@pytest.mark.parametrize(("population", "sample", "differing"), [(5, 6, 0), (5, 3, 4), (5, 3, -1)])
def test_numbers_of_no_sample_are_refused(population: int, sample: int, differing: int) -> None:
    with pytest.raises(ValueError, match="is no sample"):
        bound(population, sample, differing, 99)


@pytest.mark.parametrize("confidence", [0, 100, -1, 101])
def test_certainty_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="can't be had from a sample"):
        bound(10, 5, 0, confidence)


@pytest.mark.parametrize("population", [0, 1, 999, 1_000, 2_500, 100_000, 1_000_000, 10_000_000])
def test_a_clean_sample_of_the_size_meets_the_goal_and_a_smaller_one_does_not(population: int) -> None:
    size = sample_size(population, GOAL)
    assert bound(population, size, 0, GOAL.confidence).meets(GOAL)
    if size:
        assert not bound(population, size - 1, 0, GOAL.confidence).meets(GOAL)


def test_a_million_users_need_a_sample_of_some_thousands() -> None:
    assert 4_500 < sample_size(1_000_000, GOAL) < 4_700
    assert sample_size(900, GOAL) == 891, "0.1 % of 900 is less than one user: nobody may differ"


def test_one_who_differs_exceeds_the_goal_of_the_smallest_sample() -> None:
    size = sample_size(1_000_000, GOAL)
    assert not bound(1_000_000, size, 1, GOAL.confidence).meets(GOAL)


def test_a_share_is_rounded_up() -> None:
    assert AuditBound(1_000_000, 1, 0, 1_004, 99).percent == "0.101"
    assert AuditBound(1_000_000, 1, 0, 1_000, 99).percent == "0.1"
    assert AuditBound(300, 1, 0, 1, 99).percent == "0.334"


def held(populations: int, seed: int) -> int:
    """Return in how many of random *populations*, each with a random sample, the bound holds."""
    choices = random.Random(seed)
    count = 0
    for _ in range(populations):
        population = choices.randrange(200, 4_000)
        differing = min(population, int(population * choices.choice((0.0, 0.001, 0.01, 0.05, 0.2))))
        sample = choices.sample(range(population), choices.randrange(20, population // 2))
        found = sum(user < differing for user in sample)
        count += differing - found <= bound(population, len(sample), found, 99).most
    return count


def held_with_an_earlier_sample(populations: int, seed: int, *, is_carried: bool) -> int:
    """
    As ``held``, for a second audit after others changed some users.

    Whoever was in the first sample matched. *is_carried*: the second bound also counts that sample, less the users who are in both.
    """
    choices = random.Random(seed)
    count = 0
    for _ in range(populations):
        population = choices.randrange(1_000, 4_000)
        earlier = frozenset(choices.sample(range(population), population // 3))
        moved = frozenset(choices.sample(range(population), population // 100))  # after the first audit
        later = choices.sample(range(population), 30)
        found = len(moved.intersection(later))
        sample = len(earlier.union(later)) if is_carried else len(later)
        unseen = moved.difference(later, earlier if is_carried else ())
        count += len(unseen) <= bound(population, sample, found, 99).most
    return count


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_sample_from_before_others_changed_users_would_make_the_bound_too_low(seed: int) -> None:
    assert held_with_an_earlier_sample(1_000, seed, is_carried=False) >= 990
    assert held_with_an_earlier_sample(1_000, seed, is_carried=True) < 700


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_bound_holds_in_990_of_1000_populations(seed: int) -> None:
    assert held(1_000, seed) >= 990
