"""
Reads the entries of a snapshot.

NDJSON (also ``.gz`` and ``.zst``): one exportUser element a line, with two more fields

- ``userId`` or ``deviceId``: the subject that was requested. A line with a top-level ``deviceId`` is about that device.
- ``observedAt``: when it was read, in epoch seconds. Without it (files from elsewhere), the time of the file counts.

An entry with ``exportedAttributes`` is made from exportUsers, see ``export_snapshot``, and not read here.

Parquet: the columns ``userId``, ``deviceId``, ``observedAt`` and ``element``, the last as JSON text.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from leanplum_sync.address import Subject
from leanplum_sync.bounds import LINE
from leanplum_sync.duck import connect, failures
from leanplum_sync.errors import SpecError, UnexpectedResponseError
from leanplum_sync.kinds.rows.source import Compression, DataFormat, FileSource
from leanplum_sync.observed.snapshot_pieces import OverBoundError, TornFileError, codec_of, lines, read_pieces
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources.parquet_bounds import check_footer, longest_row, rows_at_once, types_of
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.convert import END_OF_9999
from leanplum_sync.wire.excess import TOO_DEEP, excess, is_suspect, is_too_deep
from leanplum_sync.wire.profile import EXPORTED, read_profile

_ROWS_AT_ONCE: Final = 1000
_REMOVE: Final = "Remove this entry, or pull into a new file."
_MEMORY_MB: Final = 128
_ENTRIES: Final = (
    "SELECT userId::VARCHAR AS userId, deviceId::VARCHAR AS deviceId, observedAt::DOUBLE AS observedAt,"
    " element::VARCHAR AS element FROM read_parquet(?)"
)
_COLUMNS: Final = ("userId", "deviceId", "observedAt", "element")


@dataclass(frozen=True, slots=True)
class Entry:
    """*element* is exportUser's answer; *observed_at* is in epoch seconds; *place* is its line or row in a file."""

    subject: Subject
    element: Mapping[str, Json]
    observed_at: float
    place: Place = field(default=Place(""), compare=False)


def read(path: Path) -> Iterator[Entry]:
    """
    Yield the entries of *path* in the order of the file. If a subject is there twice, the later entry is newer.

    Raises:
        SpecError: the file can't be read as a snapshot; names the file and the line or row.
    """
    try:
        own_time = path.stat().st_mtime
        if path.suffix.lower() == ".parquet":
            yield from _read_parquet(path, own_time)
        else:
            yield from _read_lines(path, own_time)
    except OSError as error:
        raise unusable(
            path, f"the snapshot can't be read: {error.strerror}", "Make one with leanplum-sync pull."
        ) from error


def check_users(path: Path) -> None:
    """
    Raises:
        SpecError: as for ``read``, or an entry of *path* is not a user as returned by exportUser.
    """
    for entry in read(path):
        try:
            read_profile(entry.element)
        except UnexpectedResponseError as error:
            raise _bad(
                entry.place,
                "userAttributes, devices, or warning does not have the form that exportUser returns",
                "Pull this user into a new file with: leanplum-sync pull --out NEW.ndjson",
            ) from error


def encode_entry(entry: Entry) -> bytes:
    """Return the line for *entry*. Whom we asked for counts, not what the response calls them."""
    fields = dict(entry.element)
    fields.pop("deviceId", None)
    fields[entry.subject.kind.id_argument] = entry.subject.id
    fields["observedAt"] = entry.observed_at
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def _read_lines(path: Path, own_time: float) -> Iterator[Entry]:
    number = 0
    with path.open("rb") as file:
        try:
            for number, line in enumerate(lines(read_pieces(file, codec_of(path))), start=1):
                content = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
                if content.strip():
                    yield _decode(content, Place(str(path), number), own_time)
        except TornFileError as error:
            raise unusable(
                path,
                "the compressed data is damaged or cut off here",
                "Pull into the same file again: complete lines are kept.",
                line=number + 1,
            ) from error
        except OverBoundError as error:
            raise unusable(path, str(error), error.hint, line=number + 1) from error


def _decode(line: bytes, place: Place, own_time: float) -> Entry:
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        if is_too_deep(error):
            raise _bad(place, TOO_DEEP, _REMOVE) from error
        fields = None
    if not isinstance(fields, dict):
        cut = "" if line.endswith(b"\n") else " Or the line was cut off: pull into the same file again."
        raise _bad(place, "this is not a JSON object", f"Write one exportUser response per line.{cut}")
    if is_suspect(line) and (message := excess(fields)):
        raise _bad(place, message, _REMOVE)
    if EXPORTED in fields:
        raise _bad(
            place,
            "this entry was made by pull --from-export, and shows only some attributes of the user",
            "Use a snapshot that was made without --from-export.",
        )
    observed_at = fields.pop("observedAt", own_time)
    device_id = fields.pop("deviceId", None)
    return Entry(_subject(fields.get("userId"), device_id, place), fields, _time(observed_at, place), place)


def _read_parquet(path: Path, own_time: float) -> Iterator[Entry]:
    import duckdb  # noqa: PLC0415 - heavy, and needed for such files only

    source = FileSource(str(path), DataFormat.PARQUET, Compression.NONE, Place(str(path)))
    with connect(memory_limit_mb=_MEMORY_MB) as connection:
        try:
            check_footer(connection, str(path), source)
            longest = longest_row(
                connection, str(path), types_of(connection, _ENTRIES, str(path)), source, LINE
            )
            at_once = rows_at_once(longest, _ROWS_AT_ONCE)
            rows = connection.execute(_ENTRIES, [str(path)])
            number = 0
            while batch := rows.fetchmany(at_once):
                for row in batch:
                    number += 1
                    yield _from_row(row, Place(str(path), row=number), own_time)
        except duckdb.OutOfMemoryException as error:
            raise unusable(
                path,
                f"reading the file takes more than {_MEMORY_MB} MB of memory",
                "Write it with smaller row groups.",
            ) from error
        except failures() as error:
            raise unusable(
                path, "this is not a Parquet snapshot", f"It needs the columns {', '.join(_COLUMNS)}."
            ) from error


def _from_row(row: tuple[Any, ...], place: Place, own_time: float) -> Entry:
    user_id, device_id, observed_at, element = row
    try:
        fields = orjson.loads(element)
    except (orjson.JSONDecodeError, TypeError):
        fields = None
    if not isinstance(fields, dict):
        raise _bad(place, "element is not a JSON object", "Write the exportUser response as JSON text.")
    return Entry(
        _subject(user_id, device_id, place),
        fields,
        _time(own_time if observed_at is None else observed_at, place),
        place,
    )


def _subject(user_id: Json, device_id: Json, place: Place) -> Subject:
    for make, value in ((Subject.device, device_id), (Subject.user, user_id)):
        match value:
            case str() if value:
                return make(value)
            case int() if not isinstance(value, bool):
                return make(str(value))
            case _:
                pass
    raise _bad(
        place, "there is no userId or deviceId", "Add the userId or deviceId of the response, as text."
    )


def _time(value: Json, place: Place) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= END_OF_9999:
        return float(value)
    raise _bad(place, "observedAt is not a time", "Write seconds since 1970, or leave it out.")


def _bad(place: Place, message: str, hint: str) -> SpecError:
    return SpecError([Problem(place, message, hint)])


def unusable(path: Path, message: str, hint: str, *, line: int | None = None) -> SpecError:
    return _bad(Place(str(path), line), message, hint)
