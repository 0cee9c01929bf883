"""The source of a document's rows if it is a query. What only the database knows is not checked here."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from leanplum_sync.kinds.rows.document import Listing
from leanplum_sync.kinds.rows.site import Path as KeyPath
from leanplum_sync.kinds.rows.source import QuerySource
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources.connections.statement import Statement, StatementError, parse
from leanplum_sync.specs.explain import did_you_mean
from leanplum_sync.specs.file import OpenDocument
from leanplum_sync.specs.paths import PathFault, inside

_FILE_KEYS = ("file", "inline", "format", "delimiter")


def query_source(
    listing: Listing, path: KeyPath, document: OpenDocument, root: Path, connections: Collection[str] | None
) -> QuerySource | None:
    """
    Return the query that *listing*, at *path*, names; None if it can't be one, which is reported.

    *connections* are those of the project, None if that is unknown.
    """
    for key in _FILE_KEYS:
        if getattr(listing, key) is not None:
            document.report(
                (*path, key),
                f"`{key}` can't be used with `connection`",
                f"Remove either `{key}` or `connection`.",
            )
            return None
    if listing.connection is None:
        document.report(
            path,
            "the connection is missing",
            "Write `connection: NAME`, with a connection of the project file.",
        )
        return None
    if listing.query is None:
        document.report(path, "the query is missing", "Write `query: path`, a file with one SELECT.")
        return None
    if connections is not None and listing.connection not in connections:
        hint = did_you_mean(listing.connection, sorted(connections))
        document.report_at(
            document.value_place((*path, "connection")),
            f"the project file has no connection {listing.connection}",
            hint or "Add it under `connections`.",
        )
        return None
    place = document.value_place((*path, "query"))
    target = inside(root, document.file.path.parent, listing.query)
    if isinstance(target, PathFault):
        document.report_at(place, target.message, target.hint)
        return None
    name = target.relative_to(root).as_posix()
    statement = _statement(target, name, document)
    if statement is None:
        return None
    for unused in sorted((listing.parameters or {}).keys() - set(statement.names)):
        document.report(
            (*path, "parameters", unused),
            f"the query has no parameter {unused}",
            did_you_mean(unused, sorted(statement.parameters))
            or f"Write :{unused} in {name}, or remove it here.",
        )
    return QuerySource(
        listing.connection,
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
        report(Place(name), f"the file can't be read: {reason}", "Write the path of a file with a query.")
    except UnicodeDecodeError:
        report(Place(name), "this is not UTF-8", "Save the file as UTF-8.")
    except StatementError as error:
        report(Place(name, error.line, error.column), error.message, error.hint)
    return None
