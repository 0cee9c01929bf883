"""Where a resource's rows come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath
from typing import Final, TypeAlias, assert_never

from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Json

ROWS_FOLDER: Final = ".leanplum-sync/rows"
AUDIENCE: Final = "audience"
AUDIENCE_ID: Final = "userId"


class DataFormat(StrEnum):
    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


class Compression(StrEnum):
    NONE = "none"
    GZIP = "gz"
    ZSTD = "zst"


FORMATS: Final = {
    ".csv": DataFormat.CSV,
    ".tsv": DataFormat.CSV,
    ".ndjson": DataFormat.NDJSON,
    ".jsonl": DataFormat.NDJSON,
    ".parquet": DataFormat.PARQUET,
}
_COMPRESSIONS: Final = {".gz": Compression.GZIP, ".zst": Compression.ZSTD}


def suffix_and_compression(file: PurePath) -> tuple[str, Compression]:
    """Return the suffix that tells the format, such as ``.csv`` for ``customers.csv.gz``, and the compression."""
    compression = _COMPRESSIONS.get(file.suffix.lower(), Compression.NONE)
    return (file.with_suffix("") if compression is not Compression.NONE else file).suffix.lower(), compression


@dataclass(frozen=True, slots=True)
class NeededColumn:
    """A column that the spec names; *place* is where it does."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class FileSource:
    """
    *path* is relative to the project folder, with forward slashes; *place* is where the spec names the file.

    *needed* is for formats without a header, whose reader knows only at the end that a column is missing. *delimiter* is
    that of a CSV file, None to recognize it. Cells with one of the texts of *empty* are empty.
    """

    path: str
    format: DataFormat
    compression: Compression
    place: Place
    address: str = ""
    needed: tuple[NeededColumn, ...] = ()
    delimiter: str | None = None
    empty: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InlineItem:
    place: Place
    values: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class InlineSource:
    items: tuple[InlineItem, ...]
    place: Place
    empty: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptRows:
    """
    Rows that were read from a connection, and kept in a file.

    *digest* is over columns, types and values: the order in which the rows came doesn't change it. *sha256* is that of the
    file. *count* is the number of rows, *read_at* in seconds since the epoch. *server* is what answered, such as
    ``PostgreSQL 16.2``. *parameters* are the values that the query was given. *versions* are those of the files or tables that
    were read, by path and in the words of their store, such as ``generation 17``.
    """

    digest: str
    sha256: str
    count: int
    read_at: float
    server: str
    parameters: Mapping[str, Json]
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The file, relative to the project folder."""
        return f"{ROWS_FOLDER}/{self.digest}.parquet"


@dataclass(frozen=True, slots=True)
class QuerySource:
    """
    The rows of a query. *path* is the file with its text, *place* where the spec names it.

    *parameters* are the ones that the spec gives; others come from the command line. *kept* is None until the rows were read.
    """

    connection: str
    path: str
    parameters: Mapping[str, Json]
    place: Place
    address: str = ""
    needed: tuple[NeededColumn, ...] = ()
    empty: tuple[str, ...] = ()
    kept: KeptRows | None = None

    @property
    def name(self) -> str:
        """What people call it, also in the places of its rows: ``warehouse:queries/loyal.sql``."""
        return f"{self.connection}:{self.path}"


@dataclass(frozen=True, slots=True)
class ObjectsSource:
    """
    The rows of files of an object store. *path* may hold ``*`` and names in braces, *place* is where the spec names it.

    *format* and *delimiter* None are told by each file. If *format* is ``delta`` or ``iceberg``, *path* is the folder of a table;
    *version* is the table's, or the id of its snapshot, and None the latest. *parameters* and *kept* are as for a query.
    """

    connection: str
    path: str
    parameters: Mapping[str, Json]
    place: Place
    address: str = ""
    format: str | None = None
    delimiter: str | None = None
    version: int | None = None
    needed: tuple[NeededColumn, ...] = ()
    empty: tuple[str, ...] = ()
    kept: KeptRows | None = None

    @property
    def name(self) -> str:
        """What people call it, also in the places of its rows: ``lake:customers/*.parquet``."""
        return f"{self.connection}:{self.path}"


@dataclass(frozen=True, slots=True)
class AudienceSource:
    """
    The users who have *attribute* in the app, with one of *values* as an export spells it; without any, with whatever value.

    *place* is where the spec names the audience. The rows have one column, ``AUDIENCE_ID``. *kept* is as for a query.
    """

    attribute: str
    values: tuple[str, ...]
    place: Place
    address: str = ""
    needed: tuple[NeededColumn, ...] = ()
    empty: tuple[str, ...] = ()
    kept: KeptRows | None = None

    @property
    def connection(self) -> str:
        """Where the rows come from, as for sources that name a connection."""
        return AUDIENCE

    @property
    def path(self) -> str:
        return self.attribute

    @property
    def name(self) -> str:
        """What people call it, also in the places of its rows: ``audience:tier``. It shows no value."""
        return f"{AUDIENCE}:{self.attribute}"


ConnectedSource: TypeAlias = QuerySource | ObjectsSource
ReadSource: TypeAlias = QuerySource | ObjectsSource | AudienceSource
DataSource: TypeAlias = FileSource | InlineSource | QuerySource | ObjectsSource | AudienceSource


def files_of(source: DataSource) -> tuple[str, ...]:
    """Return the files in the project, besides the spec, that decide what the rows are."""
    match source:
        case FileSource(path=path) | QuerySource(path=path):
            return (path,)
        case InlineSource() | ObjectsSource() | AudienceSource():
            return ()
        case _:
            assert_never(source)


def rows_files_of(source: DataSource) -> tuple[str, ...]:
    """Return the files that hold the rows, besides the spec."""
    match source:
        case FileSource(path=path):
            return (path,)
        case QuerySource(kept=kept) | ObjectsSource(kept=kept) | AudienceSource(kept=kept):
            return () if kept is None else (kept.path,)
        case InlineSource():
            return ()
        case _:
            assert_never(source)


def csv_file_of(source: DataSource) -> FileSource | None:
    match source:
        case FileSource():
            return source if source.format is DataFormat.CSV else None
        case InlineSource() | QuerySource() | ObjectsSource() | AudienceSource():
            return None
        case _:
            assert_never(source)


def read_source_of(source: DataSource) -> ReadSource | None:
    """Return *source* if its rows come from a connection, or are an audience."""
    match source:
        case QuerySource() | ObjectsSource() | AudienceSource():
            return source
        case FileSource() | InlineSource():
            return None
        case _:
            assert_never(source)


def connected_source_of(source: DataSource) -> ConnectedSource | None:
    """Return *source* if its rows come from a connection."""
    match source:
        case QuerySource() | ObjectsSource():
            return source
        case FileSource() | InlineSource() | AudienceSource():
            return None
        case _:
            assert_never(source)


def audience_of(source: DataSource) -> AudienceSource | None:
    match source:
        case AudienceSource():
            return source
        case FileSource() | InlineSource() | QuerySource() | ObjectsSource():
            return None
        case _:
            assert_never(source)


def is_readable_now(source: DataSource) -> bool:
    """Tell whether the rows can be read without a connection or an export."""
    read = read_source_of(source)
    return read is None or read.kept is not None
