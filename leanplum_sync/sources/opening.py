"""Data files as bytes: opened, decompressed, and their ends recognized."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from leanplum_sync.bounds import EXPANDED_FREELY, EXPANSION, ZSTD_WINDOW
from leanplum_sync.errors import SpecError
from leanplum_sync.kinds.rows.source import Compression, FileSource
from leanplum_sync.problem import Place, Problem

_LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_NAMES = {Compression.NONE: "data", Compression.GZIP: "gzip", Compression.ZSTD: "zstd"}


class SourceError(SpecError):
    """A data file can't be read at all, or not further; *problems* holds the one reason."""


class ExpansionError(SourceError):
    """A small file expands to a large one."""


def expansion(
    source: FileSource,
    hint: str = "If that is intended, decompress it and name the decompressed file.",
) -> ExpansionError:
    return ExpansionError(
        [
            Problem(
                Place(source.path),
                f"the file expands to more than {EXPANSION}",
                hint,
                source.address,
            )
        ]
    )


def failure(place: Place, message: str, hint: str = "", address: str = "") -> SourceError:
    return SourceError([Problem(place, message, hint, address)])


def file_digest(path: Path) -> str:
    """
    Return the SHA-256 of the file's bytes, in hexadecimal digits.

    Raises:
        OSError: the file can't be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def opened(source: FileSource, root: Path) -> Iterator[io.BufferedReader]:
    """
    Yield the file's bytes, decompressed.

    Raises:
        SourceError: it can't be opened, or its compression is broken; this can show in the middle of reading.
    """
    place = Place(source.path)
    try:
        with (root / source.path).open("rb") as raw:
            if raw.peek(len(_LFS_POINTER)).startswith(_LFS_POINTER):
                raise failure(
                    place,
                    "the file is a Git LFS pointer, and its data was not fetched",
                    "Run `git lfs pull`; in a pipeline, check out with LFS.",
                    source.address,
                )
            with _decompressed(raw, source.compression) as file:
                yield file
    except _ExpandsTooFarError as error:
        raise expansion(source) from error
    except _WindowError as error:
        raise failure(
            place,
            f"reading the file requires a zstd window of more than {ZSTD_WINDOW.most >> 20} MB",
            "Compress it again without --long and --ultra.",
            source.address,
        ) from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise failure(
            place,
            f"the file is truncated or damaged: it is not valid {_NAMES[source.compression]}",
            "Fetch it again, or compress it again.",
            source.address,
        ) from error
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise failure(place, f"the file can't be read: {reason}", address=source.address) from error


@contextmanager
def _decompressed(raw: io.BufferedReader, compression: Compression) -> Iterator[io.BufferedReader]:
    match compression:
        case Compression.NONE:
            yield raw
        case Compression.GZIP:
            with gzip.GzipFile(fileobj=raw) as file:
                yield io.BufferedReader(_AtMost(file, raw), buffer_size=1 << 16)
        case Compression.ZSTD:
            yield io.BufferedReader(_AtMost(_ZstdFile(raw), raw), buffer_size=1 << 16)


class _ExpandsTooFarError(Exception):
    pass


class _WindowError(Exception):
    """A zstd frame needs more memory than it may have."""


class _AtMost(io.RawIOBase):
    """The bytes of *file*, which decompresses *raw*, as long as they are not too many for what was read of *raw*."""

    def __init__(self, file: io.RawIOBase | gzip.GzipFile, raw: io.BufferedReader) -> None:
        self._file, self._raw, self._size = file, raw, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """
        Raises:
            _ExpandsTooFarError: there are too many.
        """
        size = self._file.readinto(buffer) or 0
        self._size += size
        if self._size > max(EXPANDED_FREELY.most, EXPANSION.most * self._raw.tell()):
            raise _ExpandsTooFarError
        return size


class _ZstdFile(io.RawIOBase):
    """
    Zstandard frames, one after the other.

    zstandard's own reader takes a file that was cut off for one that ends there. Losing rows silently is the worst a
    reader can do, so the end of the last frame is looked for here.
    """

    _CHUNK = 1 << 11  # a piece expands up to 32,000 times

    def __init__(self, raw: io.BufferedReader) -> None:
        import zstandard  # noqa: PLC0415 - few files need it

        self._raw = raw
        self._new_frame = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW.most).decompressobj
        self._error = zstandard.ZstdError
        self._frame = self._new_frame()
        self._frame_has_data = False
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """
        Raises:
            EOFError: the file is cut off or damaged.
        """
        while not self._ready and self._decompress():
            pass
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _decompress(self) -> bool:
        """Decompress the next piece; False at the end of the file."""
        piece = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:
            self._frame, self._frame_has_data = self._new_frame(), False
        piece = piece or self._raw.read(self._CHUNK)
        if not piece:
            if self._frame_has_data:
                raise EOFError
            return False
        self._frame_has_data = True
        try:
            self._ready = memoryview(self._frame.decompress(piece))
        except self._error as error:
            # Source: zstd, ZSTD_getErrorString.
            if "requires too much memory" in str(error):
                raise _WindowError from error
            raise EOFError from error
        return True
