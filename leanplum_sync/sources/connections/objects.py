"""Files in S3, Google Cloud Storage, Azure or a folder, through obstore. They are downloaded whole before a row is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from leanplum_sync.errors import CredentialError, SourceUnreachableError
from leanplum_sync.kinds.rows.source import (
    FORMATS,
    DataFormat,
    FileSource,
    suffix_and_compression,
)
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources import csv_file, ndjson_file, parquet_file
from leanplum_sync.sources.connections import store_errors, table_texts
from leanplum_sync.sources.connections.adbc import missing_extra
from leanplum_sync.sources.connections.columns import ColumnKind, QueryColumn
from leanplum_sync.sources.connections.endpoints import is_plain
from leanplum_sync.sources.connections.globs import fixed_part, is_pattern, matches, partitions
from leanplum_sync.sources.connections.interrupting import interruptible
from leanplum_sync.sources.connections.reader import Account, Files, FilesError, QueryError, Wanted, batch_of
from leanplum_sync.sources.connections.store_errors import unreachable
from leanplum_sync.sources.connections.tables import FORMATS as TABLE_FORMATS
from leanplum_sync.sources.connections.tables import Table
from leanplum_sync.sources.opening import SourceError
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.number import dumps_exact

if TYPE_CHECKING:
    import pyarrow as pa
    from obstore import GetOptions

    from leanplum_sync.kinds.rows.row import Row
    from leanplum_sync.sources.header import Header

SCHEMES: Final = ("s3", "gs", "az", "file")
_MOST_FILES: Final = 10_000
_MOST_PROBLEMS: Final = 100
_CHUNK: Final = 4 << 20
_ROWS_AT_ONCE: Final = 5_000
_CLIENT: Final = {"timeout": "60s", "connect_timeout": "10s"}
_RETRIES: Final = {"max_retries": 2, "retry_timeout": timedelta(seconds=30)}


@contextmanager
def opened(name: str, url: str, options: Mapping[str, str], scratch: Path) -> Iterator[ObjectReader]:
    """
    Yield the files below *url*. *options* are obstore's, such as ``region``; *scratch* is a folder for what is downloaded.

    Raises:
        CredentialError: the URL or an option can't be used, or obstore is not installed.
    """
    try:
        import obstore  # noqa: PLC0415 - an extra
        import pyarrow  # noqa: F401, ICN001, PLC0415 - as above
    except ImportError as error:
        raise missing_extra(name, "objects") from error
    settings: dict[str, Any] = (
        {}
        if url.startswith("file:")
        else {
            "config": dict(options),
            "client_options": {**_CLIENT, "allow_http": is_plain(options)},
            "retry_config": _RETRIES,
        }
    )
    try:
        store = obstore.store.from_url(url, **settings)
    except (obstore.exceptions.BaseError, ValueError, TypeError, OSError):
        raise CredentialError(f"Connection {name}: its URL or options are not valid. Check them.") from None
    yield ObjectReader(name, store, scratch, url, options)


@dataclass(frozen=True, slots=True)
class _Object:
    """A file that was downloaded as *local*. *name* and *version* are for people."""

    path: str
    name: str
    local: str
    format: DataFormat
    version: str


@dataclass(slots=True)
class ObjectReader:
    name: str
    store: Any
    scratch: Path
    url: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    server: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    _downloaded: dict[str, list[_Object]] = field(default_factory=dict)
    _tables: dict[Files, Table] = field(default_factory=dict)

    def account(self) -> Account:
        with _errors(self.name):
            interruptible(partial(self._first, ""))
        self.server = "The object store"
        return Account()

    def columns(self, query: Wanted, parameters: Mapping[str, Json]) -> tuple[QueryColumn, ...]:
        """Download the files and return the columns of all of them: those of the files, and of their folders."""
        del parameters  # they are in the path already
        files = _files(query)
        if files.format in TABLE_FORMATS:
            types = table_texts.types_of(self._table(files).schema)
            return tuple(table_texts.column(name, shown) for name, shown in types.items())
        found: dict[str, QueryColumn] = {}
        first: tuple[str, set[str]] | None = None
        for each in self._all(files):
            own = self._own_columns(each, files)
            if each.format is not DataFormat.NDJSON:
                first = first or (each.name, set(own))
                self._check_same(each, set(own), *first)
            parted = {name: QueryColumn(name, ColumnKind.TEXT, "text") for name in partitions(each.path)}
            for name, column in {**own, **parted}.items():
                found[name] = _of_both(found.get(name, column), column)
        return tuple(found.values())

    def batches(
        self, query: Wanted, parameters: Mapping[str, Json], columns: Sequence[QueryColumn]
    ) -> Generator[pa.RecordBatch, None, None]:
        del parameters
        files = _files(query)
        if files.format in TABLE_FORMATS:
            with self._table_errors(files):
                yield from table_texts.texts(self._table(files).batches(), columns)
            return
        problems: list[Problem] = []
        for each in self._all(files):

            def report(problem: Problem, each: _Object = each) -> None:
                problems.append(_renamed(problem, each))

            read = self._whole_batches if each.format is DataFormat.PARQUET else self._row_batches
            for batch in read(each, files, columns, report):
                yield batch
                if len(problems) > _MOST_PROBLEMS:
                    break
        if problems:
            raise FilesError(problems[:_MOST_PROBLEMS])

    def _row_batches(
        self, each: _Object, files: Files, columns: Sequence[QueryColumn], report: Callable[[Problem], None]
    ) -> Iterator[pa.RecordBatch]:
        parted, found = partitions(each.path), self._rows(each, files, report)
        while rows := [{**row.values, **parted} for row in islice(found, _ROWS_AT_ONCE)]:
            yield batch_of(
                [[_text(values.get(column.name), column.kind) for column in columns] for values in rows],
                columns,
            )

    def _whole_batches(
        self, each: _Object, files: Files, columns: Sequence[QueryColumn], report: Callable[[Problem], None]
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a Parquet file, whose cells DuckDB makes texts, not row by row."""
        own, parted = self._own_columns(each, files), partitions(each.path)
        cells = [
            table_texts.constant(_text(parted[column.name], column.kind))
            if column.name in parted
            else table_texts.cell(own[column.name], column.kind)
            if column.name in own
            else table_texts.constant(None)
            for column in columns
        ]
        try:
            yield from parquet_file.batches(_source(each, files), self.scratch, cells)
        except SourceError as error:
            for problem in error.problems:
                report(problem)

    def _check_same(self, each: _Object, own: set[str], first: str, columns: set[str]) -> None:
        for column in sorted(own ^ columns):
            lacking, having = (each.name, first) if column in columns else (first, each.name)
            raise QueryError(
                f"{lacking} has no column {column}, but {having} has one",
                "All files of a path must have the same columns. Use separate paths, or export the files again.",
            )

    def _own_columns(self, each: _Object, files: Files) -> Mapping[str, QueryColumn]:
        match each.format:
            case DataFormat.NDJSON:
                problems: list[Problem] = []
                names = {
                    name: None for row in self._rows(each, files, problems.append) for name in row.values
                }
                return {name: QueryColumn(name, ColumnKind.JSON, "JSON") for name in names}
            case DataFormat.CSV:
                header = self._header(each, files, csv_file.header)
                return {name: QueryColumn(name, ColumnKind.TEXT, "text") for name in header.columns or ()}
            case DataFormat.PARQUET:
                header = self._header(each, files, parquet_file.header)
                return {name: table_texts.column(name, shown) for name, shown in header.types.items()}

    def _header(self, each: _Object, files: Files, read: Callable[[FileSource, Path], Header]) -> Header:
        try:
            header = read(_source(each, files), self.scratch)
        except SourceError as error:
            raise FilesError([_renamed(problem, each) for problem in error.problems]) from None
        if header.problems:
            raise FilesError([_renamed(problem, each) for problem in header.problems])
        return header

    def _rows(self, each: _Object, files: Files, report: Callable[[Problem], None]) -> Iterator[Row]:
        """Yield the rows of a file that is not Parquet."""
        read = csv_file.rows if each.format is DataFormat.CSV else ndjson_file.rows
        try:
            yield from read(_source(each, files), self.scratch, report)
        except SourceError as error:
            for problem in error.problems:
                report(problem)

    def _table(self, files: Files) -> Table:
        if files not in self._tables:
            with self._table_errors(files):
                self._tables[files] = self._opened(files)
            table = self._tables[files]
            self.server = f"{(files.format or '').capitalize()} table"
            self.versions = {files.pattern: table.version}
        return self._tables[files]

    @contextmanager
    def _table_errors(self, files: Files) -> Iterator[None]:
        import obstore  # noqa: PLC0415 - an extra

        with _errors(self.name):
            try:
                yield
            except (FileNotFoundError, obstore.exceptions.NotFoundError):
                raise unreachable(
                    self.name, f"{files.pattern}: a file of the table is missing, or was deleted meanwhile"
                ) from None

    def _opened(self, files: Files) -> Table:
        try:
            if files.format == "delta":
                from leanplum_sync.sources.connections import delta  # noqa: PLC0415 - an extra

                address = f"{self.url.rstrip('/')}/{files.pattern}"
                return delta.opened(self.name, address, self.options, files.version)
            from leanplum_sync.sources.connections import iceberg  # noqa: PLC0415 - an extra

            return iceberg.opened(self.store, self.url, files.pattern, files.version)
        except ImportError as error:
            raise missing_extra(self.name, files.format or "") from error

    def _all(self, files: Files) -> list[_Object]:
        """Return the files, sorted by path, after downloading them if that is still to be done."""
        if files.pattern not in self._downloaded:
            metas = self._listed(files)
            self._downloaded[files.pattern] = [
                self._download(meta, files, f"file-{len(self._downloaded)}-{number}")
                for number, meta in enumerate(metas)
            ]
            size = sum(meta["size"] for meta in metas)
            self.server = f"{len(metas):,} file{'' if len(metas) == 1 else 's'} of {size:,} bytes"
            self.versions = {each.path: each.version for each in self._downloaded[files.pattern]}
        return self._downloaded[files.pattern]

    def _listed(self, files: Files) -> list[Any]:
        import obstore  # noqa: PLC0415 - an extra

        with _errors(self.name):
            if is_pattern(files.pattern):
                found = interruptible(partial(self._first, fixed_part(files.pattern), _MOST_FILES * 10))
                metas = [meta for meta in found if matches(meta["path"], files.pattern)]
            else:
                try:
                    metas = [interruptible(partial(obstore.head, self.store, files.pattern))]
                except (FileNotFoundError, obstore.exceptions.NotFoundError):
                    metas = []
        if not metas:
            raise QueryError("no file matches this path", "Check the path and the connection's URL.")
        if len(metas) > _MOST_FILES:
            raise QueryError(f"more than {_MOST_FILES:,} files match this path", "Use a narrower path.")
        return sorted(metas, key=lambda meta: str(meta["path"]))

    def _first(self, prefix: str, count: int = 1) -> list[Any]:
        import obstore  # noqa: PLC0415 - an extra

        chunks: Iterable[Sequence[Any]] = obstore.list(self.store, prefix or None)
        return list(islice((meta for chunk in chunks for meta in chunk), count))

    def _download(self, meta: Any, files: Files, local: str) -> _Object:
        path = str(meta["path"])
        suffix, compression = suffix_and_compression(PurePosixPath(path))
        data_format = DataFormat(files.format) if files.format else FORMATS.get(suffix)
        if data_format is None:
            raise QueryError(
                f"the format of {path} can't be determined from its name",
                "Write `format: csv`, `ndjson`, or `parquet`.",
            )
        local += suffix + ("" if compression.value == "none" else f".{compression.value}")
        with _errors(self.name), (self.scratch / local).open("wb") as file:
            version = self._copy(meta, file)
        return _Object(path, f"{self.name}:{path}", local, data_format, version)

    def _copy(self, meta: Any, file: BinaryIO) -> str:
        """Write to *file* the version that *meta* was listed with, and return that version."""
        import obstore  # noqa: PLC0415 - an extra

        path, size = str(meta["path"]), 0
        options: GetOptions = {"if_match": meta["e_tag"]} if meta["e_tag"] else {}
        try:
            result = interruptible(partial(obstore.get, self.store, path, options=options))
            if not _is_same(meta, result.meta):  # a server may ignore the condition
                raise _changed(self.name, path)
            stream = iter(result.stream(min_chunk_size=_CHUNK))
            while (chunk := interruptible(partial(next, stream, None))) is not None:
                size += len(chunk)
                file.write(memoryview(chunk))
            # A file of a folder may be written to while it is open; an object is replaced as a whole.
            if self.url.startswith("file:") and not _is_same(meta, obstore.head(self.store, path)):
                raise _changed(self.name, path)
        except (obstore.exceptions.PreconditionError, FileNotFoundError, obstore.exceptions.NotFoundError):
            raise _changed(self.name, path) from None
        if size != meta["size"]:
            raise unreachable(self.name, f"{path} ended after {size:,} of {meta['size']:,} bytes")
        return _version(result.meta)


