"""
Writes adopted values: into the spec for inline rows and for values of all rows, into CSV and NDJSON files in place.

Rows of other sources can't be edited from here. Their changed rows are written to a new CSV file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from leanplum_sync.errors import StalePlanError
from leanplum_sync.kinds import FileSource, Resource
from leanplum_sync.kinds.rows.site import Path as KeyPath
from leanplum_sync.kinds.rows.source import AudienceSource, InlineSource, ObjectsSource, QuerySource
from leanplum_sync.operations.adopt import Adopted, Adoption, Left
from leanplum_sync.operations.adopted_values import WhyLeft
from leanplum_sync.problem import Place
from leanplum_sync.sources import file_digest, rows
from leanplum_sync.sources.editing import can_edit, write_csv, write_edited
from leanplum_sync.sources.replacing import replacing
from leanplum_sync.specs import Loaded
from leanplum_sync.specs.editing import ValueEdit, edited
from leanplum_sync.specs.layout import UnusualYamlError
from leanplum_sync.specs.yaml_file import read_documents

_SUFFIX: Final = ".adopted.csv"
_BOM: Final = "\ufeff"


@dataclass(frozen=True, slots=True)
class AdoptedFile:
    """A file with *values* new values. *instead_of* names the source that can't be edited, and is empty for all others."""

    path: Path
    values: int
    instead_of: str = ""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to write where: new texts of specs, edits of data files, and rows of other sources, by path."""

    specs: Mapping[Path, tuple[str, int]]
    data: Mapping[Path, tuple[FileSource, Sequence[Adopted]]]
    others: Mapping[Path, tuple[Resource, Sequence[Adopted]]]


def write_adopted(
    adoption: Adoption, loaded: Loaded, state_folder: Path, *, dry_run: bool
) -> tuple[Adoption, tuple[AdoptedFile, ...]]:
    """
    Write *adoption* into the files of *loaded*, and return it with what could not be written moved to what is left.

    Each file is replaced as a whole. With *dry_run*, nothing is written.

    Raises:
        StalePlanError: a file changed after it was read; nothing was written.
        OSError: a file can't be written.
    """
    resources = {str(each.address): each for each in loaded.resources}
    in_specs: defaultdict[str, list[Adopted]] = defaultdict(list)
    data: dict[Path, tuple[FileSource, list[Adopted]]] = {}
    others: dict[Path, tuple[Resource, list[Adopted]]] = {}
    for each in adoption.adopted:
        resource = resources[each.resource]
        source = resource.source
        if isinstance(source, InlineSource) or not each.column:
            in_specs[each.place.file].append(each)
        elif isinstance(source, FileSource) and can_edit(source):
            data.setdefault(loaded.root / source.path, (source, []))[1].append(each)
        else:
            path = _beside(resource, loaded.root, state_folder)
            others.setdefault(path, (resource, []))[1].append(each)
    specs: dict[Path, tuple[str, int]] = {}
    failed: list[Adopted] = []
    for name, found in in_specs.items():
        text, not_done = _edited_spec(loaded.root / name, found, resources)
        failed += not_done
        if len(not_done) < len(found):
            specs[loaded.root / name] = text, len(found) - len(not_done)
    plan = _Plan(specs, data, others)
    if not dry_run:
        _check_unchanged(loaded, [*specs, *data])
        _write(plan, loaded.root)
    return _without(adoption, failed), tuple(_files(plan))


def _beside(resource: Resource, root: Path, state_folder: Path) -> Path:
    """Name the new file: beside a data file, and for what comes from a connection in a folder that is not committed."""
    match resource.source:
        case FileSource(path=path):
            name = PurePosixPath(path)
            return root / name.parent / (name.name.partition(".")[0] + _SUFFIX)
        case InlineSource() | QuerySource() | ObjectsSource() | AudienceSource():
            return state_folder / f"{resource.address.name}{_SUFFIX}"


def _without(adoption: Adoption, failed: Collection[Adopted]) -> Adoption:
    if not failed:
        return adoption
    left = [
        Left(
            each.resource,
            each.field,
            WhyLeft.UNEDITABLE,
            each.rows,
            (each.subject,) if each.subject else (),
        )
        for each in failed
    ]
    kept = tuple(each for each in adoption.adopted if each not in failed)
    return replace(adoption, adopted=kept, left=(*adoption.left, *left))


def _edited_spec(
    path: Path, found: Sequence[Adopted], resources: Mapping[str, Resource]
) -> tuple[str, Sequence[Adopted]]:
    """Return the new text of a spec, and the values that it can't get."""
    whole = path.read_bytes().decode("utf-8")
    text = whole.removeprefix(_BOM)
    items, keys = _paths(text)
    edits: dict[int, ValueEdit] = {}
    for number, each in enumerate(found):
        if each.column:
            document, at = items[_spot(each.place)]
            text_key = resources[each.resource].id_column.name
            edits[number] = ValueEdit(document, at, each.column, each.written, text_key)
        else:
            document, at = keys[_spot(each.place)]
            edits[number] = ValueEdit(document, at[:-1], str(at[-1]), each.written)
    try:
        result, failed = edited(text, edits)
    except UnusualYamlError:
        return whole, found
    return whole[: len(whole) - len(text)] + result, [found[number] for number in failed]


