"""Sentences of the API are kept as they are, or sealed where there is a key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.encryption import KEY_VARIABLE, SealingKeys, new_key
from leanplum_sync.errors import CredentialError, JournalCorruptError
from leanplum_sync.journal.texts import Texts

OLD, NEW = new_key(), new_key()
SENTENCE = "email ada@example.com is no email"


def texts(*keys: str) -> Texts:
    return Texts("The journal it.db", SealingKeys.from_environment({KEY_VARIABLE: ",".join(keys)}))


WITHOUT, WITH = texts(), texts(OLD)


@given(st.text(), st.sampled_from([WITHOUT, WITH]))
def test_a_text_comes_back_and_never_with_a_character_that_postgresql_refuses(
    text: str, kept_by: Texts
) -> None:
    kept = kept_by.seal(text, "message", 1, 2)
    assert "\0" not in kept
    assert kept_by.open(kept, "message", 1, 2) == text.replace("\0", "\ufffd")


def test_with_a_key_no_word_of_it_can_be_read() -> None:
    assert "ada" not in WITH.seal(SENTENCE, "message", 1, 2)
    assert WITHOUT.seal(SENTENCE, "message", 1, 2) == SENTENCE


def test_what_was_written_before_there_was_a_key_is_read() -> None:
    assert WITH.open(SENTENCE, "message", 1, 2) == SENTENCE


def test_a_sentence_that_looks_sealed_is_not_taken_for_it() -> None:
    lookalike = WITH.seal(SENTENCE, "message", 1, 2)
    assert WITHOUT.open(WITHOUT.seal(lookalike, "message", 1, 2), "message", 1, 2).strip() == lookalike


def test_the_first_key_seals_and_each_opens() -> None:
    kept, both = WITH.seal(SENTENCE, "message", 1, 2), texts(NEW, OLD)
    assert both.open(kept, "message", 1, 2) == SENTENCE
    assert texts(NEW).open(both.seal(SENTENCE, "message", 1, 2), "message", 1, 2) == SENTENCE


@pytest.mark.parametrize("held", [(), (NEW,)])
def test_a_missing_key_is_told_in_one_sentence(held: tuple[str, ...]) -> None:
    with pytest.raises(CredentialError, match=r"The journal it\.db: a value in it is encrypted with the key"):
        texts(*held).open(WITH.seal(SENTENCE, "message", 1, 2), "message", 1, 2)


def test_a_text_moved_to_another_row_is_noticed() -> None:
    with pytest.raises(
        JournalCorruptError, match="a value recorded for run 1 was changed after it was written"
    ):
        WITH.open(WITH.seal(SENTENCE, "message", 1, 2), "message", 1, 3)


def test_digests_of_bodies_are_keyed_and_no_digest_stays_none() -> None:
    assert len({WITHOUT.stamp("00"), WITH.stamp("00"), texts(NEW).stamp("00")}) == 3
    assert WITH.stamp("") == ""
