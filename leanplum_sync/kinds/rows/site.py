"""The surroundings of a document: what is needed from its file to build a resource."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from leanplum_sync.address import ResourceAddress
from leanplum_sync.kinds.rows.source import DataSource
from leanplum_sync.problem import Place

Path: TypeAlias = tuple[str | int, ...]  # keys and indexes from the top of the document


class Report(Protocol):
    def __call__(self, path: Path, message: str, hint: str = "", *, also: Path | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Site:
    """
    *place* returns the position of the key at a path; *report* reports a problem there.

    *header* holds the column names of a data file; None if it has no header.
    *types* are the types of its columns, if the format has types.
    *whole* is false if faulty parts of the document were left out. Missing keys are not reported then.
    *readable* is false if the data file can't be read. That is already reported, so missing columns are not.
    """

    address: ResourceAddress
    depends_on: tuple[ResourceAddress, ...]
    source: DataSource
    header: tuple[str, ...] | None
    types: Mapping[str, str]
    readable: bool
    whole: bool
    place: Callable[[Path], Place]
    report: Report
