"""
A copy of a plan file that no other process can reach.

A plan is checked once and then read bit by bit while it is applied. The file at its path may be overwritten
meanwhile, in place or not; the copy has no name, so what was checked is what is applied.
"""

from __future__ import annotations

import io
import shutil
import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from leanplum_sync.bounds import PLAN_CELL
from leanplum_sync.errors import StorageError

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_CHUNK_BYTES: Final = 1 << 20
_IN_MEMORY_BYTES: Final = 4 << 20  # the plan of some thousand users


class PrivateCopy:
    """*connection* reads the copy. Its bytes can be copied on, see ``write_to``."""

    connection: sqlite3.Connection
    _file: IO[bytes]

    def __init__(self, path: Path) -> None:
        """
        Copy the file at *path*: a small one into memory; a large one to a file beside it, where a disk may
        copy by reference, or else in the folder for temporary files.

        Raises:
            OSError: *path* can't be read.
            StorageError: there is no room for a copy.
        """
        self._open(path)
        self.connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, PLAN_CELL.most)

    def _open(self, path: Path) -> None:
        with path.open("rb") as source:
            small = source.read(_IN_MEMORY_BYTES + 1)
            if len(small) <= _IN_MEMORY_BYTES:
                self._file = io.BytesIO(small)
                self.connection = sqlite3.connect(":memory:", check_same_thread=False)
                if small:  # an empty file is an empty database
                    self.connection.deserialize(small)
                return
            self._file, name = _copied(source, path.resolve().parent)
        try:
            # SQLite opens the file now and keeps it open; afterwards it needs no name.
            self.connection = sqlite3.connect(
                f"{name.as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
            )
        except BaseException:
            self._file.close()
            raise
        finally:
            name.unlink()
            name.parent.rmdir()

    def close(self) -> None:
        self.connection.close()
        self._file.close()

    def starts_with(self, header: bytes) -> bool:
        self._file.seek(0)
        return self._file.read(len(header)) == header

    def has_at(self, offset: int, content: bytes) -> bool:
        self._file.seek(offset)
        return self._file.read(len(content)) == content

    def is_at(self, path: Path) -> bool:
        """Whether the file at *path* has the same bytes. A file that can't be read has not."""
        self._file.seek(0)
        with suppress(OSError), path.open("rb") as other:
            while True:
                ours, theirs = self._file.read(_CHUNK_BYTES), other.read(_CHUNK_BYTES)
                if ours != theirs or not ours:
                    return ours == theirs
        return False

    def write_to(self, file: SupportsWrite[bytes]) -> None:
        self._file.seek(0)
        shutil.copyfileobj(self._file, file, _CHUNK_BYTES)


def _copied(source: IO[bytes], *folders: Path) -> tuple[IO[bytes], Path]:
    """Return the copy, open, and its name: in a new folder that only its owner can enter."""
    failure: OSError | None = None
    for folder in (*folders, Path(tempfile.gettempdir())):
        own: Path | None = None
        try:
            own = Path(tempfile.mkdtemp(prefix=".leanplum-sync-", dir=folder))
            name = own / "plan"
            with name.open("xb") as copy:
                source.seek(0)
                shutil.copyfileobj(source, copy, _CHUNK_BYTES)
            return name.open("rb"), name
        except OSError as error:
            failure = error
            if own is not None:
                with suppress(OSError):
                    shutil.rmtree(own)
    raise StorageError(
        f"{source.name}: no private copy of the plan can be made: {failure}. Free some disk space."
    )
