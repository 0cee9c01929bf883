"""Of what the API says about a user whom it does not return, only sentences that quote nothing are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.wire.known_words import WITHHELD, known_words


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("Unavailable For Legal Reasons", "Unavailable For Legal Reasons"),
        ("User not found; request skipped.", "User not found"),
        ("Invalid access key", "Invalid access key"),
        ("INVALID ACCESS KEY of ada@example.com", "INVALID ACCESS KEY"),
        ("Per device rate limit exceeded.", "Per device rate limit exceeded"),
        ("Internal Server Error", "Internal Server Error"),
        ("The API gave no reason.", "The API gave no reason"),
        ("Can't show ada@example.com.", WITHHELD),
        ("ada@example.com: user not found", WITHHELD),
        ("", WITHHELD),
    ],
)
def test_only_known_sentences_are_shown(words: str, shown: str) -> None:
    assert known_words(words) == shown


@given(st.sampled_from(["", "User not found", "Bad Request: ", "ada "]), st.text())
def test_nothing_after_a_known_sentence_is_shown(known: str, rest: str) -> None:
    shown = known_words(known + "\0" + rest)
    assert "\0" not in shown
    assert shown == WITHHELD or known.startswith(shown)
