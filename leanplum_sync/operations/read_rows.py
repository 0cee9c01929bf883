"""Reads the rows of queries, once, and keeps them: from then on the specs can be checked and planned without the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, assert_never

from leanplum_sync.errors import CredentialError, SourceUnreachableError, UsageError
from leanplum_sync.kinds.rows.source import (
    ConnectedSource,
    KeptRows,
    ObjectsSource,
    QuerySource,
    connected_source_of,
    read_source_of,
)
from leanplum_sync.planner.plan import RowsRead
from leanplum_sync.problem import Place, Problem
from leanplum_sync.project.model import Connection, FromVariable, Setting
from leanplum_sync.project.settings import STATE_FOLDER
from leanplum_sync.sources.connections import globs, kept_index
from leanplum_sync.sources.connections.columns import ColumnKind, QueryColumn
from leanplum_sync.sources.connections.keeping import keep
from leanplum_sync.sources.connections.opening import opened, target_of
from leanplum_sync.sources.connections.reader import Files, FilesError, QueryError, Reader, Wanted
from leanplum_sync.sources.connections.statement import parse
from leanplum_sync.specs.explain import did_you_mean
from leanplum_sync.staging.scratch import ScratchFolder
from leanplum_sync.wire.action import Json

if TYPE_CHECKING:
    from leanplum_sync.clock import Clock
    from leanplum_sync.kinds import Resource
    from leanplum_sync.kinds.rows.source import NeededColumn
    from leanplum_sync.progress import Progress
    from leanplum_sync.specs import Loaded

_TRIES: Final = 3
WAIT_SECONDS: Final = 1.0  # before the second attempt
_NUMBERS: Final = (ColumnKind.INTEGER, ColumnKind.DECIMAL, ColumnKind.DOUBLE)


class ReadsAudiences(Protocol):
    def __call__(self, loaded: Loaded, reading: Reading) -> Loaded:
        """Return *loaded*, which has no problems, with the rows of its audiences kept, and a problem for each audience that is not of the expected size."""


@dataclass(frozen=True, slots=True)
class Reading:
    """
    *environ* holds the URLs that the project file leaves to it. *given* are the values of ``--set``; one that no query uses is
    refused if *refuses_unused*. *audiences* exports the users of audiences; None leaves them unread. Rows that were read less than *max_age_seconds* ago are not read again; None reads all.
    """

    environ: Mapping[str, str]
    clock: Clock
    progress: Progress
    given: Mapping[str, str]
    max_age_seconds: float | None = None
    refuses_unused: bool = True
    audiences: ReadsAudiences | None = None


@dataclass(frozen=True, slots=True)
class _Query:
    """One resource's query, with all its parameters."""

    resource: Resource
    source: ConnectedSource
    wanted: Wanted
    parameters: Mapping[str, Json]
    root: Path
    connection: Connection
    url: str
    options: Mapping[str, str]


_Answer: TypeAlias = KeptRows | list[Problem] | None
_Read: TypeAlias = Callable[[Reader, _Query, Reading], _Answer]


def read_rows(loaded: Loaded, reading: Reading) -> Loaded:
    """
    Return *loaded* with the rows of all its queries and audiences kept, and with the problems of these queries.

    Nothing is read if *loaded* has problems already. All queries of a connection see one state of its database.

    Raises:
        SourceUnreachableError: a database can't be reached, or failed three times.
        CredentialError: a URL is missing, a database refuses the account, or a driver is not installed.
        UsageError: a value of ``--set`` is for no query.
        StorageError: there is no room for the rows.
        RateLimitedError, ExportFailedError, NoAnswerError, ApiError: an audience can't be exported now.
    """
    loaded = _read(loaded, reading, _kept)
    return loaded if reading.audiences is None or loaded.problems else reading.audiences(loaded, reading)


def check_queries(loaded: Loaded, reading: Reading) -> Loaded:
    """Return *loaded* with the problems of its queries. Each is asked for its columns, and no row is read. Errors: ``read_rows``."""
    return _read(loaded, reading, _checked)


def with_rows(loaded: Loaded, kept: Mapping[str, RowsRead]) -> Loaded:
    """Return *loaded* with the rows that a plan was made from, by ``kind/name``."""
    resources = (
        with_kept(each, kept[str(each.address)].kept) if str(each.address) in kept else each
        for each in loaded.resources
    )
    return replace(loaded, resources=tuple(resources))


def rows_read(loaded: Loaded) -> Mapping[str, RowsRead]:
    """Return the rows that *loaded* has from connections, by ``kind/name``."""
    return {
        str(resource.address): RowsRead(source.connection, source.path, source.kept)
        for resource in loaded.resources
        if (source := read_source_of(resource.source)) is not None and source.kept is not None
    }


