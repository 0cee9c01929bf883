"""Of two nested values, only what differs is shown."""

from __future__ import annotations

from typing import Any

import pytest

from leanplum_sync.render.deep_diff import deep_words
from leanplum_sync.render.values import Masked


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ([{"sku": "a", "price": 3}], [{"sku": "a", "price": 4}], "[0].price: 3 → 4"),
        ([1, 2], [1, 2, 3], "+ [2]: 3"),
        ([1, 2], [1], "- [1]: 2"),
        ([1], [1.0], ""),
        ([1], ["1"], '[0]: 1 → "1"'),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": True}}, "+ a.c: true"),
        ([Masked("aaaa")], [Masked("bbbb")], "[0]: (sensitive aaaa…) → (sensitive bbbb…)"),
        ("x", "y", ""),
        ([1], {"a": 1}, ""),
        (None, [1], ""),
    ],
)
def test_only_what_differs_is_shown(before: Any, after: Any, words: str) -> None:
    assert deep_words(before, after, 80).replace('"(', "(").replace(')"', ")") == words


def test_it_is_cut_and_safe_to_show() -> None:
    assert len(deep_words([0] * 50, [1] * 50, 30)) == 30
    assert "\x1b" not in deep_words([{"a\x1b": "\x1b[2J"}], [{"a\x1b": 1}], 80)
