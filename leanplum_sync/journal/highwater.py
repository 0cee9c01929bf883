"""
A small file that remembers which journal was used and how far it had got.

It is written durably after each intent to send is committed and before the request leaves. So a journal that is behind it is not the
journal that sent last: it is an older copy, it lost its write-ahead log, or it was replaced. A journal that is ahead of it is normal:
its process died between the two writes, and nothing was sent.

The file has two slots of fixed size, written in turn and each with a checksum: a write that is cut off leaves the other slot, and
a full disk can't prevent one.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from leanplum_sync.errors import JournalCorruptError
from leanplum_sync.planner.known import JournalMark

_SLOT_BYTES: Final = 512  # disks write so much as a whole
_SLOTS: Final = 2


@dataclass(frozen=True, slots=True)
class _Slot:
    turn: int
    mark: JournalMark

    def encoded(self) -> bytes:
        values = [self.turn, self.mark.id, self.mark.number]
        line = orjson.dumps([*values, zlib.crc32(orjson.dumps(values))])
        return line.ljust(_SLOT_BYTES - 1) + b"\n"


@dataclass(frozen=True, slots=True)
class HighWater:
    path: Path

    def read(self) -> JournalMark | None:
        """
        Return the latest mark, None if there is no file.

        Raises:
            JournalCorruptError: neither slot can be read.
            OSError: the file can't be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        latest = self._latest(content)
        return latest.mark if latest else None

    def raise_to(self, mark: JournalMark) -> None:
        """
        Remember *mark* durably, unless a higher one of the same journal is remembered already.

        Raises:
            JournalCorruptError, OSError: as for ``read``.
        """
        is_new = not self.path.exists()
        with self.alone() as file:
            latest = self._latest(os.pread(file, _SLOTS * _SLOT_BYTES, 0))
            if latest and latest.mark.id == mark.id and latest.mark.number >= mark.number:
                return
            slot = _Slot(latest.turn + 1 if latest else 0, mark)
            os.pwrite(file, slot.encoded(), slot.turn % _SLOTS * _SLOT_BYTES)
            os.fsync(file)
        if is_new:
            sync_folder(self.path.parent)

    @contextmanager
    def alone(self) -> Iterator[int]:
        """Open the file, created if there is none, with a lock that other processes wait for."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)

    def _latest(self, content: bytes) -> _Slot | None:
        slots = [content[start : start + _SLOT_BYTES] for start in range(0, len(content), _SLOT_BYTES)]
        latest = max(filter(None, map(_slot, slots)), key=lambda slot: slot.turn, default=None)
        # Empty or all zeros: made by a process that died before its first write.
        if latest is None and content.strip(b"\0"):
            raise JournalCorruptError(
                f"{self.path} is damaged, so it can't show whether the journal is the latest. Delete this file, then"
                " run leanplum-sync journal verify, which compares the journal with the event logs in .leanplum-sync. If they"
                " contradict the journal, restore it or apply with --new-journal."
            )
        return latest


def _slot(content: bytes) -> _Slot | None:
    try:
        turn, journal, number, checksum = orjson.loads(content)
        slot = _Slot(int(turn), JournalMark(str(journal), int(number)))
    except (ValueError, TypeError):
        return None
    return slot if zlib.crc32(orjson.dumps([turn, journal, number])) == checksum else None


def sync_folder(folder: Path) -> None:
    """Make the names of new files in *folder* durable."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
