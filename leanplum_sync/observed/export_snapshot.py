"""
Merges the files of exportUsers jobs, one for each attribute, into a snapshot.

An entry has what is certain in ``userAttributes``, and what is not in ``uncertain``, as the files have it. ``exportedAttributes``
names all that were exported: one without a value in the entry is unknown, not absent. Because of this key, an entry is never
taken for exportUser's response, which has everything about a user.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

import orjson

from leanplum_sync.address import Subject
from leanplum_sync.duck import connect
from leanplum_sync.errors import ExportFailedError
from leanplum_sync.observed.export_rows import ExportRow, read_rows
from leanplum_sync.observed.snapshot_entries import Entry, encode_entry
from leanplum_sync.observed.snapshot_pieces import codec_of
from leanplum_sync.observed.snapshot_writer import ENTRIES_PER_PIECE
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.profile import EXPORTED

_MEMORY_MB: Final = 256
_ROWS_AT_ONCE: Final = 10_000
_ONE_IN: Final = 100
_IN_ORDER: Final = """
SELECT id, attribute, text, certain
FROM read_json(?, format = 'newline_delimited',
    columns = {'id': 'VARCHAR', 'attribute': 'INTEGER', 'text': 'VARCHAR', 'certain': 'BOOLEAN'})
ORDER BY id, attribute
"""


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """The *paths* of one job's files, and when the job was asked for, in epoch seconds."""

    attribute: str
    paths: Sequence[Path]
    asked_at: float


@dataclass(slots=True)
class ExportCounts:
    """*users* are in the snapshot. The others count the users of each attribute's file: all of them, those whose value is not certain, and those with an empty one."""

    users: int = 0
    listed: Counter[str] = field(default_factory=Counter)
    uncertain: Counter[str] = field(default_factory=Counter)
    empty: Counter[str] = field(default_factory=Counter)

    def check(self) -> None:
        """
        If each file has many users without a value, files list everyone, and have as many users as each other, but for those
        who were created between two jobs.

        Raises:
            ExportFailedError: one has far fewer users than another.
        """
        if not all(self.empty[name] * _ONE_IN >= count for name, count in self.listed.items()):
            return
        ranked = self.listed.most_common()
        (most, highest), (least, lowest) = ranked[0], ranked[-1]
        if (highest - lowest) * _ONE_IN > highest:
            raise ExportFailedError(
                f"Its file lists {lowest:,} users, and that of {most} lists {highest:,}: it was cut off.",
                attribute=least,
            )


def merge(files: Sequence[ExportedFile], into: Path, scratch: Path) -> ExportCounts:
    """
    Write the snapshot *into*, sorted by user: the whole file or, after an error or a crash, none of it.

    Its entries are as old as the oldest file. What doesn't fit in memory goes to the folder *scratch*.

    Raises:
        ExportFailedError: a file can't be used, or has far fewer rows than another that lists all users.
        OSError: there is no space.
    """
    counts = ExportCounts(listed=Counter({each.attribute: 0 for each in files}))
    observed_at = min(each.asked_at for each in files)
    names = [each.attribute for each in files]
    rows = scratch / "rows.ndjson"
    beside = _beside(into)
    try:
        with rows.open("wb") as file:
            file.writelines(_encoded(files))
        into.parent.mkdir(parents=True, exist_ok=True)
        _write(_entries(rows, scratch, names, counts), beside, observed_at)
        counts.check()
        beside.replace(into)
        _make_durable(into.parent)
    finally:
        rows.unlink(missing_ok=True)
        beside.unlink(missing_ok=True)
    return counts


def check_writable(into: Path) -> None:
    """
    Raises:
        OSError: the snapshot can't be written.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(into)
    beside.touch()
    beside.unlink()


def _beside(into: Path) -> Path:
    return into.with_name(f"{into.name}.part{into.suffix}")


def _encoded(files: Sequence[ExportedFile]) -> Iterator[bytes]:
    for number, exported in enumerate(files):
        for path in exported.paths:
            for row in _named(exported.attribute, read_rows(path)):
                yield orjson.dumps(
                    {"id": row.user_id, "attribute": number, "text": row.text, "certain": row.is_certain},
                    option=orjson.OPT_APPEND_NEWLINE,
                )


def _named(attribute: str, rows: Iterator[ExportRow]) -> Iterator[ExportRow]:
    try:
        yield from rows
    except ExportFailedError as error:
        raise ExportFailedError(str(error), attribute=attribute) from None


def _entries(
    rows: Path, scratch: Path, names: Sequence[str], counts: ExportCounts
) -> Iterator[tuple[str, dict[str, Json]]]:
    with connect(memory_limit_mb=_MEMORY_MB, spill=scratch) as connection:
        found = connection.execute(
            _IN_ORDER,
            [str(rows)],
        )
        for user_id, of_user in groupby(_in_pieces(found), key=lambda row: row[0]):
            certain: dict[str, Json] = {}
            uncertain: dict[str, Json] = {}
            for number, of_attribute in groupby(of_user, key=lambda row: row[1]):
                each = list(of_attribute)
                name, texts = names[number], {row[2] for row in each}
                is_certain = len(texts) == 1 and all(row[3] for row in each)
                (certain if is_certain else uncertain)[name] = each[-1][2]
                counts.empty[name] += texts == {""}
            counts.uncertain.update(uncertain.keys())
            counts.listed.update([*certain, *uncertain])
            counts.users += 1
            yield user_id, {"userAttributes": certain, "uncertain": uncertain, EXPORTED: list(names)}


def _in_pieces(found: object) -> Iterator[tuple[str, int, str, bool]]:
    while batch := found.fetchmany(_ROWS_AT_ONCE):  # type: ignore[attr-defined]  # DuckDB's connection
        yield from batch


def _write(entries: Iterable[tuple[str, dict[str, Json]]], into: Path, observed_at: float) -> None:
    codec = codec_of(into)
    waiting: list[bytes] = []

    with into.open("wb") as file:

        def flush() -> None:
            content = b"".join(waiting)
            file.write(content if codec is None else codec.compress(content))
            waiting.clear()

        for user_id, element in entries:
            waiting.append(encode_entry(Entry(Subject.user(user_id), element, observed_at)))
            if len(waiting) >= ENTRIES_PER_PIECE:
                flush()
        if waiting:
            flush()
        file.flush()
        os.fsync(file.fileno())


def _make_durable(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
