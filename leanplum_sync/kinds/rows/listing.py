"""The column with the ids: named by the spec, or given by Leanplum's own file format."""

from __future__ import annotations

from typing import Final, assert_never

from leanplum_sync.kinds.rows.site import Site
from leanplum_sync.kinds.rows.source import FileSource, InlineSource, NeededColumn, QuerySource

INLINE_ID: Final = "id"


def id_column(named: str | None, key: str, own: tuple[str, ...], site: Site) -> NeededColumn:
    """
    Return the column with the ids of the listing under *key*.

    Where the spec names none, an inline list has ``id``, and a file the first of *own* that is in its header. Without
    any of these, the name is empty, and that is reported.
    """
    if named is not None:
        return NeededColumn(named, site.place(("spec", key, "id")))
    match site.source:
        case InlineSource():
            return NeededColumn(INLINE_ID, site.place(("spec", key, "inline")))
        case FileSource():
            path = ("spec", key, "file")
        case QuerySource():
            path = ("spec", key, "query")
        case _:
            assert_never(site.source)
    found = next((column for column in own if column in (site.header or ())), None)
    if found is None and site.readable:
        site.report(
            path,
            "the column with the ids is not named",
            f"Name it: `id: column`. Only a CSV file in Leanplum's own import format, with {own[0]}, needs no `id`.",
        )
    return NeededColumn(found or "", site.place(path))
