from __future__ import annotations

from leanplum_sync.address import ResourceAddress
from leanplum_sync.planner.subject import waves

A, B, C, ELSEWHERE = (ResourceAddress("UserAttributes", name) for name in ("a", "b", "c", "elsewhere"))


def test_a_resource_comes_after_all_it_depends_on() -> None:
    assert waves({A: [B, C], B: [C], C: []}) == {C: 0, B: 1, A: 2}


def test_what_was_left_out_holds_nothing_up() -> None:
    assert waves({A: [ELSEWHERE]}) == {A: 0}
