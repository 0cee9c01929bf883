"""How values are written, stored and merged."""

from __future__ import annotations

import pytest

from leanplum_sync.emulator.arguments import unpacked
from leanplum_sync.emulator.csv_rows import rows
from leanplum_sync.emulator.errors import RefusedError
from leanplum_sync.emulator.profile import is_allowed
from leanplum_sync.emulator.values import java_double


@pytest.mark.claim("java-doubles")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (3.0, "3.0"),
        (0.001, "0.001"),
        (0.0009, "9.0E-4"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (1505372950.0, "1.50537295E9"),
        (1439353028.87, "1.43935302887E9"),
        (-1.5e9, "-1.5E9"),
        (1e-5, "1.0E-5"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
        (5e-324, "5.0E-324"),
        (123456789012345680.0, "1.2345678901234568E17"),
    ],
)
def test_doubles_are_written_as_java_does(value: float, text: str) -> None:
    assert java_double(value) == text


@pytest.mark.claim("lenient-lists")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[a, b c, 3]", ["a", "b c", 3]),
        ("[]", []),
        ("[[a], {b: c}]", [["a"], {"b": "c"}]),
        ("{'Interests': ['Technology','Music']}", {"Interests": ["Technology", "Music"]}),
        ('{"a": 1}', {"a": 1}),
        ("{a: true, b: null}", {"a": True, "b": None}),
        ("[a", "[a"),
        ("[a] b", "[a] b"),
        ("{a}", "{a}"),
        ("plain", "plain"),
        ("00123", "00123"),
    ],
)
def test_bare_words_are_read_where_json_is_due(text: str, value: object) -> None:
    assert unpacked(text, lenient=True) == value


def test_bare_words_stay_text_where_the_switch_says_so() -> None:
    assert unpacked("[a, b]", lenient=False) == "[a, b]"


@pytest.mark.parametrize("name", ["a", "FxA account is verified", "x" * 139, "a.b", "1a"])
def test_these_names_are_allowed(name: str) -> None:
    assert is_allowed(name)


@pytest.mark.parametrize(
    "name", ["", "x" * 140, ".a", "-a", "a/", "a,b", "a|b", 'a"b', "a{b", "a\tb", "12", "1e5"]
)
def test_these_names_are_not(name: str) -> None:
    assert not is_allowed(name)


def test_csv_cells_become_arguments() -> None:
    header = "userId,userAttributes.n,userAttributes.zip,userAttributes.vip,events.a.b.count,unsubscribeChannelsToAdd\n"
    (row,) = rows(header + "007,25,00123,TRUE,3,[Email]\n", "setUserAttributes")
    assert row == {
        "action": "setUserAttributes",
        "userId": "007",
        "userAttributes": {"n": 25, "zip": "00123", "vip": True},
        "events": {"a.b": {"count": "3"}},
        "unsubscribeChannelsToAdd": ["Email"],
    }


def test_a_column_can_not_be_both_a_value_and_a_group() -> None:
    with pytest.raises(RefusedError, match="both a column 'params'"):
        list(rows("params,params.a\n1,2\n", "track"))
