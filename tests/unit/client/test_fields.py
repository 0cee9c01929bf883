"""Odd fields of answers are None or empty, never an error."""

from __future__ import annotations

from typing import Any

import pytest

from leanplum_sync.client.api import fields


@pytest.mark.claim("typed-reading")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (4500000000000001, 4500000000000001),
        (-(2**63), -(2**63)),
        (4.5e15, 4500000000000000),
        ("4500000000000001", 4500000000000001),
        ("-7", -7),
        (1.5, None),
        (True, None),
        ("x", None),
        ("--7", None),
        ("-", None),
        (None, None),
        ([1], None),
    ],
)
def test_whole_numbers_are_read_exactly(value: Any, expected: int | None) -> None:
    assert fields.integer({"n": value}, "n") == expected


@pytest.mark.claim("typed-reading")
def test_what_is_not_of_its_type_is_left_out() -> None:
    odd = {"text": 1, "number": True, "mapping": [], "texts": ["a", 1], "each": [{}, 1], "flag": "true"}
    assert fields.text(odd, "text") == ""
    assert fields.number(odd, "number") is None
    assert fields.mapping(odd, "mapping") == {}
    assert fields.texts(odd, "texts") == ("a",)
    assert fields.each(odd, "each", dict) == ({},)
    assert fields.each(odd, "text", dict) == ()
    assert fields.flag(odd, "flag") is False
