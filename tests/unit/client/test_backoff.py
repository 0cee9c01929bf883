"""The published schedule."""

from __future__ import annotations

import random

import pytest

from leanplum_sync.client.backoff import delays_seconds


class _Edge:
    def __init__(self, edge: float) -> None:
        self._edge = edge

    def uniform(self, a: float, b: float, /) -> float:
        return a if self._edge < 0 else b


@pytest.mark.claim("retries")
def test_waits_are_2_4_and_8_seconds_give_or_take_half() -> None:
    assert list(delays_seconds(_Edge(-1))) == [1, 2, 4]
    assert list(delays_seconds(_Edge(+1))) == [3, 6, 12]
    assert len(set(delays_seconds(random.Random(1), retries=9))) == 9