def _spot(place: Place) -> tuple[int, int]:
    return place.line or 0, place.column or 0


def _paths(
    text: str,
) -> tuple[dict[tuple[int, int], tuple[int, KeyPath]], dict[tuple[int, int], tuple[int, KeyPath]]]:
    """Return the paths of list items, and of keys, by where they are in the text."""
    items: dict[tuple[int, int], tuple[int, KeyPath]] = {}
    keys: dict[tuple[int, int], tuple[int, KeyPath]] = {}
    for number, document in enumerate(read_documents(text)[0]):
        for path, spot in document.keys.items():
            found = items if isinstance(path[-1], int) else keys
            found.setdefault((spot.line, spot.column), (number, path))
    return items, keys


def _check_unchanged(loaded: Loaded, paths: Collection[Path]) -> None:
    for each in loaded.inputs:
        if loaded.root / each.path in paths and file_digest(loaded.root / each.path) != each.sha256:
            raise StalePlanError(
                f"{each.path} was changed while users were being read. Nothing was written. Run adopt again."
            )


def _write(plan: _Plan, root: Path) -> None:
    """Write each new file completely before the first one is put in place."""
    with ExitStack() as stack:
        for path, (text, _) in plan.specs.items():
            stack.enter_context(replacing(path)).write(text)
        for path, (source, found) in plan.data.items():
            write_edited(source, root, _by_row(found), stack.enter_context(replacing(path)))
        for path, (resource, found) in plan.others.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            columns = [column.name for column in resource.columns_needed()]
            write_csv(columns, _rows(resource, root, _by_row(found)), stack.enter_context(replacing(path)))


def _by_row(found: Sequence[Adopted]) -> Mapping[int, dict[str, object]]:
    cells: defaultdict[int, dict[str, object]] = defaultdict(dict)
    for each in found:
        cells[each.place.row or 0][each.column] = each.written
    return cells


def _rows(
    resource: Resource, root: Path, cells: Mapping[int, Mapping[str, object]]
) -> Iterator[Mapping[str, object]]:
    for row in rows(resource.source, root, lambda _: None):
        if row.number in cells:
            yield {**row.values, **cells[row.number]}


def _files(plan: _Plan) -> Iterator[AdoptedFile]:
    for path, (_, values) in plan.specs.items():
        yield AdoptedFile(path, values)
    for path, (_, found) in plan.data.items():
        yield AdoptedFile(path, len(found))
    for path, (resource, found) in plan.others.items():
        yield AdoptedFile(path, len(found), _source_name(resource))


def _source_name(resource: Resource) -> str:
    match resource.source:
        case FileSource(path=path):
            return path
        case QuerySource() | ObjectsSource() | AudienceSource() as source:
            return source.name
        case InlineSource():
            raise AssertionError(resource.address)
