"""Values of users are other people's text: whatever they hold, one calm line comes out, and no secret."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from leanplum_sync.render.values import Mask, Masked, cut, escaped, shown, subject_words
from leanplum_sync.wire.action import Json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_no_value_can_move_a_cursor_turn_a_line_or_hide(value: Json) -> None:
    categories = {unicodedata.category(character) for character in shown(value, 1000)}
    assert not categories & {"Cc", "Cf", "Zl", "Zp", "Cs"}


@given(json_values, st.integers(2, 60))
def test_a_value_takes_no_more_room_than_it_is_given(value: Json, cells: int) -> None:
    assert cell_len(shown(value, cells)) <= cells


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb", r"a\nb"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("abc\u202edcb", r"abc\u202edcb"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("Zoë, 北京", "Zoë, 北京"),
    ],
)
def test_what_is_invisible_is_written_out(text: str, expected: str) -> None:
    assert escaped(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("gold", "gold"),
        ("3", '"3"'),
        (3, "3"),
        (3.0, "3"),
        (2.5, "2.5"),
        ("True", '"True"'),
        (True, "true"),
        (None, "(none)"),
        ("(none)", '"(none)"'),
        ("", '""'),
        (" padded", '" padded"'),
        (["a", "3", 3], '[a, "3", 3]'),
        ({"first_name": "Ada"}, "first_name: Ada"),
    ],
)
def test_text_is_quoted_only_where_it_could_be_taken_for_something_else(value: Json, expected: str) -> None:
    assert shown(value) == expected


def test_long_and_wide_text_is_cut_by_the_room_it_takes() -> None:
    assert cut("北京北京", 5) == "北京…"


@given(json_values.filter(lambda value: value is not None))
def test_a_sensitive_value_shows_a_fingerprint_and_nothing_of_itself(value: Json) -> None:
    masked = Mask(frozenset({"email"}), b"key").value("email", value)
    assert isinstance(masked, Masked)
    assert shown(masked).startswith("(sensitive ")


def test_a_fingerprint_is_the_same_for_the_same_value_and_key_only() -> None:
    one, other = Mask(frozenset({"email"}), b"one"), Mask(frozenset({"email"}), b"other")
    assert one.value("email", "a@example.com") == one.value("email", "a@example.com")
    assert one.value("email", "a@example.com") != one.value("email", "b@example.com")
    assert one.value("email", "a@example.com") != other.value("email", "a@example.com")


def test_a_sensitive_value_without_room_for_its_fingerprint_still_says_so() -> None:
    assert shown(Masked("ab12"), 12) == "(sensitive)"


@pytest.mark.parametrize(
    "field", ["iosPushToken", "device-1/iosPushToken", "gcmRegistrationId", "webPushSubscription"]
)
def test_push_tokens_are_always_sensitive(field: str) -> None:
    assert Mask(frozenset(), b"key").covers(field)


def test_sensitive_names_are_masked_inside_other_values_too() -> None:
    masked = Mask(frozenset({"email"}), b"key").value(
        "Order delay", {"email": "a@example.com", "order": [{"email": 1}]}
    )
    assert isinstance(masked["email"], Masked)
    assert isinstance(masked["order"][0]["email"], Masked)


def test_that_there_is_no_value_is_no_secret() -> None:
    assert Mask(frozenset({"email"}), b"key").value("email", None) is None


def test_users_are_named_by_their_id_and_devices_by_what_explain_takes() -> None:
    assert [subject_words("user:00004"), subject_words("device:D1")] == ["00004", "device:D1"]


def test_no_value_is_a_command_for_the_runner_that_shows_it() -> None:
    assert escaped("::add-mask::x ::stop ##[error]y a::b") == r"\::add-mask::x \::stop \##[error]y a::b"
    assert escaped(escaped("::x")) == escaped("::x")
