"""The source of a document's rows: the file that it names, or its inline list."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final, TypeVar, assert_never

from leanplum_sync.address import ResourceAddress
from leanplum_sync.kinds import Kind, Resource
from leanplum_sync.kinds.rows.document import Document, Listing
from leanplum_sync.kinds.rows.site import INLINE_ID, Site
from leanplum_sync.kinds.rows.site import Path as KeyPath
from leanplum_sync.kinds.rows.source import (
    AUDIENCE_ID,
    FORMATS,
    AudienceSource,
    Compression,
    DataFormat,
    DataSource,
    FileSource,
    InlineItem,
    InlineSource,
    NeededColumn,
    ObjectsSource,
    QuerySource,
    suffix_and_compression,
)
from leanplum_sync.problem import Problem
from leanplum_sync.sources import Header, SourceError, header, parquet_file
from leanplum_sync.sources.connections.tables import FORMATS as TABLE_FORMATS
from leanplum_sync.specs.audience import audience_source
from leanplum_sync.specs.explain import did_you_mean
from leanplum_sync.specs.file import OpenDocument
from leanplum_sync.specs.paths import PathFault, inside
from leanplum_sync.specs.query import connected_source
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.number import Number

D = TypeVar("D", bound=Document)

_JSON_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+|-?[1-9][0-9]{15,}")
_LONG_INLINE: Final = 500
_WORKBOOKS: Final = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers")


def site_of(
    kind: Kind[D],
    model: D,
    address: ResourceAddress,
    document: OpenDocument,
    root: Path,
    *,
    connections: Collection[str] | None,
    now: float,
    whole: bool,
) -> Site:
    """
    Return what building the resource needs.

    If its rows can't be read, that is reported, and the site is not readable. *connections* are those of the project, None
    if that is unknown.
    """
    key, listing = kind.rows_key, kind.rows(model)
    if listing is None:
        return Site(
            address=address,
            depends_on=_dependencies(model),
            source=InlineSource((), document.key_place(("spec",))),
            header=None,
            types={},
            readable=True,
            whole=whole,
            now=now,
            place=document.key_place,
            report=document.report,
        )
    lost = _is_lost(document.document.value["spec"].get(key), listing)
    found = None if lost else _source(listing, ("spec", key), document, root, connections)
    known = None if found is None else _header(found, document, root)
    return Site(
        address=address,
        depends_on=_dependencies(model),
        source=found or InlineSource((), document.key_place(("spec", key))),
        header=known.columns if known else None,
        types=known.types if known else {},
        readable=found is not None and known is not None,
        whole=whole,
        now=now,
        place=document.key_place,
        report=document.report,
    )


def _dependencies(model: Document) -> tuple[ResourceAddress, ...]:
    return tuple(map(ResourceAddress.parse, model.metadata.depends_on))


def _is_lost(written: Json, listing: Listing) -> bool:
    """Return whether the keys that say where the rows are were left out because they are wrong."""
    return not isinstance(written, dict) or any(
        name in written and getattr(listing, name, None) is None
        for name in (
            "file",
            "inline",
            "audience",
            "connection",
            "query",
            "path",
            "version",
            "snapshot",
            "parameters",
            "id",
            "user",
        )
    )


def long_list(site: Site, document: OpenDocument) -> Problem | None:
    """Return advice on an inline list that belongs in a data file."""
    match site.source:
        case FileSource() | QuerySource() | ObjectsSource() | AudienceSource():
            return None
        case InlineSource(items=items, place=place):
            if len(items) <= _LONG_INLINE:
                return None
            return document.file.problem(
                place,
                f"the inline list has {len(items)} items, and reading YAML is slow",
                "Put it in a data file.",
                address=document.address,
            )
        case _:
            assert_never(site.source)


def _source(
    listing: Listing, path: KeyPath, document: OpenDocument, root: Path, connections: Collection[str] | None
) -> DataSource | None:
    if listing.audience is not None:
        return audience_source(listing.audience, listing, path, document)
    if any(
        each is not None
        for each in (
            listing.connection,
            listing.query,
            listing.path,
            listing.parameters,
            listing.version,
            listing.snapshot,
        )
    ):
        return connected_source(listing, path, document, root, connections)
    match listing.file, listing.inline:
        case str() as file, None:
            return _file_source(file, listing, path, document, root)
        case None, list() as items:
            for key in ("format", "delimiter"):
                if getattr(listing, key) is not None:
                    document.report(
                        (*path, key), f"`{key}` is for files, but this is an inline list", "Remove it."
                    )
            name = listing.id or INLINE_ID
            return InlineSource(
                tuple(
                    InlineItem(
                        document.key_place((*path, "inline", index)),
                        {
                            name if column == "" else column: _spelled(
                                value, (*path, "inline", index, column), document
                            )
                            for column, value in item.items()
                        },
                    )
                    for index, item in enumerate(items)
                ),
                document.key_place((*path, "inline")),
                tuple(map(str, listing.empty)),
            )
        case None, None:
            document.report(
                path,
                "the source of the rows is missing",
                "Write `file: path`, `connection:` with `query:` or `path:`, `audience:`, or `inline:` with a list.",
            )
        case _:
            document.report(
                (*path, "inline"), "rows come from a file or an inline list, not both", "Remove one."
            )
    return None


def _spelled(value: Json, path: KeyPath, document: OpenDocument) -> Json:
    """Return a value of an inline list as a cell: with numbers as they are written."""
    if isinstance(value, list):
        return [_spelled(item, (*path, index), document) for index, item in enumerate(value)]
    text = document.document.numbers.get(path)
    return value if text is None or not _JSON_NUMBER.fullmatch(text) else Number(text)


def _file_source(
    text: str, listing: Listing, path: KeyPath, document: OpenDocument, root: Path
) -> FileSource | None:
    if listing.format in TABLE_FORMATS:
        document.report(
            (*path, "format"),
            f"a table of format {listing.format} can't be a file beside a spec",
            "Name a `connection` of the project file, and the table's folder with `path`.",
        )
        return None
    place = document.value_place((*path, "file"))
    target = inside(root, document.file.path.parent, text)
    if isinstance(target, PathFault):
        document.report_at(place, target.message, target.hint)
        return None
    if not target.is_file():
        document.report_at(place, "this is not a file", "Specify one data file.")
        return None
    suffix, compression = suffix_and_compression(PurePosixPath(text))
    data_format = DataFormat(listing.format) if listing.format else FORMATS.get(suffix)
    if data_format is None and suffix in _WORKBOOKS:
        document.report_at(
            place, "this is a spreadsheet workbook", "Save it as CSV; in Excel, as `CSV UTF-8`."
        )
        return None
    if data_format is None:
        document.report_at(
            place,
            "the file's format can't be determined from its name",
            "Write `format: csv`, `ndjson`, or `parquet`.",
        )
        return None
    if data_format is DataFormat.PARQUET and compression is not Compression.NONE:
        document.report_at(place, "a Parquet file is already compressed inside", "Decompress it.")
        return None
    if data_format is not DataFormat.CSV and listing.delimiter is not None:
        document.report((*path, "delimiter"), "`delimiter` is only for CSV files", "Remove it.")
    return FileSource(
        target.relative_to(root).as_posix(),
        data_format,
        compression,
        place,
        document.address,
        delimiter=listing.delimiter or ("\t" if suffix == ".tsv" else None),
        empty=tuple(map(str, listing.empty)),
    )


def _header(source: DataSource, document: OpenDocument, root: Path) -> Header | None:
    try:
        match source:
            case FileSource():
                known = header(source, root)
            case InlineSource() | QuerySource() | ObjectsSource() | AudienceSource():
                known = Header(None)
            case _:
                assert_never(source)
    except SourceError as error:
        document.problems += error.problems
        return None
    document.problems += known.problems
    document.remarks += known.remarks
    return known


def with_columns_checked(resource: Resource, site: Site, document: OpenDocument) -> Resource | None:
    """
    Return *resource* if its rows can be read at all; columns that are missing or unusable are reported.

    Without a column that every row needs, every row would be reported for a single mistake.
    """
    if not resource.kind.has_rows:
        return resource
    if not site.readable or not resource.id_column.name:
        return None
    needed = resource.columns_needed()
    match site.source:
        case FileSource() if site.header is None:
            return replace(resource, source=replace(site.source, needed=needed))
        case FileSource(path=path):
            where, columns = path, set(site.header or ())
        case InlineSource(items=items):
            where, columns = "the inline list", {column for item in items for column in item.values}
        case AudienceSource() as source:
            return _with_ids_only(replace(resource, source=replace(source, needed=needed)), document)
        case QuerySource() | ObjectsSource() as source:  # only the other side knows its columns
            return replace(resource, source=replace(source, needed=needed))
        case _:
            assert_never(site.source)
    ids = set(resource.id_columns)
    faulty = {
        column
        for column in needed
        if _is_missing(column, columns, where, document)
        or _is_unusable(column, column in ids, site, document)
    }
    required = {column.name for column in resource.required_columns}
    return None if required.intersection(column.name for column in faulty) else resource


def _with_ids_only(resource: Resource, document: OpenDocument) -> Resource | None:
    """Return *resource* unless its rows need more than a userId, which is reported."""
    others = [column for column in resource.columns_needed() if column.name != AUDIENCE_ID]
    for column in others:
        document.report_at(
            column.place,
            f"an audience has no column {column.name}, only {AUDIENCE_ID}",
            "Write a value that holds for all its users, or take the users from a file or a connection.",
        )
    return None if others else resource


def _is_missing(column: NeededColumn, columns: set[str], where: str, document: OpenDocument) -> bool:
    if column.name in columns:
        return False
    # Names of other columns are not listed: in a file without a header they would be values of users.
    padded = next((each for each in sorted(columns) if each.strip() == column.name), None)
    if padded is not None:
        hint = f'Did you mean "{padded}"? Remove the space before or after the name.'
        document.report_at(column.place, f"{where} has no column {column.name}", hint)
        return True
    hint = (
        did_you_mean(column.name, sorted(columns))
        or "Names are case-sensitive; the first line names the columns."
    )
    document.report_at(column.place, f"{where} has no column {column.name}", hint)
    return True


def _is_unusable(column: NeededColumn, is_id: bool, site: Site, document: OpenDocument) -> bool:  # noqa: FBT001 - private, and named by its only caller
    kind = site.types.get(column.name)
    if kind is None:
        return False
    if is_id and not parquet_file.holds_text(kind):
        document.report_at(
            column.place,
            f"column {column.name} is of type {kind}, but ids must be text",
            "Export the ids as text."
            + (" Numbers have lost their leading zeros." if parquet_file.holds_numbers(kind) else ""),
        )
        return True
    if not parquet_file.usable(kind):
        document.report_at(
            column.place,
            f"column {column.name} is of type {kind}, which can't become a value",
            "Export text, numbers, booleans, dates, or lists of them.",
        )
        return True
    return False
