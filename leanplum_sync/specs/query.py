"""The source of a document's rows if they come from a connection. What only the other side knows is not checked here."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from leanplum_sync.kinds.rows.document import Listing
from leanplum_sync.kinds.rows.site import Path as KeyPath
from leanplum_sync.kinds.rows.source import ObjectsSource, QuerySource, ReadSource
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources.connections.globs import is_pattern, parameters_of
from leanplum_sync.sources.connections.statement import Statement, StatementError, parse
from leanplum_sync.sources.connections.tables import FORMATS as TABLE_FORMATS
from leanplum_sync.specs.explain import did_you_mean
from leanplum_sync.specs.file import OpenDocument
from leanplum_sync.specs.paths import PathFault, inside

_FILE_KEYS = ("file", "inline")
_KEYS_OF_FILES = ("format", "delimiter", "version", "snapshot")
_VERSIONS = {"version": "delta", "snapshot": "iceberg"}


def connected_source(
    listing: Listing, path: KeyPath, document: OpenDocument, root: Path, connections: Collection[str] | None
) -> ReadSource | None:
    """
    Return the query or the files that *listing*, at *path*, names; None if that can't be, which is reported.

    *connections* are those of the project, None if that is unknown.
    """
    for key in (*_FILE_KEYS, *(_KEYS_OF_FILES if listing.query is not None else ())):
        if getattr(listing, key) is not None:
            other = "connection" if key in _FILE_KEYS else "query"
            document.report(
                (*path, key), f"`{key}` can't be used with `{other}`", f"Remove either `{key}` or `{other}`."
            )
            return None
    if listing.connection is None:
        document.report(
            path,
            "the connection is missing",
            "Write `connection: NAME`, with a connection from the project file.",
        )
        return None
    if listing.query is None and listing.path is None:
        document.report(
            path,
            "`query` or `path` is missing",
            "Write `query: file.sql` for a database, or `path: folder/*.parquet` for an object store.",
        )
        return None
    if listing.query is not None and listing.path is not None:
        document.report(
            (*path, "path"), "rows come from a query or from files, not both", "Remove `query` or `path`."
        )
        return None
    if connections is not None and listing.connection not in connections:
        hint = did_you_mean(listing.connection, sorted(connections))
        document.report_at(
            document.value_place((*path, "connection")),
            f"the project file has no connection {listing.connection}",
            hint or "Add it under `connections`.",
        )
        return None
    if listing.path is not None:
        return _objects(listing, listing.connection, path, document)
    return _query(listing, listing.connection, path, document, root)


def _objects(
    listing: Listing, connection: str, path: KeyPath, document: OpenDocument
) -> ObjectsSource | None:
    objects = listing.path or ""
    place = document.value_place((*path, "path"))
    if objects.startswith("/") or ".." in objects.split("/") or "\\" in objects:
        document.report_at(
            place,
            "this path is not relative to the connection's URL",
            "Remove the leading slash and any `..`.",
        )
        return None
    if not _fits_format(listing, objects, path, document):
        return None
    _check_parameters(listing, parameters_of(objects), "the path", path, document)
    return ObjectsSource(
        connection,
        objects,
        dict(listing.parameters or {}),
        place,
        document.address,
        listing.format,
        listing.delimiter,
        listing.version if listing.snapshot is None else listing.snapshot,
        empty=tuple(map(str, listing.empty)),
    )


def _fits_format(listing: Listing, objects: str, path: KeyPath, document: OpenDocument) -> bool:
    """Return whether the other keys go with the format, after reporting each that doesn't."""
    is_table = listing.format in TABLE_FORMATS
    found = [
        ((*path, key), f"`{key}` is for tables of format {table}", f"Remove it, or write `format: {table}`.")
        for key, table in _VERSIONS.items()
        if getattr(listing, key) is not None and listing.format != table
    ]
    if is_table and listing.delimiter is not None:
        found.append(((*path, "delimiter"), "a table has no delimiter", "Remove it."))
    if is_table and is_pattern(objects):
        found.append(
            (
                (*path, "path"),
                "a table is one folder, but this is a pattern",
                "Write the folder of the table.",
            )
        )
    for key, message, hint in found:
        document.report(key, message, hint)
    return not found


def _check_parameters(
    listing: Listing, known: Collection[str], where: str, path: KeyPath, document: OpenDocument
) -> None:
    for unused in sorted((listing.parameters or {}).keys() - set(known)):
        document.report(
            (*path, "parameters", unused),
            f"{where} has no parameter {unused}",
            did_you_mean(unused, sorted(known)) or "Remove it, or use it there.",
        )


def _query(
    listing: Listing, connection: str, path: KeyPath, document: OpenDocument, root: Path
) -> QuerySource | None:
    place = document.value_place((*path, "query"))
    target = inside(root, document.file.path.parent, listing.query or "")
    if isinstance(target, PathFault):
        document.report_at(place, target.message, target.hint)
        return None
    name = target.relative_to(root).as_posix()
    statement = _statement(target, name, document)
    if statement is None:
        return None
    _check_parameters(listing, statement.parameters, "the query", path, document)
    return QuerySource(
        connection,
        name,
        dict(listing.parameters or {}),
        place,
        document.address,
        empty=tuple(map(str, listing.empty)),
    )


def _statement(path: Path, name: str, document: OpenDocument) -> Statement | None:
    def report(place: Place, message: str, hint: str) -> None:
        document.problems.append(Problem(place, message, hint, document.address))

    try:
        return parse(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        report(
            Place(name),
            f"the file can't be read: {reason}",
            "Write the path of a file that contains a query.",
        )
    except UnicodeDecodeError:
        report(Place(name), "this is not UTF-8", "Save the file as UTF-8.")
    except StatementError as error:
        report(Place(name, error.line, error.column), error.message, error.hint)
    return None
