"""Numbers keep the text that a file spells them with, and nothing is rounded."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.wire.number import DuplicateKeyError, Number, dumps_exact, exact_number, loads_exact

NUMBERS = st.integers(-(10**60), 10**60).map(str) | st.decimals(
    allow_nan=False, allow_infinity=False, places=4
).map(str)


@given(NUMBERS | st.floats(allow_nan=False, allow_infinity=False).map(repr))
def test_a_number_is_kept_exactly_or_not_at_all(text: str) -> None:
    number = exact_number(text)
    assert number is None or Decimal(repr(number)) == Decimal(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_is_kept(number: float) -> None:
    assert exact_number(repr(number)) == number


@pytest.mark.parametrize("text", ["0.1", "12.50", "1e5", "9007199254740992", "-7", "+7", ".5", "5."])
def test_what_a_double_holds_is_kept(text: str) -> None:
    assert exact_number(text) == float(text)


@pytest.mark.parametrize(
    "text",
    ["9007199254740993", "0.1000000000000000055", "1e400", "1e-400", "1e-99999999999999999999", "9" * 5_000],
)
def test_what_a_double_would_change_is_not_a_number_for_the_api(text: str) -> None:
    assert exact_number(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": 1, "b": [2, "x"]}', {"a": 1, "b": [2, "x"]}),
        (b'{"a": 12.50}', {"a": Number("12.50")}),
        (b'{"a": [89012345678901234567]}', {"a": [Number("89012345678901234567")]}),
        (b'{"a": {"b": -0}}', {"a": {"b": Number("-0")}}),
        (b'[1e5, {"a": "1e5"}]', [Number("1e5"), {"a": "1e5"}]),
    ],
)
def test_json_keeps_what_a_number_is_spelled_like(text: bytes, value: Any) -> None:
    assert loads_exact(text) == value


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.text(st.characters(exclude_categories=["Cs"]))
        | st.integers(0, 99)
        | NUMBERS.map(Number),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    )
)
def test_cells_come_back_from_json_as_they_were(value: Any) -> None:
    written = dumps_exact(value)
    assert json.loads(written, parse_float=Decimal) == json.loads(
        dumps_exact(loads_exact(written)), parse_float=Decimal
    )
    assert dumps_exact(loads_exact(written)) == written


@pytest.mark.parametrize(
    "text",
    [
        b'{"id": "u1", "v": "a", "v": "b"}',
        b'{"v" : 1, "v": 1}',
        b'{"a": {"v": 1, "v": 2}}',
        b'[{"v": 1, "v": 2}]',
    ],
)
def test_a_key_that_is_there_twice_is_an_error(text: bytes) -> None:
    with pytest.raises(DuplicateKeyError) as caught:
        loads_exact(text)
    assert caught.value.key == "v"


@pytest.mark.parametrize("text", [b"", b"{", b'{"a": NaN}', b'{"a": 1.5, "b": NaN}'])
def test_what_is_not_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        loads_exact(text)
