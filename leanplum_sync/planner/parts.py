"""
Parts of a plan that several processes apply in parallel. A subject is in the same part on every machine.

Each subject has one of 1,024 shards, by a stable hash. Part N of M holds the shards from ``1024 * (N - 1) / M`` up to the next
part's first. So if M divides N, each of N parts lies within one of M parts.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self

from leanplum_sync.address import Subject

SHARDS: Final = 1024
_FORM: Final = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")


def shard_of(subject: Subject) -> int:
    """Return the subject's shard, the same on every machine and in every version of plan format 1."""
    # In DuckDB: ('0x' || sha256(name)[1:4])::INTEGER % 1024
    return int.from_bytes(hashlib.sha256(str(subject).encode()).digest()[:2], "big") % SHARDS


def part_of(shard: int, of: int) -> int:
    """Return the number, from 1, of the part that *shard* is in, if there are *of* parts."""
    return shard * of // SHARDS + 1


@dataclass(frozen=True, slots=True)
class Part:
    """Part *number*, from 1, out of *of* parts; as text ``2/4``."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Raises:
            ValueError: *text* is not ``N/M`` with N up to M, and M up to 1,024.
        """
        found = _FORM.fullmatch(text)
        part = cls(int(found[1]), int(found[2])) if found else None
        if part is None or not part.number <= part.of <= SHARDS:
            raise ValueError(f"{text!r} is not N/M, such as 1/4, with M up to {SHARDS}")
        return part

    def holds(self, subject: Subject) -> bool:
        return part_of(shard_of(subject), self.of) == self.number

    @property
    def shards(self) -> range:
        first, end = (-(-number * SHARDS // self.of) for number in (self.number - 1, self.number))
        return range(first, end)

    def cuts(self, parts: int) -> bool:
        """Whether a plan divided into *parts* may have batches that cross the border of this part."""
        return parts % self.of != 0
