"""Where a document stands: what building a resource needs to know about the file around it."""

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
    *place* gives the position of the key at a path; *report* takes a problem there.

    *header* holds the column names of a data file that has a header, and None where there is none to know yet.
    *types* are the types of its columns, where the format has types.
    *whole* is false where parts of the document were left out because they are wrong: then nothing is missing in it.
    *readable* is false where the data file can't be read: that is reported already, so nothing is said about columns.
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
