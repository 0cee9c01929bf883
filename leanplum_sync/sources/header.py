"""The header of a data file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from leanplum_sync.bounds import COLUMNS
from leanplum_sync.kinds.rows.source import FileSource
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources.opening import failure


@dataclass(frozen=True, slots=True)
class Header:
    """
    *columns* is None where the format has no header. *types* are the columns' types, where the format has them.

    *problems* are faults that don't prevent reading on, *remarks* are not faults. *delimiter* and *lines_before*, a count
    of lines before the header, are those of a CSV file.
    """

    columns: tuple[str, ...] | None
    types: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    remarks: tuple[Problem, ...] = ()
    delimiter: str = ","
    lines_before: int = 0


def check_count(columns: int, place: Place, source: FileSource) -> None:
    """
    Raises:
        SourceError: there are too many columns.
    """
    if columns > COLUMNS.most:
        raise failure(
            place,
            f"the file has {columns:,} columns, but at most {COLUMNS.most:,} are allowed",
            "Export only the columns that the spec needs.",
            source.address,
        )
