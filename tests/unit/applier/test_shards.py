"""Which shard a worker takes next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.applier.shards import Shards, Turn
from leanplum_sync.journal.entry import RunState

PARTS = [f"{number}/6" for number in range(1, 7)]
some_parts = st.frozensets(st.sampled_from(PARTS))
states = st.dictionaries(st.sampled_from(PARTS), st.sampled_from(RunState))


def is_over(state: RunState | None, *, resume: bool) -> bool:
    return state is RunState.FINISHED or (state is RunState.PARTIAL and not resume)


@given(states=states, held=some_parts, tried=some_parts, start=st.integers(0, 2000), resume=st.booleans())
def test_a_worker_takes_what_is_left_and_free_and_begun_shards_first(
    states: dict[str, RunState], held: frozenset[str], tried: frozenset[str], start: int, *, resume: bool
) -> None:
    left = {part for part in PARTS if not is_over(states.get(part), resume=resume)} - tried
    taken = Shards(PARTS, states, held, tried, resume).next(start)
    match taken:
        case Turn.OVER:
            assert not left
        case Turn.WAIT:
            assert left
            assert left <= held
        case part:
            assert part in left - held
            assert part in states or not any(each in states for each in left - held)


def test_workers_begin_at_different_shards() -> None:
    assert {Shards(PARTS, {}, (), ()).next(start) for start in range(6)} == set(PARTS)


def test_whoever_holds_the_whole_app_holds_each_shard() -> None:
    assert Shards(PARTS, {}, {""}, ()).next(0) is Turn.WAIT


def test_other_divisions_of_the_app_overlap_all_shards() -> None:
    assert Shards(PARTS, {}, {"1/4"}, ()).next(0) is Turn.WAIT


def test_shards_without_users_are_not_waited_for() -> None:
    assert Shards([], {}, (), ()).next(5) is Turn.OVER