def _files(query: Wanted) -> Files:
    if not isinstance(query, Files):
        raise QueryError("this connection is an object store, which can't run queries", "Use `path`.")
    return query


def _source(each: _Object, files: Files) -> FileSource:
    _, compression = suffix_and_compression(PurePosixPath(each.local))
    delimiter = files.delimiter or ("\t" if ".tsv" in each.local else None)
    return FileSource(each.local, each.format, compression, Place(each.name), delimiter=delimiter)


def _renamed(problem: Problem, each: _Object) -> Problem:
    return replace(problem, place=replace(problem.place, file=each.name))


def _of_both(one: QueryColumn, other: QueryColumn) -> QueryColumn:
    """Return the column of two files. If they differ in kind, each value tells its own."""
    if one.kind is other.kind or one.kind is ColumnKind.OTHER:
        return one
    return other if other.kind is ColumnKind.OTHER else QueryColumn(one.name, ColumnKind.JSON, "JSON")


def _is_same(listed: Any, now: Any) -> bool:
    """Tell whether both are of one version. Servers put quotes around an ETag, or leave them out."""
    return all(
        listed[key] is None or now[key] is None or listed[key].strip('"') == now[key].strip('"')
        for key in ("e_tag", "version")
    )


def _version(meta: Any) -> str:
    """Return what a store calls the version: a generation or version id, if it keeps several, or an ETag."""
    told = [f"version {meta['version']}"] if meta["version"] else []
    return ", ".join([*told, *([f"ETag {meta['e_tag'].strip(chr(34))}"] if meta["e_tag"] else [])])


def _text(value: Json, kind: ColumnKind) -> str | None:
    if value is None:
        return None
    if kind is not ColumnKind.JSON:
        return value if isinstance(value, str) else str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # no JSON: refused with its row where it is read
    return dumps_exact(value).decode()


@contextmanager
def _errors(name: str) -> Iterator[None]:
    import obstore  # noqa: PLC0415 - an extra

    refused = (
        obstore.exceptions.PermissionDeniedError,
        obstore.exceptions.UnauthenticatedError,
        PermissionError,
    )
    try:
        yield
    except refused:
        raise store_errors.refused(name) from None
    except (obstore.exceptions.NotFoundError, FileNotFoundError):
        raise store_errors.no_bucket(name) from None
    except (obstore.exceptions.BaseError, OSError) as error:
        raise store_errors.failure_told(name, str(error)) or unreachable(name) from None


def _changed(name: str, path: str) -> SourceUnreachableError:
    return unreachable(name, f"{path} was changed or deleted while it was read")
