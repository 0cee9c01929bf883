"""Rows that hold every pair of values of two options, and few of them."""

from __future__ import annotations

import dataclasses

import doubts
import pytest
from covering import covering, missing_pairs
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.emulator import Switches

_OPTIONS = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=2),
    st.integers(1, 4).map(lambda size: list(range(size))),
    min_size=1,
    max_size=7,
)


@given(_OPTIONS, st.integers(0, 3))
def test_every_pair_is_in_a_row_and_every_row_has_every_option(
    options: dict[str, list[int]], seed: int
) -> None:
    rows = covering(options, seed=seed)
    assert missing_pairs(options, rows) == []
    assert all(row.keys() == options.keys() for row in rows)
    assert all(row[name] in values for row in rows for name, values in options.items())
    assert rows == covering(options, seed=seed)


@pytest.mark.parametrize(("count", "values", "most"), [(4, 3, 15), (10, 2, 10), (40, 2, 14), (13, 3, 24)])
def test_the_rows_are_few(count: int, values: int, most: int) -> None:
    """No fewer than the square of the values is possible; all combinations would be up to 10^12."""
    options = {f"option {number}": list(range(values)) for number in range(count)}
    assert values**2 <= len(covering(options)) <= most


def test_a_pair_that_no_row_has_is_found() -> None:
    options = {"a": [1, 2], "b": [1, 2]}
    assert missing_pairs(options, [{"a": 1, "b": 1}, {"a": 2, "b": 2}, {"a": 1, "b": 2}]) == [
        (("a", 2), ("b", 1))
    ]


def test_an_option_without_values_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        covering({"a": [1], "b": []})


def test_the_rows_of_doubts_hold_every_pair_of_all_switches() -> None:
    options = doubts.options()
    assert options.keys() == {field.name for field in dataclasses.fields(Switches)}
    assert all(getattr(Switches(), name) in values and len(values) > 1 for name, values in options.items())
    assert missing_pairs(options, doubts.rows()) == []
    assert len(doubts.rows()) <= 30