def with_kept(resource: Resource, kept: KeptRows | None) -> Resource:
    source = read_source_of(resource.source)
    return resource if source is None else replace(resource, source=replace(source, kept=kept))


def _read(loaded: Loaded, reading: Reading, read: _Read) -> Loaded:
    if loaded.problems or loaded.project is None:
        return loaded
    queries: dict[str, list[_Query]] = defaultdict(list)
    problems: list[Problem] = []
    for resource in loaded.resources:
        if (source := connected_source_of(resource.source)) is not None:
            connection = loaded.project.connections[source.connection]
            url, options = url_of(connection, reading.environ), _options(connection, reading.environ)
            wanted, parameters = _wanted(source, loaded.root, reading.given, problems)
            queries[source.connection].append(
                _Query(resource, source, wanted, parameters, loaded.root, connection, url, options)
            )
    if reading.refuses_unused:
        _check_given(reading.given, [query for each in queries.values() for query in each])
    found: dict[str, KeptRows | None] = {}
    for of_connection in queries.values() if not problems else ():
        for query, answer in zip(of_connection, _of_connection(of_connection, reading, read), strict=True):
            if isinstance(answer, list):
                problems += answer
            else:
                found[str(query.resource.address)] = answer
    resources = tuple(
        each if connected_source_of(each.source) is None else with_kept(each, found.get(str(each.address)))
        for each in loaded.resources
    )
    return replace(loaded, resources=resources, problems=(*loaded.problems, *problems))


def _check_given(given: Mapping[str, str], queries: Sequence[_Query]) -> None:
    used = {name for query in queries for name in query.parameters}
    for name in sorted(given.keys() - used):
        close = did_you_mean(name, sorted(used))
        raise UsageError(f"--set {name}: no query has a parameter of this name. {close}".rstrip())


@contextmanager
def connected_to(connection: Connection, root: Path, environ: Mapping[str, str]) -> Iterator[Reader]:
    """
    Open *connection*. *root* is the project folder.

    Raises:
        SourceUnreachableError: it doesn't answer.
        CredentialError: a variable is not set, the account is refused, or a driver is not installed.
    """
    url = url_of(connection, environ)
    options = _options(connection, environ)
    with scratch_in(root) as scratch, opened(connection.name, url, root, options, scratch) as reader:
        yield reader


def _options(connection: Connection, environ: Mapping[str, str]) -> Mapping[str, str]:
    return {name: text_of(setting, environ) for name, setting in connection.options.items()}


def url_of(connection: Connection, environ: Mapping[str, str]) -> str:
    """
    Raises:
        CredentialError: the variable that holds it is not set.
    """
    return text_of(connection.url, environ)


def text_of(setting: Setting, environ: Mapping[str, str]) -> str:
    """
    Raises:
        CredentialError: the variable that holds it is not set.
    """
    match setting:
        case str():
            return setting
        case FromVariable() as variable:
            if text := variable.text(environ):
                return text
            raise CredentialError(
                f"{variable.name} is not set, but a connection in the project file reads its URL or an option from it."
            )


def _wanted(
    source: ConnectedSource, root: Path, given: Mapping[str, str], problems: list[Problem]
) -> tuple[Wanted, Mapping[str, Json]]:
    match source:
        case QuerySource():
            statement = parse((root / source.path).read_text(encoding="utf-8-sig"))
            return statement, _parameters(source, statement.parameters, given, problems)
        case ObjectsSource():
            parameters = _parameters(source, globs.parameters_of(source.path), given, problems)
            pattern = source.path
            try:
                pattern = pattern if None in parameters.values() else globs.filled(pattern, parameters)
            except ValueError as error:
                problems.append(
                    Problem(
                        source.place,
                        f"the value of {error} can't be part of a path",
                        "It must not be empty or contain a slash.",
                        source.address,
                    )
                )
            return Files(pattern, source.format, source.delimiter, source.version), parameters
        case _:
            assert_never(source)


def _parameters(
    source: ConnectedSource, names: Sequence[str], given: Mapping[str, str], problems: list[Problem]
) -> Mapping[str, Json]:
    found: dict[str, Json] = {}
    for name in names:
        if name in given:
            found[name] = _as(given[name], source.parameters.get(name), name)
        elif name in source.parameters:
            found[name] = source.parameters[name]
        else:
            found[name] = None
            problems.append(
                Problem(
                    source.place,
                    f"the parameter {name} has no value",
                    f"Add it to `parameters`, or pass --set {name}=VALUE.",
                    source.address,
                )
            )
    return found


