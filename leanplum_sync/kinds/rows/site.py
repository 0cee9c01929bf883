"""The surroundings of a document: what is needed from its file to build a resource, such as the column with the ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, assert_never

from leanplum_sync.address import ResourceAddress
from leanplum_sync.kinds.rows.source import (
    AUDIENCE_ID,
    AudienceSource,
    DataSource,
    FileSource,
    InlineSource,
    NeededColumn,
    ObjectsSource,
    QuerySource,
)
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
    *now* is when the specs were read, in epoch seconds.
    *readable* is false if the data file can't be read. That is already reported, so missing columns are not.
    """

    address: ResourceAddress
    depends_on: tuple[ResourceAddress, ...]
    source: DataSource
    header: tuple[str, ...] | None
    types: Mapping[str, str]
    readable: bool
    whole: bool
    now: float
    place: Callable[[Path], Place]
    report: Report


INLINE_ID: Final = "id"


def id_column(named: str | None, key: str, own: tuple[str, ...], site: Site) -> NeededColumn:
    """
    Return the column with the ids of the listing under *key*.

    Where the spec names none, an inline list has ``id``, an audience ``userId``, and a file the first of *own* that is in its header. Without
    any of these, the name is empty, and that is reported.
    """
    if named is not None:
        return NeededColumn(named, site.place(("spec", key, "id")))
    match site.source:
        case InlineSource():
            return NeededColumn(INLINE_ID, site.place(("spec", key, "inline")))
        case AudienceSource(place=place):
            return NeededColumn(AUDIENCE_ID, place)
        case FileSource():
            path = ("spec", key, "file")
        case QuerySource():
            path = ("spec", key, "query")
        case ObjectsSource():
            path = ("spec", key, "path")
        case _:
            assert_never(site.source)
    found = next((column for column in own if column in (site.header or ())), None)
    if found is None and site.readable:
        site.report(
            path,
            "the id column is not specified",
            f"Specify it: `id: column`. Only a CSV file in Leanplum's own import format, with {own[0]}, needs no `id`.",
        )
    return NeededColumn(found or "", site.place(path))
