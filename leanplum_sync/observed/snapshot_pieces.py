"""
The bytes under a snapshot: plain, gzip or zstd, read in pieces that a crash leaves whole or not at all.

A compressed snapshot is a row of members (gzip) or frames (zstd), each holding whole lines: that is how one is added
to, and how a file whose last piece is torn can be cut back to the pieces before it. A plain file's pieces are its
lines. Files made by other tools, as one long member, read just as well.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol, TypeAlias

from leanplum_sync.bounds import EXPANDED_FREELY, EXPANSION, LINE, ZSTD_WINDOW

_CHUNK_BYTES: Final = 1 << 18
_HALF_A_LINE: Final = LINE.most // 2
_PACKED_BYTES: Final = 1 << 11  # of compressed data at a time: they expand up to 32,000 times


class TornFileError(ValueError):
    """The compressed data is damaged, or ends too early."""


class OverBoundError(ValueError):
    """The file asks for more than is read of any; the text says of what, and *hint* what to do."""

    def __init__(self, message: str, hint: str) -> None:
        self.hint = hint
        super().__init__(message)


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
            return Codec(
                lambda content: gzip.compress(content, mtime=0),
                lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS | 16),
            )
        case ".zst":
            import zstandard  # noqa: PLC0415 - needed for such files only

            compressor = zstandard.ZstdCompressor()
            packed = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW.most)
            return Codec(compressor.compress, packed.decompressobj)
        case _:
            return None


def read_pieces(file: BinaryIO, codec: Codec | None) -> Iterator[Piece]:
    """
    Yield the content of *file* in order.

    Raises:
        TornFileError: the compressed data is damaged or cut off; all that came before it was yielded.
        OverBoundError: it expands too far, or its window is too large.
    """
    if codec is None:
        yield from _plain(file)
    else:
        yield from _members(file, codec)


def lines(pieces: Iterator[Piece]) -> Iterator[bytes]:
    """
    Yield the lines, each with its end of line if it has one.

    Raises:
        OverBoundError: a line is too long.
    """
    start: list[bytes] = []  # of the line that the next piece continues
    size = 0
    for content, _ in pieces:
        first, *others = content.split(b"\n")
        start.append(first)
        size += len(first)
        for rest in others:
            _check_length(size)
            yield b"".join([*start, b"\n"])
            start, size = [rest], len(rest)
        _check_length(size)
    if size:
        yield b"".join(start)


def has_long_line(path: Path) -> bool:
    """Tell whether a line of *path* may be too long: one that is fills at least one of these chunks."""
    with path.open("rb") as file:
        return any(
            len(chunk) == _HALF_A_LINE and b"\n" not in chunk
            for chunk in iter(lambda: file.read(_HALF_A_LINE), b"")
        )


def _check_length(size: int) -> None:
    if size > LINE.most:
        raise OverBoundError(
            f"the line is longer than {LINE.most:,} bytes", "Remove it, or pull into a new file."
        )


@contextmanager
def plain_lines(path: Path, folder: Path) -> Iterator[Path | None]:
    """
    Yield a file with the lines of *path*, one without compression: itself, or a copy in *folder*, gone at the end.

    None where the name says neither .ndjson, .gz nor .zst.

    Raises:
        TornFileError: the compressed data is damaged or cut off.
        OverBoundError: it expands too far, or its window is too large.
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
    expanded = 0
    decompressor: _Decompressor | None = None
    pending = b""
    while pending or (pending := file.read(_PACKED_BYTES)):
        decompressor = decompressor or codec.decompressor()
        try:
            content = decompressor.decompress(pending)
        except Exception as error:  # each codec has its own class of error
            raise _unpackable(str(error)) from error
        position += len(pending)
        pending = b""
        if decompressor.eof:
            pending = decompressor.unused_data
            position -= len(pending)
            whole = position
            decompressor = None
        expanded += len(content)
        if expanded > max(EXPANDED_FREELY.most, EXPANSION.most * position):
            raise OverBoundError(
                f"the file expands to more than {EXPANSION}", "If that is intended, decompress it."
            )
        yield content, whole
    if decompressor is not None:
        raise TornFileError("the file ends in the middle")


def _unpackable(reason: str) -> TornFileError | OverBoundError:
    if "requires too much memory" in reason:  # Source: zstd, ZSTD_getErrorString
        return OverBoundError(
            f"reading the file takes a window of more than {ZSTD_WINDOW.most >> 20} MB",
            "Compress it again without --long and --ultra.",
        )
    return TornFileError(reason)
