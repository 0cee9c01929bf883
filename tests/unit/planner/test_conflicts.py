"""What two specs can't both have, and what they can."""

from __future__ import annotations

import pytest

from leanplum_sync.address import ResourceAddress, Subject
from leanplum_sync.kinds.rows.desires import (
    AlterList,
    Desire,
    IncrementAttribute,
    RemoveAttribute,
    SetAttribute,
    SetDeviceField,
    TakeAttribute,
    Want,
)
from leanplum_sync.planner.conflicts import conflicts
from leanplum_sync.problem import Place

HERE, THERE = Place("specs/a.yaml", 9, 5), Place("specs/b.yaml", 4, 5)
ROW = Place("data/a.csv", 3, None, 2)


def want(name: str, *desires: Desire, row: Place = ROW) -> Want:
    return Want(
        ResourceAddress("UserAttributes", name),
        Subject.user("u1"),
        create=False,
        found_at=row,
        desires=desires,
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SetAttribute("tier", "gold", HERE), SetAttribute("tier", "silver", THERE)),
        (SetAttribute("tier", "gold", HERE), RemoveAttribute("tier", THERE)),
        (SetAttribute("tier", ["a"], HERE), AlterList("tier", ("b",), (), THERE)),
        (SetAttribute("tier", 1, HERE), IncrementAttribute("tier", 1, "may", THERE)),
        (SetAttribute("old", 1, HERE), TakeAttribute("new", "old", None, THERE)),
        (RemoveAttribute("old", HERE), TakeAttribute("new", "old", None, THERE)),
        (TakeAttribute("new", "old", None, HERE), TakeAttribute("new", "older", None, THERE)),
        (AlterList("sports", ("golf",), (), HERE), AlterList("sports", (), ("golf",), THERE)),
        (SetDeviceField("d1", "iosPushToken", "aa", HERE), SetDeviceField("d1", "iosPushToken", "bb", THERE)),
    ],
)
def test_two_specs_at_odds_are_a_problem_that_names_both(one: Desire, other: Desire) -> None:
    (problem,) = set(conflicts([want("one", one), want("two", other)]))
    assert (problem.place, problem.also) == (THERE, HERE)
    assert "UserAttributes/one" in problem.message
    assert problem.address == "UserAttributes/two"
    assert "data/a.csv, row 2" in problem.message


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SetAttribute("vip", True, HERE), SetAttribute("vip", "True", THERE)),
        (SetAttribute("tier", "gold", HERE), SetAttribute("Tier", "silver", THERE)),
        (AlterList("sports", ("golf",), (), HERE), AlterList("sports", ("golf", "polo"), (), THERE)),
        (IncrementAttribute("visits", 1, "may", HERE), IncrementAttribute("visits", 2, "june", THERE)),
        (SetDeviceField("d1", "iosPushToken", "aa", HERE), SetDeviceField("d2", "iosPushToken", "bb", THERE)),
    ],
)
def test_two_specs_that_agree_are_none(one: Desire, other: Desire) -> None:
    assert list(conflicts([want("one", one), want("two", other)])) == []


def test_an_id_that_stands_twice_in_one_list_names_both_rows() -> None:
    again = Place("data/a.csv", 8, None, 7)
    (problem,) = conflicts(
        [want("one", RemoveAttribute("a", HERE)), want("one", RemoveAttribute("a", HERE), row=again)]
    )
    assert (problem.place, problem.also) == (again, ROW)


def test_a_user_may_have_two_devices_but_not_one_device_twice() -> None:
    first, second = (
        SetDeviceField("d1", "deviceModel", "x", HERE),
        SetDeviceField("d2", "deviceModel", "y", HERE),
    )
    assert list(conflicts([want("one", first), want("one", second)])) == []
    assert len(list(conflicts([want("one", first), want("one", first)]))) == 1


def test_a_conflict_names_what_is_contested() -> None:
    taken, removed = TakeAttribute("new", "old", None, HERE), RemoveAttribute("old", THERE)
    (problem,) = conflicts([want("one", taken), want("two", removed)])
    assert problem.message.startswith("old conflicts with")
    token = SetDeviceField("d1", "iosPushToken", "aa", HERE)
    (problem,) = conflicts(
        [want("one", token), want("two", SetDeviceField("d1", "iosPushToken", "bb", THERE))]
    )
    assert problem.message.startswith("iosPushToken conflicts with")
