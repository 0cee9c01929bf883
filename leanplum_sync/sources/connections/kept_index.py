"""Which rows were kept for which query, so that they need not be read again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, assert_never

import orjson

from leanplum_sync.errors import StorageError
from leanplum_sync.kinds.rows.source import (
    ROWS_FOLDER,
    AudienceSource,
    KeptRows,
    ObjectsSource,
    QuerySource,
    ReadSource,
)
from leanplum_sync.sources.opening import file_digest
from leanplum_sync.wire.action import Json

_FORMAT: Final = 1


def key_of(source: ReadSource, root: Path, target: str, parameters: Mapping[str, Json]) -> str:
    """Return what stands for a query or files with their parameters, or an audience, and the *target* where they are."""
    match source:
        case QuerySource():
            wanted = file_digest(root / source.path)
        case ObjectsSource():
            wanted = f"{source.path} {source.format} {source.delimiter} {source.version}"
        case AudienceSource(attribute=attribute, values=values):
            wanted = orjson.dumps([attribute, *sorted(values)]).decode()
        case _:
            assert_never(source)
    told = [_FORMAT, source.connection, target, wanted, dict(parameters)]
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def note(key: str, kept: KeptRows, root: Path) -> None:
    """
    Note that *kept* are the rows of *key*.

    Raises:
        StorageError: it can't be written.
    """
    path = _path(key, root)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            file.write(as_json(kept))
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StorageError(f"{path}: it can't be written: {error.strerror}.") from error


def find(key: str, root: Path, not_before: float) -> KeptRows | None:
    """Return the rows of *key* that were read at *not_before* or later, if they are still what was kept."""
    try:
        kept = from_json(_path(key, root).read_bytes())
        is_sound = kept.read_at >= not_before and file_digest(root / kept.path) == kept.sha256
    except (OSError, ValueError, TypeError):
        return None
    return kept if is_sound else None


def prune(root: Path, before: float) -> tuple[Path, ...]:
    """Remove the rows that were read before this time, in seconds since the epoch, and return their files."""
    removed = [path for path in sorted((root / ROWS_FOLDER).glob("*")) if path.stat().st_mtime < before]
    for path in removed:
        path.unlink()
    return tuple(removed)


def as_json(kept: KeptRows) -> bytes:
    return orjson.dumps(asdict(kept), option=orjson.OPT_SORT_KEYS)


def from_json(data: bytes) -> KeptRows:
    values: dict[str, Any] = orjson.loads(data)
    return KeptRows(**values)


def _path(key: str, root: Path) -> Path:
    return root / ROWS_FOLDER / f"{key}.json"
