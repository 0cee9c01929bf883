"""How a file of an exportUsers job is written, for people who want to know it of their app: none of this is documented."""

from __future__ import annotations

from collections.abc import Iterable
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


def shape_of(paths: Iterable[Path]) -> ExportShape:
    """
    Return the shape of the files of one job.

    Raises:
        ExportFailedError: one can't be read.
    """
    rows = empty = certain = quoted = escaped = 0
    is_sorted, last = True, ""
    seen: dict[str, str] = {}
    repeated: set[str] = set()
    contradicting: set[str] = set()
    for path in paths:
        for row in read_rows(path):
            rows += 1
            empty += not row.text
            certain += row.is_certain
            is_sorted, last = is_sorted and last <= row.user_id, row.user_id
            if row.user_id in seen:
                repeated.add(row.user_id)
                if seen[row.user_id] != row.text:
                    contradicting.add(row.user_id)
            elif len(seen) < _MOST_REMEMBERED:
                seen[row.user_id] = row.text
        with path.open("rb") as file:  # whose lines are short: the rows were read
            for line in file:
                quoted += b'"' in line
                escaped += b"\\" in line
    return ExportShape(rows, empty, certain, quoted, escaped, len(repeated), len(contradicting), is_sorted)
