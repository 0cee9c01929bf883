"""Reads the body of a response, with limits on its size, on its expansion, and on time."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from leanplum_sync.bounds import ANSWER, EXPANDED_FREELY, EXPANSION

_CHUNK_BYTES: Final = 1 << 16
_ZLIB_OR_GZIP: Final = zlib.MAX_WBITS | 32


class UnreadableBodyError(Exception):
    """The body can't be read, or is over a limit; the text says why in a few words."""


class Raw(Protocol):
    def read(self, amt: int, *, decode_content: bool) -> bytes: ...


def read_body(raw: Raw, encoding: str) -> bytes:
    """
    Return the whole decoded body of *raw*, whose Content-Encoding is *encoding*, "" for none.

    Raises:
        UnreadableBodyError: the body is larger than ``ANSWER``, expands more than ``EXPANSION``, or is not encoded as
            it claims.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return _joined(_received(raw), None)
        case "gzip" | "x-gzip" | "deflate":
            return _joined(_received(raw), _Expander())
        case _:
            raise UnreadableBodyError("the response has an encoding that was not requested")


def _received(raw: Raw) -> Iterator[bytes]:
    while chunk := raw.read(_CHUNK_BYTES, decode_content=False):
        yield chunk


def _joined(chunks: Iterator[bytes], expander: _Expander | None) -> bytes:
    received, expanded, parts = 0, 0, []
    for chunk in chunks:
        received += len(chunk)
        for part in (chunk,) if expander is None else expander.expand(chunk):
            expanded += len(part)
            if expanded > ANSWER.most:
                raise UnreadableBodyError(f"the response is larger than {ANSWER.most // 1_000_000} MB")
            if expanded > max(EXPANDED_FREELY.most, received * EXPANSION.most):
                raise UnreadableBodyError(f"the response expands to more than {EXPANSION}")
            parts.append(part)
    if expander is not None and received and not expander.is_complete:
        raise UnreadableBodyError("the response ends in the middle of its compressed data")
    return b"".join(parts)


class _Expander:
    """Decompresses gzip, of any number of members, or zlib, a bounded piece at a time."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_ZLIB_OR_GZIP)

    @property
    def is_complete(self) -> bool:
        return self._stream.eof

    def expand(self, compressed: bytes) -> Iterator[bytes]:
        while compressed:
            if self._stream.eof:
                self._stream = zlib.decompressobj(_ZLIB_OR_GZIP)
            try:
                yield self._stream.decompress(compressed, _CHUNK_BYTES)
            except zlib.error:
                raise UnreadableBodyError("the response is not compressed as its header says") from None
            compressed = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail


class TimedSocket:
    """
    A socket with a deadline for the whole response.

    The timeout of a plain socket applies to each read, so a response of one byte a second never times out. *seconds_left* gives the timeout of the next
    read, and raises TimeoutError when there is none.
    """

    def __init__(self, sock: Any, seconds_left: Callable[[], float]) -> None:
        self._sock, self._seconds_left = sock, seconds_left

    @property
    def bare(self) -> Any:
        return self._sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """Return what http.client reads the response from."""
        # The raw file counts as a user of the socket, so that closing the connection leaves it open.
        return io.BufferedReader(
            _TimedFile(self._sock, self._sock.makefile("rb", buffering=0), self._seconds_left)
        )


class _TimedFile(io.RawIOBase):
    def __init__(self, sock: Any, raw: io.RawIOBase, seconds_left: Callable[[], float]) -> None:
        self._sock, self._raw, self._seconds_left = sock, raw, seconds_left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._seconds_left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
