"""The fewest batches under both limits, nothing lost, a subject's actions together and in order."""

from __future__ import annotations

from itertools import chain, groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.planner.packing import into_batches, lower_bound
from leanplum_sync.wire.limits import BatchLimits

LIMITS = BatchLimits(users=5, actions=20)
SIZES = st.lists(st.integers(0, 50), max_size=60)


def subjects(sizes: list[int]) -> list[list[tuple[int, int]]]:
    return [[(subject, action) for action in range(size)] for subject, size in enumerate(sizes)]


def flat_batches(sizes: list[int], window: int) -> list[list[tuple[int, int]]]:
    return [list(chain.from_iterable(batch)) for batch in into_batches(subjects(sizes), LIMITS, window)]


@pytest.mark.claim("batches-by-user")
@given(SIZES, st.integers(1, 70))
def test_batches_hold_their_limits_and_lose_nothing(sizes: list[int], window: int) -> None:
    batches = flat_batches(sizes, window)
    for batch in batches:
        assert 0 < len(batch) <= LIMITS.actions
        assert len({subject for subject, _ in batch}) <= LIMITS.users
    sent = [action for batch in batches for action in batch]
    assert sorted(sent) == sorted(action for each in subjects(sizes) for action in each)


@pytest.mark.claim("batches-by-user")
@given(SIZES, st.integers(1, 70))
def test_a_subjects_actions_stay_in_order_and_together(sizes: list[int], window: int) -> None:
    batches = flat_batches(sizes, window)
    for subject, size in enumerate(sizes):
        in_batches = [number for number, batch in enumerate(batches) for each, _ in batch if each == subject]
        assert [action for batch in batches for each, action in batch if each == subject] == list(range(size))
        assert len(set(in_batches)) == -(-size // LIMITS.actions)
    for batch in batches:
        runs = [subject for subject, _ in groupby(batch, key=lambda action: action[0])]
        assert len(runs) == len(set(runs))


@given(SIZES, st.integers(1, 70))
def test_a_batch_lists_each_subject_once(sizes: list[int], window: int) -> None:
    for batch in into_batches(subjects(sizes), LIMITS, window):
        owners = [{subject for subject, _ in actions} for actions in batch]
        assert all(len(owner) == 1 for owner in owners)
        assert len(set.union(*owners)) == len(batch)


def test_users_of_every_size_nearly_fill_their_batches() -> None:
    sizes = [1, 7, 60, 499, 700] * 500
    assert len(list(into_batches(subjects(sizes)))) <= 1.02 * lower_bound(len(sizes), sum(sizes))


def test_large_users_leave_room_for_others_beside_them() -> None:
    sizes = ([700] + [1] * 98) * 100
    assert len(list(into_batches(subjects(sizes)))) == 200


@given(st.lists(st.integers(1, 4), max_size=200))
def test_small_subjects_take_as_few_batches_as_can_be(sizes: list[int]) -> None:
    batches = list(into_batches(subjects(sizes), LIMITS))
    assert len(batches) == lower_bound(len(sizes), sum(sizes), LIMITS)


@given(SIZES)
def test_the_same_subjects_give_the_same_batches(sizes: list[int]) -> None:
    assert list(into_batches(subjects(sizes), LIMITS)) == list(into_batches(iter(subjects(sizes)), LIMITS))


@pytest.mark.parametrize(
    "sizes",
    [
        [1] * 12_345,
        [7, 1, 3] * 4_000,
        [60, 1, 1, 1, 1, 1, 1, 1] * 1_500,
        [499, 1] * 500,
        [60, 7, 1] * 3_000,
        [7] * 9_000 + [700] * 100 + [60] * 1_000,
    ],
    ids=["one", "few", "sixty among ones", "nearly full and one", "mixed", "large among few"],
)
def test_a_mix_of_sizes_stays_within_one_percent_of_the_lower_bound(sizes: list[int]) -> None:
    batches = list(into_batches(subjects(sizes)))
    bound = lower_bound(len(sizes), sum(sizes))
    assert bound <= len(batches) <= max(bound + 1, 1.01 * bound)
