"""
The bytes under a snapshot: plain, gzip or zstd, read in pieces that a crash leaves whole or not at all.

A compressed snapshot is a row of members (gzip) or frames (zstd), each holding whole lines: that is how one is added
to, and how a file whose last piece is torn can be cut back to the pieces before it. A plain file's pieces are its
lines. Files made by other tools, as one long member, read just as well.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol, TypeAlias

_CHUNK_BYTES: Final = 1 << 18


class TornFileError(ValueError):
    """The compressed data is damaged, or ends too early."""


class _Decompressor(Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Codec:
    compress: Callable[[bytes], bytes]
    decompressor: Callable[[], _Decompressor]


Piece: TypeAlias = tuple[bytes, int]  # some content, and where in the file the last whole piece so far ends


def codec_of(path: Path) -> Codec | None:
    """Return how *path* is compressed, by its name; None if it isn't."""
    match path.suffix.lower():
        case ".gz":
            return Codec(_gzip, lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS | 16))
        case ".zst":
            import zstandard  # noqa: PLC0415 - needed for such files only

            compressor = zstandard.ZstdCompressor()
            return Codec(compressor.compress, lambda: zstandard.ZstdDecompressor().decompressobj())
        case _:
            return None


def read_pieces(file: BinaryIO, codec: Codec | None) -> Iterator[Piece]:
    """
    Yield the content of *file* in order.

    Raises:
        TornFileError: the compressed data is damaged or cut off; all that came before it was yielded.
    """
    if codec is None:
        yield from _plain(file)
    else:
        yield from _members(file, codec)


def lines(pieces: Iterator[Piece]) -> Iterator[bytes]:
    """Yield the lines, each with its end of line if it has one."""
    rest = b""
    for content, _ in pieces:
        *whole, rest = (rest + content).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest


@contextmanager
def plain_lines(path: Path, folder: Path) -> Iterator[Path | None]:
    """
    Yield a file with the lines of *path*, one without compression: itself, or a copy in *folder*, gone at the end.

    None where the name says neither .ndjson, .gz nor .zst.

    Raises:
        TornFileError: the compressed data is damaged or cut off.
    """
    if path.suffix == ".ndjson":
        yield path
        return
    codec = codec_of(path)
    if codec is None:
        yield None
        return
    copy = folder / "lines.ndjson"
    try:
        with path.open("rb") as file, copy.open("wb") as plain:
            plain.writelines(content for content, _ in read_pieces(file, codec))
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def whole_size_bytes(path: Path, codec: Codec | None) -> int:
    """Return how many bytes of *path* hold whole pieces; the rest is what a crash left half-written."""
    whole = 0
    with path.open("rb") as file:
        try:
            for _, end in read_pieces(file, codec):
                whole = end
        except TornFileError:
            pass
    return whole


def _plain(file: BinaryIO) -> Iterator[Piece]:
    position = 0
    whole = 0
    while content := file.read(_CHUNK_BYTES):
        if (last := content.rfind(b"\n")) >= 0:
            whole = position + last + 1
        position += len(content)
        yield content, whole


def _members(file: BinaryIO, codec: Codec) -> Iterator[Piece]:
    position = 0  # in the file, of the end of what was given to decompressors
    whole = 0
    decompressor: _Decompressor | None = None
    pending = b""
    while pending or (pending := file.read(_CHUNK_BYTES)):
        decompressor = decompressor or codec.decompressor()
        try:
            content = decompressor.decompress(pending)
        except Exception as error:  # each codec has its own class of error
            raise TornFileError(str(error)) from error
        position += len(pending)
        pending = b""
        if decompressor.eof:
            pending = decompressor.unused_data
            position -= len(pending)
            whole = position
            decompressor = None
        yield content, whole
    if decompressor is not None:
        raise TornFileError("the file ends in the middle")


def _gzip(content: bytes) -> bytes:
    import gzip  # noqa: PLC0415 - needed for such files only

    return gzip.compress(content, mtime=0)
