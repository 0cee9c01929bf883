"""What is sealed opens with its key in its place, and nowhere else."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.encryption import KEY_VARIABLE, PLAIN, SealingKeys, _derived, new_key
from leanplum_sync.errors import CredentialError

SALT = bytes(16)
OLD, NEW = new_key(), new_key()


def keys(*texts: str) -> SealingKeys:
    return SealingKeys.from_environment({KEY_VARIABLE: ",".join(texts)})


@given(st.text(), st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"))))
def test_a_value_opens_in_its_place(text: str, place: list[str]) -> None:
    codec = keys(OLD).to_seal(SALT, "plan")
    sealed = codec.seal(text, *place)
    assert codec.open(sealed, *place) == text
    with pytest.raises(ValueError, match="can't be decrypted"):
        codec.open(sealed, *place, "another")


@pytest.mark.parametrize(
    "other",
    [
        keys(NEW).to_seal(SALT, "plan"),
        keys(OLD).to_seal(bytes(15) + b"1", "plan"),
        keys(OLD).to_seal(SALT, "journal"),
    ],
    ids=["key", "salt", "purpose"],
)
def test_another_key_salt_or_purpose_does_not_open_it(other: object) -> None:
    sealed = keys(OLD).to_seal(SALT, "plan").seal("gold")
    with pytest.raises(ValueError, match="can't be decrypted"):
        other.open(sealed)


def test_any_changed_byte_is_noticed() -> None:
    codec = keys(OLD).to_seal(SALT, "plan")
    sealed = codec.seal("gold", "here")
    assert isinstance(sealed, bytes)
    for index in range(len(sealed)):
        damaged = sealed[:index] + bytes([sealed[index] ^ 1]) + sealed[index + 1 :]
        with pytest.raises(ValueError, match="can't be decrypted"):
            codec.open(damaged, "here")


def test_equal_values_are_sealed_differently() -> None:
    codec = keys(OLD).to_seal(SALT, "plan")
    assert len({codec.seal("gold") for _ in range(100)}) == 100


def test_without_a_key_values_stay_as_they_are() -> None:
    codec = keys().to_seal(SALT, "plan")
    assert codec is PLAIN
    assert (codec.seal("gold", "here"), codec.open("gold", "here"), codec.stamp("00")) == (
        "gold",
        "gold",
        "00",
    )


@pytest.mark.parametrize(("kept", "with_key"), [(b"sealed", False), ("not sealed", True)])
def test_what_was_kept_another_way_is_noticed(kept: str | bytes, with_key: bool) -> None:
    codec = keys(*[OLD] * with_key).to_seal(SALT, "plan")
    with pytest.raises(ValueError, match="encrypted"):
        codec.open(kept)


def test_the_first_key_seals_and_each_opens() -> None:
    old, both = keys(OLD).to_seal(SALT, "plan"), keys(NEW, OLD)
    assert both.to_open(old.key_id, SALT, "plan", "it").open(old.seal("gold")) == "gold"
    assert both.to_seal(SALT, "plan").key_id == keys(NEW).to_seal(SALT, "plan").key_id != old.key_id


@pytest.mark.parametrize("held", [(), (NEW,)])
def test_a_missing_key_is_named_by_its_id_and_not_shown(held: tuple[str, ...]) -> None:
    needed = keys(OLD).to_seal(SALT, "plan").key_id
    with pytest.raises(CredentialError, match=f"a.lpplan is encrypted with the key {needed}") as caught:
        keys(*held).to_open(needed, SALT, "plan", "a.lpplan is encrypted")
    assert OLD not in str(caught.value)
    assert NEW not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["password", base64.b64encode(bytes(31)).decode(), f"{OLD}x", "ключ", f"{OLD},x"],
    ids=[
        "no base64",
        "too short",
        "one letter more",
        "not ASCII",
        "the second one",
    ],  # keys are new in each process
)
def test_what_is_no_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(CredentialError, match="leanplum-sync key") as caught:
        keys(text)
    assert text not in str(caught.value)


def test_both_alphabets_of_base64_name_the_same_key() -> None:
    raw = bytes(range(224, 256))
    ids = {
        keys(encode(raw).decode()).to_seal(SALT, "plan").key_id
        for encode in (base64.b64encode, base64.urlsafe_b64encode)
    }
    assert len(ids) == 1


def test_a_key_is_not_shown_in_a_repr() -> None:
    assert OLD not in repr(keys(OLD))
    assert repr(base64.urlsafe_b64decode(OLD))[2:-1] not in repr(keys(OLD))


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=16), st.sampled_from(["plan", "journal"]))
def test_keys_are_derived_as_rfc_5869_says(key: bytes, salt: bytes, purpose: str) -> None:
    info = f"leanplum-sync {purpose}".encode()
    assert _derived(key, salt, purpose) == HKDF(hashes.SHA256(), 32, salt or None, info).derive(key)
