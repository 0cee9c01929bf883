"""Removes keys from what a server or a proxy sends back, also if it repeats them in another encoding."""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from functools import lru_cache
from typing import Final

HIDDEN: Final = b"***"
# An ASCII character as JSON, URLs and HTML may escape it. Backslashes are doubled if JSON is embedded in JSON.
_ESCAPE: Final = re.compile(
    rb"\\+u00([0-7][0-9a-f])|%([0-7][0-9a-f])|&#x0*([0-7]?[0-9a-f]);|&#0*([0-9]{1,3});", re.IGNORECASE
)


def without(content: bytes, key: str) -> bytes:
    """Return *content* with ``***`` in place of *key*: as it is, in hexadecimal or base64, or with escapes of any kind in it."""
    for form in _whole_forms(key):
        content = content.replace(form, HIDDEN)
    if (b"\\" in content or b"%" in content or b"&#" in content) and key.encode() in _ESCAPE.sub(
        _character, content
    ):
        content = _escaped_form(key).sub(HIDDEN, content)
    return content


def _character(escape: re.Match[bytes]) -> bytes:
    *in_hexadecimal, decimal = escape.groups()
    number = int(decimal) if decimal else int(next(filter(None, in_hexadecimal)), 16)
    return bytes([number]) if number < 128 else escape[0]  # noqa: PLR2004 (ASCII)


@lru_cache(maxsize=64)
def _whole_forms(key: str) -> tuple[bytes, ...]:
    plain = key.encode()
    return tuple(
        {plain: None, plain.hex().encode(): None, plain.hex().upper().encode(): None} | _in_base64(plain)
    )


def _in_base64(plain: bytes) -> dict[bytes, None]:
    """Return the base64 forms of *plain* inside a longer text, without the characters at the ends that its neighbors affect."""
    forms: dict[bytes, None] = {}
    for before in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            encoded = encode(bytes(before) + plain).rstrip(b"=")
            first = -(-before * 8 // 6)
            last = (before + len(plain)) * 8 // 6
            forms[encoded[first:last]] = None
    return forms


@lru_cache(maxsize=64)
def _escaped_form(key: str) -> re.Pattern[bytes]:
    def character(code: int) -> bytes:
        digits = b"%02x" % code
        escapes = rb"\\+u00%b|%%%b|&#x0*%b;|&#0*%d;" % (digits, digits, digits, code)
        return rb"(?:%b|(?i:%b))" % (re.escape(bytes([code])), escapes)

    return re.compile(b"".join(map(character, key.encode())))
