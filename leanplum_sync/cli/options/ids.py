"""Users and devices named on the command line or listed in a data file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click

from leanplum_sync.address import Subject, SubjectKind
from leanplum_sync.errors import SpecError
from leanplum_sync.kinds import FileSource
from leanplum_sync.kinds.rows.row import CellError, checked_id
from leanplum_sync.kinds.rows.source import FORMATS, files_of, suffix_and_compression
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources import header, rows
from leanplum_sync.specs import Loaded

# Source: Leanplum docs, CSV import: the columns that identify the user or device of a row.
_OWN_COLUMNS: Final[dict[str, Callable[[str], Subject]]] = {
    "userId": Subject.user,
    "deviceId": Subject.device,
}

id_column_option: Final = click.option(
    "--id",
    "id_column",
    metavar="COLUMN",
    help="The column of FILE that holds the ids. Default: userId or deviceId, or the id column of a spec that reads FILE.",
)


def subject_of(text: str) -> Subject:
    """Return the subject that *text* names: a userId, taken literally, or ``device:ID``."""
    kind, separator, identifier = text.partition(":")
    if separator and kind == "device":
        return Subject.device(identifier)
    return Subject.user(text)


def subject_or_thing(text: str) -> Subject:
    """Return the subject that *text* names, as ``subject_of``, or the thing of the app, such as ``variable:NAME``."""
    kind, separator, identifier = text.partition(":")
    is_thing = separator and any(kind == each.value for each in SubjectKind if each.is_thing)
    return Subject(SubjectKind(kind), identifier) if is_thing else subject_of(text)


def subjects_named(
    users: Sequence[str], file: Path | None, id_column: str | None, loaded: Loaded
) -> Iterator[Subject]:
    """
    Yield *users*, then the subjects listed in *file*.

    Raises:
        SpecError, click.UsageError: as ``ids_in``.
    """
    yield from map(subject_of, users)
    if file is not None:
        yield from ids_in(file, id_column, loaded)


def ids_in(file: Path, id_column: str | None, loaded: Loaded) -> Iterator[Subject]:
    """
    Yield the subject of each row of *file*, in its order.

    Raises:
        SpecError: a row can't be read, or has no id.
        click.UsageError: it isn't clear which column holds the ids.
    """
    source = _source(file)
    column, kind = _column(source, file, id_column, loaded)
    problems: list[Problem] = []
    for row in rows(source, file.parent, problems.append):
        if problems:
            break
        try:
            yield kind(checked_id(row.values.get(column), column))
        except CellError as error:
            problems.append(Problem(row.place, error.message, error.hint))
            break
    if problems:
        raise SpecError(problems)


def _source(file: Path) -> FileSource:
    suffix, compression = suffix_and_compression(file)
    if suffix not in FORMATS:
        raise click.UsageError(
            f"{file} is not a data file: its name must end with {', '.join(FORMATS)}, optionally followed by .gz or .zst."
        )
    delimiter = "\t" if suffix == ".tsv" else None
    return FileSource(file.name, FORMATS[suffix], compression, Place(file.name), delimiter=delimiter)


def _column(
    source: FileSource, file: Path, asked_for: str | None, loaded: Loaded
) -> tuple[str, Callable[[str], Subject]]:
    columns = header(source, file.parent).columns or ()
    if asked_for is not None:
        if columns and asked_for not in columns:
            raise click.UsageError(f"{file} has no column {asked_for!r}; it has {', '.join(columns)}.")
        return asked_for, _OWN_COLUMNS.get(asked_for, Subject.user)
    for column, kind in _OWN_COLUMNS.items():
        if column in columns:
            return column, kind
    for resource in loaded.resources:
        if any((loaded.root / path).samefile(file) for path in files_of(resource.source)):
            return resource.id_column.name, partial(Subject, resource.kind.subjects)
    raise click.UsageError(f"Which column of {file} holds the ids? Pass it with --id.")
