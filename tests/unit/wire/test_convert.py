"""Cells and observed values become what the spec asks for, or are refused without being shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.wire.convert import ConversionError, ValueType, convert, epoch_seconds
from leanplum_sync.wire.number import Number


@pytest.mark.parametrize(
    ("value", "to", "expected"),
    [
        ("00123", ValueType.TEXT, "00123"),
        (3.0, ValueType.TEXT, "3"),
        ("35", ValueType.INTEGER, 35),
        ("3.0", ValueType.INTEGER, 3),
        (3.0, ValueType.INTEGER, 3),
        ("100.50", ValueType.NUMBER, 100.5),
        ("1e3", ValueType.NUMBER, 1000.0),
        ("TRUE", ValueType.BOOLEAN, True),
        ("no", ValueType.BOOLEAN, False),
        (1.0, ValueType.BOOLEAN, True),
        ("2026-11-30", ValueType.DATE, "2026-11-30"),
        ("2016-11-18T23:12:00Z", ValueType.DATE, "2016-11-18T23:12:00Z"),
        ("[Jimmy, Sara, 3]", ValueType.LIST, ["Jimmy", "Sara", 3]),
        ('["a, b", true]', ValueType.LIST, ["a, b", True]),
        ("[]", ValueType.LIST, []),
        ("running", ValueType.LIST, ["running"]),
        (7, ValueType.LIST, [7]),
        ("[01234, 00501]", ValueType.LIST, ["01234", "00501"]),
        ("[12E4, 5]", ValueType.LIST, ["12E4", 5]),
        (
            "[1.50, 1.5, +49, -0, 1234567890123456789]",
            ValueType.LIST,
            ["1.50", 1.5, "+49", "-0", "1234567890123456789"],
        ),
        ("[O'Brien]", ValueType.LIST, ["O'Brien"]),
        (Number("12.50"), ValueType.TEXT, "12.50"),
        (Number("12.50"), ValueType.NUMBER, 12.5),
        (Number("12.00"), ValueType.INTEGER, 12),
        (Number("1.0"), ValueType.BOOLEAN, True),
        (Number("0.1"), ValueType.LIST, [0.1]),
        ([Number("1e3")], ValueType.LIST, [1000.0]),
        (Number("89012345678901234567"), ValueType.TEXT, "89012345678901234567"),
    ],
)
def test_a_value_becomes_the_type_asked_for(value: Any, to: ValueType, expected: Any) -> None:
    found = convert(value, to)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("value", "to"),
    [
        ("secret", ValueType.INTEGER),
        ("3.5", ValueType.INTEGER),
        ("9007199254740993", ValueType.INTEGER),
        ("9007199254740993", ValueType.NUMBER),
        ("9007199254740993.0", ValueType.INTEGER),
        ("0.1000000000000000055", ValueType.NUMBER),
        ("1e-400", ValueType.NUMBER),
        (2**53 + 1, ValueType.NUMBER),
        (Number("9007199254740993"), ValueType.NUMBER),
        (Number("89012345678901234567"), ValueType.LIST),
        (float("nan"), ValueType.TEXT),
        ("['a', 'b']", ValueType.LIST),
        ("['a' 'b']", ValueType.LIST),
        ("[a, None]", ValueType.LIST),
        ("a;b", ValueType.LIST),
        ("a|b", ValueType.LIST),
        ("a\nb", ValueType.LIST),
        (Number("2"), ValueType.BOOLEAN),
        (True, ValueType.INTEGER),
        ("9" * 5_000, ValueType.INTEGER),
        ("1" + "0" * 400, ValueType.NUMBER),
        (10**400, ValueType.INTEGER),
        (10**400, ValueType.NUMBER),
        (f"[{'9' * 5_000}]", ValueType.INTEGER),
        ("1,5", ValueType.NUMBER),
        ("nan", ValueType.NUMBER),
        ("1e999", ValueType.NUMBER),
        ("maybe", ValueType.BOOLEAN),
        ("30.11.2026", ValueType.DATE),
        ("2026-02-30", ValueType.DATE),
        ("20261130", ValueType.DATE),
        ("a, b", ValueType.LIST),
        ("[a, [b]]", ValueType.LIST),
        ("[a,,b]", ValueType.LIST),
        (["a", None], ValueType.LIST),
        ("[" * 5_000, ValueType.LIST),
        ("[NaN, 1e999]", ValueType.LIST),
        (10**400, ValueType.TEXT),
        ({"a": 1}, ValueType.TEXT),
        (None, ValueType.TEXT),
    ],
)
def test_what_is_no_such_value_is_refused(value: Any, to: ValueType) -> None:
    with pytest.raises(ConversionError) as error:
        convert(value, to)
    assert "secret" not in str(error.value)


@given(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.lists(st.text()),
        st.just({"a": 1}),
    ),
    st.sampled_from(ValueType),
)
def test_any_value_converts_to_what_converts_to_itself_or_is_refused(value: Any, to: ValueType) -> None:
    try:
        once = convert(value, to)
    except ConversionError:
        return
    assert convert(once, to) == once


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1970-01-02", 86_400.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("1970-01-01T00:00:10", 10.0),
        ("12.5", 12.5),
        (3, 3.0),
    ],
)
def test_moments_are_the_same_in_every_time_zone(value: Any, seconds: float) -> None:
    assert epoch_seconds(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        1764489600000,
        "1764489600000",
        1.7644896e18,
        "20261130",
        20261130,
        "45000",
        45000.5,
        Number("1764489600000"),
    ],
)
def test_a_moment_that_is_written_in_another_unit_is_refused(value: Any) -> None:
    with pytest.raises(ConversionError, match="seconds since 1970; it looks like"):
        epoch_seconds(value)


@pytest.mark.parametrize("value", ["soon", None, True, [], ""])
def test_what_names_no_moment_is_refused(value: Any) -> None:
    with pytest.raises(ConversionError):
        epoch_seconds(value)
