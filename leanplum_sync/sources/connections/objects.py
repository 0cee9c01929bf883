"""Files in S3, Google Cloud Storage, Azure or a folder, through obstore. They are downloaded whole before a row is read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from leanplum_sync.errors import CredentialError, SourceUnreachableError
from leanplum_sync.kinds.rows.source import (
    FORMATS,
    DataFormat,
    FileSource,
    suffix_and_compression,
)
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources import csv_file, ndjson_file, parquet_file
from leanplum_sync.sources.connections.adbc import missing_extra
from leanplum_sync.sources.connections.columns import ColumnKind, QueryColumn
from leanplum_sync.sources.connections.globs import fixed_part, is_pattern, matches, partitions
from leanplum_sync.sources.connections.interrupting import interruptible
from leanplum_sync.sources.connections.reader import Account, Files, FilesError, QueryError, Wanted, batch_of
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
_NO_BUCKET: Final = re.compile("NoSuchBucket|status code: 404")  # obstore has no error of its own for it
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
    is_plain = options.get("endpoint", "").startswith("http://")
    settings: dict[str, Any] = (
        {}
        if url.startswith("file:")
        else {
            "config": dict(options),
            "client_options": {**_CLIENT, "allow_http": is_plain},
            "retry_config": _RETRIES,
        }
    )
    try:
        store = obstore.store.from_url(url, **settings)
    except (obstore.exceptions.BaseError, ValueError, TypeError, OSError):
        raise CredentialError(f"Connection {name}: its URL or options are not valid. Check them.") from None
    yield ObjectReader(name, store, scratch)


@dataclass(frozen=True, slots=True)
class _Object:
    """A file that was downloaded as *local*. *name* is for people."""

    path: str
    name: str
    local: str
    format: DataFormat


@dataclass(slots=True)
class ObjectReader:
    name: str
    store: Any
    scratch: Path
    server: str = ""
    _downloaded: dict[str, list[_Object]] = field(default_factory=dict)

    def account(self) -> Account:
        with _errors(self.name):
            interruptible(partial(self._first, ""))
        self.server = "The object store"
        return Account()

    def columns(self, query: Wanted, parameters: Mapping[str, Json]) -> tuple[QueryColumn, ...]:
        """Download the files and return the columns of all of them: those of the files, and of their folders."""
        del parameters  # they are in the path already
        files = _files(query)
        kinds: dict[str, tuple[ColumnKind, str]] = {}
        first: tuple[str, set[str]] | None = None
        for each in self._all(files):
            own = self._own_columns(each, files)
            if each.format is not DataFormat.NDJSON:
                first = first or (each.name, set(own))
                self._check_same(each, set(own), *first)
            parted = dict.fromkeys(partitions(each.path), (ColumnKind.TEXT, "text"))
            for column, (kind, shown) in {**own, **parted}.items():
                before, _ = kinds.get(column, (kind, shown))
                kinds[column] = (kind if kind is before else _of_both(kind, before)), shown
        return tuple(QueryColumn(column, kind, shown) for column, (kind, shown) in kinds.items())

    def batches(
        self, query: Wanted, parameters: Mapping[str, Json], columns: Sequence[QueryColumn]
    ) -> Generator[pa.RecordBatch, None, None]:
        del parameters
        files = _files(query)
        problems: list[Problem] = []
        for each in self._all(files):
            parted = partitions(each.path)

            def report(problem: Problem, name: str = each.name) -> None:
                problems.append(replace(problem, place=replace(problem.place, file=name)))

            found = self._rows(each, files, report)
            while rows := [{**row.values, **parted} for row in islice(found, _ROWS_AT_ONCE)]:
                yield batch_of(
                    [[_text(values.get(column.name), column.kind) for column in columns] for values in rows],
                    columns,
                )
                if len(problems) > _MOST_PROBLEMS:
                    break
        if problems:
            raise FilesError(problems[:_MOST_PROBLEMS])

    def _check_same(self, each: _Object, own: set[str], first: str, columns: set[str]) -> None:
        for column in sorted(own ^ columns):
            lacking, having = (each.name, first) if column in columns else (first, each.name)
            raise QueryError(
                f"{lacking} has no column {column}, but {having} has one",
                "All files of a path must have the same columns. Use separate paths, or export the files again.",
            )

    def _own_columns(self, each: _Object, files: Files) -> Mapping[str, tuple[ColumnKind, str]]:
        match each.format:
            case DataFormat.NDJSON:
                problems: list[Problem] = []
                names = {
                    name: None for row in self._rows(each, files, problems.append) for name in row.values
                }
                return dict.fromkeys(names, (ColumnKind.JSON, "JSON"))
            case DataFormat.CSV:
                header = self._header(each, files, csv_file.header)
                return dict.fromkeys(header.columns or (), (ColumnKind.TEXT, "text"))
            case DataFormat.PARQUET:
                header = self._header(each, files, parquet_file.header)
                return {column: (_kind_of(shown), shown) for column, shown in header.types.items()}

    def _header(self, each: _Object, files: Files, read: Callable[[FileSource, Path], Header]) -> Header:
        try:
            header = read(_source(each, files), self.scratch)
        except SourceError as error:
            raise FilesError([_renamed(problem, each) for problem in error.problems]) from None
        if header.problems:
            raise FilesError([_renamed(problem, each) for problem in header.problems])
        return header

    def _rows(self, each: _Object, files: Files, report: Callable[[Problem], None]) -> Iterator[Row]:
        source = _source(each, files)
        try:
            match each.format:
                case DataFormat.CSV:
                    yield from csv_file.rows(source, self.scratch, report)
                case DataFormat.NDJSON:
                    yield from ndjson_file.rows(source, self.scratch, report)
                case DataFormat.PARQUET:
                    yield from parquet_file.rows(source, self.scratch, report)
        except SourceError as error:
            for problem in error.problems:
                report(problem)

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
        size = 0
        with _errors(self.name), (self.scratch / local).open("wb") as file:
            for chunk in self._chunks(path, meta["e_tag"]):
                size += len(chunk)
                file.write(chunk)
        if size != meta["size"]:
            raise _unreachable(self.name, f"{path} ended after {size:,} of {meta['size']:,} bytes")
        return _Object(path, f"{self.name}:{path}", local, data_format)

    def _chunks(self, path: str, e_tag: str | None) -> Iterator[Any]:
        """Yield the bytes of the version that was listed."""
        import obstore  # noqa: PLC0415 - an extra

        options: GetOptions = {"if_match": e_tag} if e_tag else {}
        try:
            result = interruptible(partial(obstore.get, self.store, path, options=options))
            stream = iter(result.stream(min_chunk_size=_CHUNK))
            while (chunk := interruptible(partial(next, stream, None))) is not None:
                yield memoryview(chunk)
        except (obstore.exceptions.PreconditionError, FileNotFoundError, obstore.exceptions.NotFoundError):
            raise _unreachable(self.name, f"{path} was changed or deleted while it was read") from None


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


def _kind_of(duckdb_type: str) -> ColumnKind:
    if not parquet_file.usable(duckdb_type):
        return ColumnKind.OTHER
    return ColumnKind.TEXT if parquet_file.holds_text(duckdb_type) else ColumnKind.JSON


def _of_both(one: ColumnKind, other: ColumnKind) -> ColumnKind:
    return ColumnKind.OTHER if ColumnKind.OTHER in (one, other) else ColumnKind.JSON


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

    try:
        yield
    except (
        obstore.exceptions.PermissionDeniedError,
        obstore.exceptions.UnauthenticatedError,
        PermissionError,
    ):
        raise CredentialError(
            f"Connection {name}: the object store refused access (403 or 401). Check its keys and its permissions."
        ) from None
    except (obstore.exceptions.BaseError, OSError) as error:
        is_missing = isinstance(error, obstore.exceptions.NotFoundError | FileNotFoundError)
        if is_missing or _NO_BUCKET.search(str(error)):
            raise CredentialError(
                f"Connection {name}: there is no such bucket or folder. Check the connection's URL."
            ) from None
        raise _unreachable(name, "the object store can't be reached, or failed") from None


def _unreachable(name: str, what: str) -> SourceUnreachableError:
    return SourceUnreachableError(f"Connection {name}: {what}. Nothing was kept. Run the command again.")
