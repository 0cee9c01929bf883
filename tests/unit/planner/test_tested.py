"""A variable in a running A/B test is found by its own name or its group's; one that ended is shown if its value comes back."""

from __future__ import annotations

from typing import Any

from leanplum_sync.address import Subject
from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.planner.plan import ENDED_TEST, IN_TEST
from leanplum_sync.planner.tested import names_in_tests, notes_on_tests
from leanplum_sync.problem import Place
from leanplum_sync.wire.ab_test import AbTest, ValueInTest

HERE = Place("v.yaml", 1)


def test(number: int, *, is_running: bool, **values: Any) -> AbTest:
    variables = {name.replace("_", "."): (ValueInTest("B", value),) for name, value in values.items()}
    return AbTest(number, f"T{number}", is_running, variables)


test.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test


def change(name: str, after: Any) -> Change:
    kind = ChangeKind.VARIABLE_GONE if after is None else ChangeKind.VARIABLE
    return Change(Subject.variable(name), "Variables/v", kind, name, None, after, HERE, HERE)


def test_names_are_found_by_themselves_and_by_their_groups() -> None:
    tests = [test(1, is_running=True, a_b="x", g="y"), test(2, is_running=False, c="z")]
    assert names_in_tests(["a.b", "a", "a.b.c", "g.h", "gh", "c"], tests) == {"a.b", "a.b.c", "g.h"}


def test_an_ended_test_is_noted_only_if_its_value_is_set_again() -> None:
    tests = [test(1, is_running=False, a="3", b="3", c="3"), test(2, is_running=True, a="4")]
    notes = list(notes_on_tests([change("a", 3), change("b", 4), change("c", None)], tests))
    assert [(note.code, note.samples) for note in notes] == [(ENDED_TEST, ("a",)), (IN_TEST, ("a",))]
