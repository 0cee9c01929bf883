"""Where a resource's rows come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Json


class DataFormat(StrEnum):
    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


class Compression(StrEnum):
    NONE = "none"
    GZIP = "gz"
    ZSTD = "zst"


@dataclass(frozen=True, slots=True)
class NeededColumn:
    """A column that the spec speaks of; *place* is where it does."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class FileSource:
    """
    *path* is relative to the project folder, with forward slashes; *place* is where the spec names the file.

    *needed* is told to the reader of formats without a header, which finds out at the end that a column is nowhere.
    """

    path: str
    format: DataFormat
    compression: Compression
    place: Place
    address: str = ""
    needed: tuple[NeededColumn, ...] = ()


@dataclass(frozen=True, slots=True)
class InlineItem:
    place: Place
    values: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class InlineSource:
    items: tuple[InlineItem, ...]
    place: Place


DataSource: TypeAlias = FileSource | InlineSource
