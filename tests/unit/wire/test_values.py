"""Sameness follows the table at the top of wire/values.py, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.wire.values import same

SCALARS = st.one_of(st.booleans(), st.integers(-9, 9), st.floats(allow_nan=False), st.text(max_size=3))


@pytest.mark.claim("typed-reading")
@pytest.mark.parametrize(
    ("desired", "observed"),
    [
        (True, "True"),
        (False, "False"),
        ("True", "true"),
        (3, 3.0),
        (1_500_000_000, 1.5e9),
        (["b", "a"], ["a", "b"]),
        (["a", "a"], ["a"]),
        ([True, 1], ["True", 1.0]),
        ([], None),
        ("2010-01-01", "2010-01-01"),
    ],
)
def test_what_the_api_can_not_tell_apart_is_the_same(desired: Any, observed: Any) -> None:
    assert same(desired, observed)


@pytest.mark.parametrize(
    ("desired", "observed"),
    [
        (35, "35"),
        ("00004", "4"),
        ("Gold", "gold"),
        (True, 1),
        (1, True),
        (["a"], "a"),
        (["a"], ["a", "b"]),
        ("", None),
        (0, None),
        (False, None),
        (10**400, 1),
    ],
)
def test_what_the_api_tells_apart_is_not_the_same(desired: Any, observed: Any) -> None:
    assert not same(desired, observed)


@given(st.lists(SCALARS))
def test_the_order_of_a_list_means_nothing(items: list[Any]) -> None:
    assert same(items, items[::-1])
