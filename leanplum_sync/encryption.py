"""
Encrypts values at rest with the key in ``LEANPLUM_SYNC_PLAN_KEY``.

The cipher is AES-256-GCM. Each plan has its own key: HKDF-SHA256 of the user's key and the plan's random
salt. All journals of a user's key share one. Nonces are random and have 96 bits: for up to 2**32 values
under one key, a repeat is less likely than 2**-32 (source: NIST SP 800-38D, 8.3). A value is bound to its
place: moved to another row, it can't be decrypted.

Without a key, ``PLAIN`` stores values as they are.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from leanplum_sync.errors import CredentialError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_VARIABLE: Final = "LEANPLUM_SYNC_PLAN_KEY"
CIPHER: Final = "AES-256-GCM"
KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_ID_BYTES: Final = 4
_FORM: Final = f"{KEY_BYTES} random bytes in base64, as printed by `leanplum-sync key`"


class Codec(Protocol):
    """
    How the values of one file are stored.

    *place* identifies the row and column of a value; decrypting needs the same.
    """

    @property
    def key_id(self) -> str:
        """Identifies the key without revealing it; empty if nothing is encrypted."""

    def seal(self, text: str, *place: str) -> str | bytes: ...

    def open(self, kept: str | bytes, *place: str) -> str:
        """
        Raises:
            ValueError: it was not encrypted with this key and for this place.
        """

    def stamp(self, digest: str) -> str:
        """
        Return a keyed digest, so that nobody without the key can test a guess of the input.

        The same for every salt.
        """


class Plain:
    key_id = ""

    def seal(self, text: str, *_place: str) -> str:
        return text

    def open(self, kept: str | bytes, *_place: str) -> str:
        if isinstance(kept, bytes):
            raise ValueError("the value is encrypted")  # noqa: TRY004 - what a damaged file raises
        return kept

    def stamp(self, digest: str) -> str:
        return digest


PLAIN: Final = Plain()


class Sealed:
    def __init__(self, key: bytes, salt: bytes, purpose: str) -> None:
        self.key_id = _id_of(key)
        self._cipher, self._not_authentic = _cipher(_derived(key, salt, purpose))
        self._stamp_key = _derived(key, b"", "digest")

    def seal(self, text: str, *place: str) -> bytes:
        return self.seal_bytes(text.encode(), *place)

    def open(self, kept: str | bytes, *place: str) -> str:
        if isinstance(kept, str):
            raise ValueError("the value is not encrypted")  # noqa: TRY004 - what a damaged file raises
        return self.open_bytes(kept, *place).decode()

    def seal_bytes(self, data: bytes, *place: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, _joined(place))

    def open_bytes(self, kept: bytes, *place: str) -> bytes:
        """
        Raises:
            ValueError: as for ``open``.
        """
        try:
            return self._cipher.decrypt(kept[:_NONCE_BYTES], kept[_NONCE_BYTES:], _joined(place))
        except (self._not_authentic, ValueError) as error:
            raise ValueError("the value can't be decrypted") from error

    def stamp(self, digest: str) -> str:
        return hmac.digest(self._stamp_key, digest.encode(), hashlib.sha256).hex()


@dataclass(frozen=True, slots=True, repr=False)
class SealingKeys:
    """
    The first key encrypts, every key decrypts, so that keys can be rotated.

    Without any key, nothing is encrypted.
    """

    keys: tuple[bytes, ...] = ()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> SealingKeys:
        """
        Read ``LEANPLUM_SYNC_PLAN_KEY``: one key, or several with commas between them.

        Raises:
            CredentialError: the variable contains something else.
        """
        return cls(tuple(map(_decoded, environ.get(KEY_VARIABLE, "").replace(",", " ").split())))

    def to_seal(self, salt: bytes, purpose: str) -> Codec:
        return Sealed(self.keys[0], salt, purpose) if self.keys else PLAIN

    def sealed(self, salt: bytes, purpose: str) -> Sealed:
        """As ``to_seal``, for what is never stored unencrypted: there must be a key."""
        return Sealed(self.keys[0], salt, purpose)

    def ids(self) -> tuple[str, ...]:
        return tuple(map(_id_of, self.keys))

    def to_open(self, key_id: str, salt: bytes, purpose: str, what: str) -> Codec:
        """
        Return the codec for values that were encrypted or signed with the key *key_id*, which is empty if they were not.

        Raises:
            CredentialError: that key is not among these; the sentence begins with *what*, such as ``a.lpplan is encrypted``.
        """
        return self.sealed_with(key_id, salt, purpose, what) if key_id else PLAIN

    def sealed_with(self, key_id: str, salt: bytes, purpose: str, what: str) -> Sealed:
        """
        Raises:
            CredentialError: as for ``to_open``.
        """
        for key in self.keys:
            if _id_of(key) == key_id:
                return Sealed(key, salt, purpose)
        held = ", ".join(self.ids())
        here = f"holds {held}" if held else "is not set"
        raise CredentialError(
            f"{what} with the key {key_id}, but {KEY_VARIABLE} {here}. Set it to that key, or append that key to the current one, separated by a comma."
        )


def new_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def _decoded(text: str) -> bytes:
    try:
        key = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        # The text may be a mistyped key, so it is not shown.
        raise CredentialError(f"{KEY_VARIABLE} does not contain a valid key: it must be {_FORM}.")
    return key


def _id_of(key: bytes) -> str:
    return _derived(key, b"", "key id")[:_ID_BYTES].hex()


def _derived(key: bytes, salt: bytes, purpose: str) -> bytes:
    """Return one block of HKDF-SHA256, which is long enough. Source: RFC 5869, 2.2 and 2.3."""
    extracted = hmac.digest(salt or bytes(32), key, hashlib.sha256)
    return hmac.digest(extracted, f"leanplum-sync {purpose}".encode() + b"\x01", hashlib.sha256)


def _joined(place: tuple[str, ...]) -> bytes:
    return "\0".join(place).encode()


def _cipher(key: bytes) -> tuple[AESGCM, type[Exception]]:
    try:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise CredentialError(
            f"{KEY_VARIABLE} is set, but encryption needs one more package: pip install 'leanplum-sync[encryption]'."
        ) from error
    return AESGCM(key), InvalidTag
