"""
Writes the rows of actions that did not succeed to files, which can be corrected, used in the spec, and
planned again.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Final, Protocol

from leanplum_sync.address import Subject
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.rows.row import Row
from leanplum_sync.kinds.rows.source import csv_file_of, files_of
from leanplum_sync.planner.change import Change
from leanplum_sync.planner.plan import Input
from leanplum_sync.problem import Place
from leanplum_sync.sources import Header, file_digest, header, rows
from leanplum_sync.wire.number import dumps_exact

_SUBJECTS_AT_ONCE: Final = 500


class Planned(Protocol):
    """A plan: its changes, and the spec and data files that it was made from."""

    def changes_of(self, subjects: Sequence[Subject]) -> Mapping[Subject, tuple[Change, ...]]: ...
    def inputs(self) -> Sequence[Input]: ...


@dataclass(frozen=True, slots=True)
class Leftovers:
    """*files* were written. Nothing was written for resources with a file in *changed*: their rows may have changed."""

    files: tuple[Path, ...]
    changed: tuple[str, ...] = ()


def write_leftovers(
    plan: Planned, subjects: Iterable[Subject], resources: Iterable[Resource], root: Path, stem: Path
) -> Leftovers:
    """
    Write the rows that asked for the changes of *subjects*, one file a resource that has rows.

    The files are beside *stem* and named after it and the resource: ``run-3.rejected.UserAttributes-loyalty.csv``. Rows
    keep every column and every digit. Rows of CSV stay CSV; all others become NDJSON. Rows are found by their place, so
    a file that no longer is the one that was planned gives none.
    """
    wanted = _places(plan, iter(subjects))
    planned = {each.path: each.sha256 for each in plan.inputs()}
    written: list[Path] = []
    changed: dict[str, None] = {}
    for resource in resources:
        places = wanted.get(str(resource.address))
        if not places or not resource.kind.has_rows:
            continue
        source = resource.source
        csv_source = csv_file_of(source)
        name = f"{stem.name}.{resource.address.kind}-{resource.address.name}"
        path = stem.with_name(f"{name}.{'csv' if csv_source else 'ndjson'}")
        found = (row for row in rows(source, root, _ignore, as_written=True) if row.place in places)
        with _private(path) as file:
            if csv_source is not None:
                _write_csv(found, header(csv_source, root), file)
            else:
                _write_ndjson(found, file)
        read = [resource.place.file, *files_of(source)]
        # Looked at after the rows were read, so that no change escapes between the two.
        others = [each for each in read if each in planned and _digest(root / each) != planned[each]]
        if others:
            path.unlink()
            changed |= dict.fromkeys(others)
        else:
            written.append(path)
    return Leftovers(tuple(written), tuple(changed))


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError:
        return ""


def _places(plan: Planned, subjects: Iterator[Subject]) -> Mapping[str, set[Place]]:
    """Return, by resource, where the rows stand. All of a subject's: what came after a failure was set aside."""
    found: dict[str, set[Place]] = defaultdict(set)
    while page := tuple(islice(subjects, _SUBJECTS_AT_ONCE)):
        for changes in plan.changes_of(page).values():
            for change in changes:
                found[change.resource].add(change.found_at)
    return found


def _ignore(_problem: object) -> None:
    """Rows that can't be read asked for nothing."""


@contextmanager
def _private(path: Path) -> Iterator[IO[bytes]]:
    """The rows hold values of users: like a plan, they are for their owner only."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        yield file


def _write_csv(found: Iterable[Row], head: Header, file: IO[bytes]) -> None:
    columns = head.columns or ()
    lines = csv.writer(_Encoding(file.write), delimiter=head.delimiter, lineterminator="\n")
    lines.writerow(columns)
    lines.writerows([row.values[column] for column in columns] for row in found)


def _write_ndjson(found: Iterable[Row], file: IO[bytes]) -> None:
    file.writelines(dumps_exact(dict(row.values)) + b"\n" for row in found)


class _Encoding:
    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def write(self, text: str) -> None:
        self._write(text.encode())
