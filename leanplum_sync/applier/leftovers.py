"""The rows behind what did not succeed, written to files that are sources themselves: mend them, name them in the spec, plan again."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Final, Protocol

from leanplum_sync.address import Subject
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.rows.row import Row
from leanplum_sync.kinds.rows.source import DataFormat, FileSource
from leanplum_sync.planner.change import Change
from leanplum_sync.problem import Place
from leanplum_sync.sources import header, rows
from leanplum_sync.wire.number import dumps_exact

_SUBJECTS_AT_ONCE: Final = 500


class Changes(Protocol):
    def changes_of(self, subjects: Sequence[Subject]) -> Mapping[Subject, tuple[Change, ...]]: ...


def write_leftovers(
    plan: Changes, subjects: Iterable[Subject], resources: Iterable[Resource], root: Path, stem: Path
) -> tuple[Path, ...]:
    """
    Write the rows that asked for the changes of *subjects*, one file a resource, and return the files.

    They stand beside *stem* and are named after it and the resource: ``run-3.rejected.UserAttributes-loyalty.csv``. The
    row is taken over whole, so the file has the columns that the spec speaks of. Rows of CSV stay CSV; all others become NDJSON.
    """
    wanted = _places(plan, iter(subjects))
    written = []
    for resource in resources:
        places = wanted.get(str(resource.address))
        if not places:
            continue
        is_csv = isinstance(resource.source, FileSource) and resource.source.format is DataFormat.CSV
        name = f"{stem.name}.{resource.address.kind}-{resource.address.name}"
        path = stem.with_name(f"{name}.{'csv' if is_csv else 'ndjson'}")
        found = (row for row in rows(resource.source, root, _pass_over) if row.place in places)
        with _private(path) as file:
            if is_csv and isinstance(resource.source, FileSource):
                _write_csv(found, header(resource.source, root).columns or (), file)
            else:
                _write_ndjson(found, file)
        written.append(path)
    return tuple(written)


def _places(plan: Changes, subjects: Iterator[Subject]) -> Mapping[str, set[Place]]:
    """Return, by resource, where the rows stand. All of a subject's: what came after a failure was set aside."""
    found: dict[str, set[Place]] = defaultdict(set)
    while page := tuple(islice(subjects, _SUBJECTS_AT_ONCE)):
        for changes in plan.changes_of(page).values():
            for change in changes:
                found[change.resource].add(change.found_at)
    return found


def _pass_over(_problem: object) -> None:
    """Rows that can't be read asked for nothing."""


@contextmanager
def _private(path: Path) -> Iterator[IO[bytes]]:
    """The rows hold values of users: like a plan, they are for their owner only."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        yield file


def _write_csv(found: Iterable[Row], columns: Sequence[str], file: IO[bytes]) -> None:
    lines = csv.writer(_Encoding(file.write), lineterminator="\n")
    lines.writerow(columns)
    lines.writerows([row.values[column] for column in columns] for row in found)


def _write_ndjson(found: Iterable[Row], file: IO[bytes]) -> None:
    file.writelines(dumps_exact(dict(row.values)) + b"\n" for row in found)


class _Encoding:
    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def write(self, text: str) -> None:
        self._write(text.encode())
