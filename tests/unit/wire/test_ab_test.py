"""An A/B test is read leniently, and counts as running unless Leanplum says that it isn't."""

from __future__ import annotations

from typing import Any

import pytest

from leanplum_sync.errors import UnexpectedResponseError
from leanplum_sync.wire.ab_test import ValueInTest, read_ab_tests


def test_the_values_of_all_variants_are_by_the_names_of_variables() -> None:
    variants = [
        {"id": 1, "name": "Control", "variables": []},
        {"name": "B", "variables": [{"name": "a.b", "value": "x"}, {"value": "nameless"}, "odd"]},
        {"name": "C", "variables": [{"name": "a.b", "value": "y"}]},
        {"name": "D"},
        "odd",
    ]
    (found,) = read_ab_tests({"abTests": [{"id": 7, "name": "T", "active": False, "variants": variants}]})
    assert (found.id, found.name, found.is_running) == (7, "T", False)
    assert found.variables == {"a.b": (ValueInTest("B", "x"), ValueInTest("C", "y"))}


@pytest.mark.parametrize(
    ("fields", "is_running"),
    [
        ({"active": True}, True),
        ({"active": False, "state": "active"}, True),
        ({"active": False, "state": "finished"}, False),
        ({"active": False}, False),
        ({}, True),
    ],
)
def test_a_test_runs_unless_it_says_that_it_does_not(fields: dict[str, Any], *, is_running: bool) -> None:
    (found,) = read_ab_tests({"abTests": [fields]})
    assert found.is_running is is_running


@pytest.mark.parametrize(
    ("of_variant", "value", "is_same"),
    [
        ("3", 3, True),
        ("3", "3", True),
        ("true", True, True),
        ("[1, 2]", [1, 2], True),
        ("3", 4, False),
        (3, 3.0, True),
    ],
)
def test_the_text_of_a_variant_stands_for_the_value_that_it_spells(
    of_variant: Any, value: Any, *, is_same: bool
) -> None:
    assert ValueInTest("B", of_variant).is_the_same_as(value) is is_same


@pytest.mark.parametrize("element", [{}, {"abTests": {}}, {"abTests": ["x"]}])
def test_a_response_without_tests_is_unexpected(element: Any) -> None:
    with pytest.raises(UnexpectedResponseError):
        read_ab_tests(element)
