"""Adds entries to a snapshot, so that a crash at any moment costs the last few of them and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from leanplum_sync.address import Subject
from leanplum_sync.errors import SpecError
from leanplum_sync.observed.snapshot_entries import Entry, encode_entry, unusable
from leanplum_sync.observed.snapshot_pieces import OverBoundError, codec_of, whole_size_bytes
from leanplum_sync.wire.action import Json

ENTRIES_PER_PIECE: Final = 500  # of a compressed file: a crash loses at most these, and they are read again


class SnapshotWriter:
    """
    Appends to *path*, creating it if necessary, and first removes an incomplete end that a crash left.

    A plain file gets each line at once; a compressed one gets pieces of up to 500 entries.

    Raises:
        SpecError: the file can't be written, is over a bound, or is Parquet, which can't be added to.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() == ".parquet":
            raise unusable(
                path,
                "Parquet files can be read, but not added to",
                "Choose a .ndjson, .ndjson.gz, or .ndjson.zst file.",
            )
        self._codec = codec_of(path)
        self._path = path
        self._waiting: list[bytes] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            size = whole_size_bytes(path, self._codec) if path.exists() else 0
            self._file = path.open("r+b" if path.exists() else "wb")
            self._file.truncate(size)
            self._end = size
        except OSError as error:
            raise self._unwritable(error) from error
        except OverBoundError as error:
            raise unusable(path, str(error), error.hint) from error

    def append(self, subject: Subject, element: Mapping[str, Json], observed_at: float) -> None:
        self._waiting.append(encode_entry(Entry(subject, element, observed_at)))
        if self._codec is None or len(self._waiting) >= ENTRIES_PER_PIECE:
            self.flush()

    def flush(self) -> None:
        """
        Hand everything to the operating system: the death of the process loses nothing from here on.

        Ctrl-C may interrupt this anywhere, and ``close`` then calls it again: the same bytes go to the same place.
        """
        content = b"".join(self._waiting)
        if content:
            written = content if self._codec is None else self._codec.compress(content)
            try:
                self._file.seek(self._end)
                self._file.write(written)
                self._file.flush()
            except OSError as error:
                raise self._unwritable(error) from error
            self._waiting.clear()
            self._end += len(written)

    def close(self) -> None:
        try:
            self.flush()
        finally:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _unwritable(self, error: OSError) -> SpecError:
        return unusable(
            self._path,
            f"the snapshot can't be written: {error.strerror}",
            "Free some disk space or choose another file. Complete lines are kept.",
        )
