"""Values of things of the app are the same only if nobody can tell them apart, but for the spelling of a number."""

from __future__ import annotations

from typing import Any

import pytest

from leanplum_sync.wire.exact import exact_form, same_exactly


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (3, 3.0, True),
        ({"a": [1, 2]}, {"a": [1.0, 2]}, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        (True, "True", False),
        (True, 1, False),
        ("3", 3, False),
        ([1, 2], [2, 1], False),
        ([1], [1, 1], False),
        ([], None, False),
        ("", None, False),
        (None, None, True),
        (0.5, 0.50001, False),
    ],
)
def test_values_are_compared_exactly(one: Any, other: Any, *, is_same: bool) -> None:
    assert same_exactly(one, other) is is_same
    assert (exact_form(one) == exact_form(other)) is is_same
