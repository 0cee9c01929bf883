"""While only runs change users, everything that a baseline shows is true, whatever is read and written in whatever order."""

from __future__ import annotations

from typing import Any

import pytest
from baselines import World
from hypothesis import event, given, settings
from hypothesis import strategies as st
from searching import examples

from leanplum_sync.baseline import Read, UnusableError

USERS = ("a", "b", "c")
VALUES = ("gold", 12, True, None)

some_users = st.lists(st.sampled_from(USERS), min_size=1, unique=True)
writes = st.dictionaries(st.sampled_from(USERS), st.sampled_from(VALUES), min_size=1)
steps = st.one_of(
    st.tuples(st.just("read"), some_users),
    st.tuples(st.just("begin to read"), some_users),
    st.tuples(st.just("learn what was read"), st.integers(0, 2)),
    st.tuples(st.just("run"), writes, some_users),
    st.tuples(st.just("run to the end"), writes),
    st.tuples(st.just("run elsewhere"), writes),
    st.tuples(st.just("continue"), st.integers(0, 2), writes),
    st.tuples(st.just("end"), st.integers(0, 2)),
)


@settings(max_examples=examples(6))
@given(st.lists(steps, min_size=2, max_size=6))
def test_what_a_baseline_shows_is_true(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    world = World(tmp_path_factory.mktemp("world"), {"a": "gold", "b": "silver", "c": None})
    world.learn(world.read(USERS))
    reads: list[Read] = []
    for step in steps:
        take(step, world, reads)
    known = world.known()
    event(f"{len(known)} known after {len(steps)} steps")
    assert known == {user: world.print_of(world.values[user]) for user in known}


def take(step: tuple[Any, ...], world: World, reads: list[Read]) -> None:
    match step:
        case "read", users:
            world.learn(world.read(users))
        case "begin to read", users:
            reads.append(world.read(users))
        case "learn what was read", number if number < len(reads):
            world.learn(reads[number])
        case "run", values, failing:
            world.write(world.journal.begin(), values, failing=failing)
        case "run to the end", values:
            run = world.journal.begin()
            world.write(run, values)
            run.is_over = True
            world.learn_run(run)
        case "run elsewhere", values:
            run = world.journal.begin()
            world.write(run, values)
            run.is_over = True
        case "continue", number, values if number < len(world.journal.runs):
            run = world.journal.runs[number]
            if not run.is_over:
                world.write(run, values)
        case "end", number if number < len(world.journal.runs):
            run = world.journal.runs[number]
            run.is_over = True
            world.learn_run(run)


def test_users_who_were_read_are_known(tmp_path: Any) -> None:
    world = World(tmp_path, {"a": "gold", "b": 12, "c": None})
    world.learn(world.read(["a", "c"]))
    assert world.known() == {"a": world.print_of("gold"), "c": world.print_of(None)}
    world.learn(world.read(["b"]))
    assert world.known().keys() == {"a", "b", "c"}


def test_what_a_run_wrote_is_known_and_what_failed_is_not(tmp_path: Any) -> None:
    world = World(tmp_path, {"a": "gold", "b": 12, "c": None})
    world.learn(world.read(["a", "b", "c"]))
    run = world.journal.begin()
    world.write(run, {"a": "silver", "b": 13}, failing=["b"])
    assert world.known() == {"c": world.print_of(None)}
    world.learn_run(run)
    assert world.known() == {"a": world.print_of("silver"), "c": world.print_of(None)}


def test_users_whom_another_machine_wrote_to_are_unknown_until_they_are_read(tmp_path: Any) -> None:
    world = World(tmp_path, {"a": "gold", "b": 12, "c": None})
    world.learn(world.read(["a", "b", "c"]))
    world.write(world.journal.begin(), {"a": "silver"})
    assert world.known().keys() == {"b", "c"}
    world.learn(world.read(["b"]))
    assert world.known().keys() == {"b", "c"}
    world.learn(world.read(["a"]))
    assert world.known() == {user: world.print_of(value) for user, value in world.values.items()}


def test_users_who_were_written_to_while_they_were_read_are_unknown(tmp_path: Any) -> None:
    world = World(tmp_path, {"a": "gold", "b": 12, "c": None})
    world.learn(world.read(["a", "b", "c"]))
    before = world.read(["a", "b"])
    run = world.journal.begin()
    world.write(run, {"a": "silver"})
    world.learn(before)
    assert world.known().keys() == {"b", "c"}


def test_an_older_read_does_not_replace_a_newer_one(tmp_path: Any) -> None:
    world = World(tmp_path, {"a": "gold"})
    old = world.read(["a"])
    world.values["a"] = "silver"  # somebody else
    world.learn(world.read(["a"]))
    world.learn(old)
    assert world.known() == {"a": world.print_of("silver")}


def test_a_new_key_makes_the_prints_unusable(tmp_path: Any) -> None:
    world = World(tmp_path, {"a": "gold"})
    world.learn(world.read(["a"]))
    before = world.known()
    world.baseline.forget()
    with pytest.raises(UnusableError):
        world.known()
    world.learn(world.read(["a"]))
    assert world.known().keys() == before.keys()
    assert world.known() != before