def _as(text: str, default: Json, name: str) -> Json:
    """Return *text* as a value of the type of *default*, which it replaces."""
    try:
        match default:
            case bool():
                return {"true": True, "false": False}[text]
            case int():
                return int(text)
            case float():
                return float(text)
            case _:
                return text
    except (ValueError, KeyError):
        kind = {bool: "true or false", int: "a whole number", float: "a number"}[type(default)]
        raise UsageError(f"--set {name}: the value in the spec is {kind}, but this value is not.") from None


def _of_connection(queries: Sequence[_Query], reading: Reading, read: _Read) -> list[_Answer]:
    """Reading changes nothing, so it begins again if the database fails meanwhile."""
    first = queries[0]
    for attempt in range(1, _TRIES + 1):
        try:
            with connected_to(first.connection, first.root, reading.environ) as reader:
                return [read(reader, query, reading) for query in queries]
        except SourceUnreachableError:
            if attempt == _TRIES:
                raise
            reading.clock.sleep(attempt * WAIT_SECONDS)
    raise AssertionError  # the last attempt returned or raised


def _columns(reader: Reader, query: _Query) -> tuple[QueryColumn, ...] | list[Problem]:
    try:
        columns = reader.columns(query.wanted, query.parameters)
    except (QueryError, FilesError) as error:
        return _problems(query.source, error)
    problems = list(_column_problems(query, {column.name: column for column in columns}))
    return problems or columns


def _checked(reader: Reader, query: _Query, _reading: Reading) -> list[Problem] | None:
    found = _columns(reader, query)
    return found if isinstance(found, list) else None


def _kept(reader: Reader, query: _Query, reading: Reading) -> KeptRows | list[Problem]:
    source, root = query.source, query.root
    key = kept_index.key_of(
        source, root, target_of(query.url, query.options, reading.environ), query.parameters
    )
    now = reading.clock.now()
    if reading.max_age_seconds is not None:
        kept = kept_index.find(key, root, now - reading.max_age_seconds)
        if kept is not None:
            return kept
    columns = _columns(reader, query)
    if isinstance(columns, list):
        return columns
    try:
        with (
            scratch_in(root) as scratch,
            reading.progress.track(f"Reading {source.name}", None, "row") as task,
            closing(reader.batches(query.wanted, query.parameters, columns)) as batches,
        ):
            kept = keep(
                columns,
                batches,
                root,
                scratch,
                sorted_by=query.resource.id_column.name,
                parameters=query.parameters,
                read_at=now,
                server=reader.server,
                advance=task.advance,
            )
    except (QueryError, FilesError) as error:
        return _problems(source, error)
    kept = replace(kept, versions=reader.versions)
    kept_index.note(key, kept, root)
    return kept


@contextmanager
def scratch_in(root: Path) -> Iterator[Path]:
    folder = ScratchFolder(root / STATE_FOLDER)
    try:
        yield folder.path
    finally:
        folder.close()


def _problems(source: ConnectedSource, error: QueryError | FilesError) -> list[Problem]:
    match error:
        case QueryError():
            return [Problem(Place(source.name), error.message, error.hint, source.address)]
        case FilesError():
            return [replace(problem, address=source.address) for problem in error.problems]


def _column_problems(query: _Query, columns: Mapping[str, QueryColumn]) -> Iterator[Problem]:
    ids = {column.name for column in query.resource.id_columns}
    for needed in query.resource.columns_needed():
        column = columns.get(needed.name)
        if column is None:
            hint = did_you_mean(needed.name, sorted(columns)) or "Names are case-sensitive."
            yield _of_column(query, needed, f"{query.source.name} has no column {needed.name}", hint)
        elif needed.name in ids and not _can_be_id(column):
            yield _of_column(
                query,
                needed,
                f"column {needed.name} of {query.source.name} is of type {column.type}, but ids must be text",
                "Convert them to text at the source (in a query, use CAST)."
                + (" Numbers have lost their leading zeros." if column.kind in _NUMBERS else ""),
            )
        elif column.kind is ColumnKind.OTHER:
            yield _of_column(
                query,
                needed,
                f"column {needed.name} of {query.source.name} is of type {column.type}, which can't become a value",
                "Convert it to text, a number, a boolean, a date, or a list of these at the source (in a query, use CAST).",
            )


def _can_be_id(column: QueryColumn) -> bool:
    """Each row tells by itself what its JSON is."""
    return column.kind is ColumnKind.TEXT or (column.kind is ColumnKind.JSON and column.type == "JSON")


def _of_column(query: _Query, needed: NeededColumn, message: str, hint: str) -> Problem:
    return Problem(needed.place, message, hint, query.source.address)
