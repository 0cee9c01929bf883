"""How a file of an exportUsers job is written, for people who want to know it of their app: none of this is documented."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from leanplum_sync.observed.export_rows import read_rows

_MOST_REMEMBERED: Final = 1_000_000  # users, to find out who is repeated


@dataclass(frozen=True, slots=True)
class ExportShape:
    """
    Counts of rows: all, those with an empty value, those whose value is certain, those with quotes, and those with a backslash.

    *repeated* users have several rows, *contradicting* ones with different values; of a large file, among the first million.
    """

    rows: int
    empty: int
    certain: int
    quoted: int
    escaped: int
    repeated: int
    contradicting: int
    is_sorted: bool


class ShapeFinder:
    """Finds the shape of the files of one job, which are added one after the other."""

    def __init__(self) -> None:
        self.shape = ExportShape(0, 0, 0, 0, 0, 0, 0, is_sorted=True)
        self._last = ""
        # Hashes of ids and values: either may be long. Two of a million hashes are equal in one of 30 million files.
        self._seen: dict[int, int] = {}
        self._repeated: set[int] = set()
        self._contradicting: set[int] = set()

    def add(self, path: Path) -> None:
        """
        Raises:
            ExportFailedError: the file can't be read.
        """
        rows = empty = certain = quoted = escaped = 0
        is_sorted, last = self.shape.is_sorted, self._last
        for row in read_rows(path):
            rows += 1
            empty += not row.text
            certain += row.is_certain
            is_sorted, last = is_sorted and last <= row.user_id, row.user_id
            self._remember(hash(row.user_id), hash(row.text))
        with path.open("rb") as file:  # whose lines are short: the rows were read
            for line in file:
                quoted += b'"' in line
                escaped += b"\\" in line
        before, self._last = self.shape, last
        self.shape = ExportShape(
            before.rows + rows,
            before.empty + empty,
            before.certain + certain,
            before.quoted + quoted,
            before.escaped + escaped,
            len(self._repeated),
            len(self._contradicting),
            is_sorted,
        )

    def _remember(self, user: int, text: int) -> None:
        if user in self._seen:
            self._repeated.add(user)
            if self._seen[user] != text:
                self._contradicting.add(user)
        elif len(self._seen) < _MOST_REMEMBERED:
            self._seen[user] = text
