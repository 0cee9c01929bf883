"""Loads a project: its project file and its specs. Every problem of the files is found in one run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar, assert_never

from leanplum_sync.address import ResourceAddress
from leanplum_sync.clock import Clock, SystemClock
from leanplum_sync.errors import SpecError
from leanplum_sync.kinds import Kind, Resource
from leanplum_sync.kinds.rows.document import UNNAMED, Document
from leanplum_sync.kinds.rows.site import Path as KeyPath
from leanplum_sync.kinds.rows.source import (
    AudienceSource,
    DataSource,
    FileSource,
    InlineSource,
    KeptRows,
    ObjectsSource,
    QuerySource,
    files_of,
)
from leanplum_sync.planner.plan import Input
from leanplum_sync.problem import Place, Problem, in_file_order
from leanplum_sync.project import model as project
from leanplum_sync.project.model import (
    EmbeddedEnvironment,
    FromVariable,
    LiveEnvironment,
    ProjectDocument,
    ProjectFile,
    Setting,
)
from leanplum_sync.project.moved import former_names
from leanplum_sync.sources import file_digest
from leanplum_sync.specs.check import checked, kind_of
from leanplum_sync.specs.coverage import uncovered
from leanplum_sync.specs.deliveries import check_moved, deliveries_of, events_of, unused_moves
from leanplum_sync.specs.dependencies import Dependency, check_circles, check_targets
from leanplum_sync.specs.file import OpenDocument, read_file
from leanplum_sync.specs.listing import long_list, site_of, with_columns_checked
from leanplum_sync.specs.paths import PathFault, inside
from leanplum_sync.wire.catalogue import KeyClass
from leanplum_sync.wire.fingerprint import fingerprint

D = TypeVar("D", bound=Document)

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Loaded:
    """
    What was found. Where there are *problems*, nothing may be planned; *resources* then hold what is sound, so that
    their rows can be checked in the same run.

    *resources* are sorted by address, *problems* by file and line, *inputs* by path. *notes* are advice,
    not problems, and *remarks* are about what data files look like. *deliveries* are the names of the whole
    project's sends and increments, also of specs that were not chosen. *events* has the event of each import of the whole
    project, unless it comes from a column.
    """

    root: Path
    project: ProjectFile | None
    resources: tuple[Resource, ...]
    problems: tuple[Problem, ...]
    inputs: tuple[Input, ...]
    notes: tuple[Problem, ...] = ()
    remarks: tuple[Problem, ...] = ()
    deliveries: frozenset[str] = frozenset()
    events: Mapping[str, str] = field(default_factory=dict)

    @property
    def chosen_deliveries(self) -> frozenset[str]:
        """The names of the sends and increments of *resources*."""
        return frozenset(name for resource in self.resources for name, _ in deliveries_of(resource))

    @property
    def former_names(self) -> Mapping[str, tuple[str, ...]]:
        """Return, by name, all former names of each delivery that was renamed."""
        return former_names(self.project.moved) if self.project else {}

    def digests(self) -> dict[str, str]:
        """
        Return a digest for each ``kind/name``.

        It changes if and only if the content of the spec or data file changes.
        """
        files = {each.path: each.sha256 for each in self.inputs}
        return {
            str(resource.address): fingerprint(
                resource.digest,
                *(files.get(path, "") for path in files_of(resource.source)),
                *_rows_digest(resource.source),
            )
            for resource in self.resources
        }


def load(project_file: Path, only: Sequence[Path] = (), clock: Clock | None = None) -> Loaded:
    """
    Return the project with its resources, or with those of *only* (spec files and folders of them). *clock* tells which dates are
    in the future.

    *now* is the time, in epoch seconds, that times in rows are compared with; None is the machine's.

    Never raises for the content of the files: their problems are in ``problems``.
    """
    now = (clock or SystemClock()).now()
    root, documents, found_project, problems = _read_project(project_file)
    loading = _Loading(root, problems, _sensitive(documents), _connections(found_project), now)
    if found_project is not None:
        loading.notes += _shared_apps(found_project, documents[0])
    if only:
        loading.read_all(_chosen(root, only, problems))
    elif found_project is not None:
        loading.read_all(_named(root, found_project, documents[0]))
    resources = loading.resources(complete=not only)
    deliveries, events = loading.deliveries, loading.events
    if found_project is not None:
        if only:
            whole = _whole_project(root, found_project, documents[0], now)
            deliveries, events = whole.deliveries | deliveries, whole.events | events
        check_moved(found_project.moved, deliveries, documents[0].report_at)
        loading.notes += unused_moves(found_project.moved, deliveries, documents[0])
        loading.notes += uncovered(found_project, sorted(resources, key=lambda resource: resource.address))
    problems += [problem for document in documents for problem in document.problems]
    if not loading.spec_files and not problems:
        loading.notes.append(
            Problem(
                Place(project_file.name),
                "there are no specs yet",
                "Write one in a file or folder listed under `specs`.",
            )
        )
    return Loaded(
        root,
        found_project,
        tuple(sorted(resources, key=lambda resource: resource.address)),
        tuple(sorted(dict.fromkeys(problems), key=in_file_order)),
        tuple(sorted(_inputs(root, loading.spec_files, resources))),
        tuple(loading.notes),
        tuple(loading.remarks()),
        frozenset(deliveries),
        events,
    )


def _whole_project(root: Path, found: ProjectFile, document: OpenDocument, now: float) -> _Loading:
    """Load all specs of the project, for their deliveries. Problems in specs that were not chosen don't matter here."""
    loading = _Loading(root, [], frozenset(), _connections(found), now)
    loading.read_all(_named(root, found, replace(document, problems=[])))
    loading.resources(complete=False)
    return loading


def find_project(start: Path) -> Path:
    """
    Return the project file of the folder *start*, or of the nearest folder above it.

    Raises:
        SpecError: there is none.
    """
    folder = start.resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / project.FILE_NAME).is_file():
            return candidate / project.FILE_NAME
    raise SpecError(
        [
            Problem(
                Place(project.FILE_NAME),
                "there is no project file in this folder or in a parent folder",
                "Change to a project folder, or create a project with `leanplum-sync init`.",
            )
        ]
    )


def _connections(found: ProjectFile | None) -> frozenset[str] | None:
    return None if found is None else frozenset(found.connections)


def load_project(project_file: Path) -> ProjectFile:
    """
    Return the project alone; no spec is read.

    Raises:
        SpecError: the project file is at fault.
    """
    _, documents, found, problems = _read_project(project_file)
    _raise_if_any(problems, documents)
    assert found is not None  # noqa: S101 - otherwise there is a problem
    return found


def project_files(project_file: Path) -> tuple[Path, ...]:
    """
    Return the project file and every spec file that it names, whatever their content.

    Raises:
        SpecError: the project file is at fault.
    """
    root, documents, found, problems = _read_project(project_file)
    specs = list(_named(root, found, documents[0])) if found else []
    _raise_if_any(problems, documents)
    # A link that leads out of the project is for `validate` to report.
    inner = [path for path in specs if path.resolve().is_relative_to(root)]
    return tuple(dict.fromkeys([root / project_file.name, *inner]))


def spec_inputs(root: Path, found: ProjectFile) -> tuple[Input, ...]:
    """Return every spec file that the project names, with its digest, sorted by path."""
    root = root.resolve()
    paths = [
        path for named in found.specs if not isinstance(path := inside(root, root, named.text), PathFault)
    ]
    files = {file for path in paths for file in spec_files(path) if file.is_file()}
    inner = (file for file in files if file.resolve().is_relative_to(root))
    return tuple(sorted(Input(file.relative_to(root).as_posix(), file_digest(file)) for file in inner))


def sensitive_in(project_file: Path) -> frozenset[str] | None:
    """Return the sensitive attributes, even if the project file has problems; None if they can't be read."""
    return _sensitive(read_file(project_file, project_file.name)[0])


def _read_project(
    project_file: Path,
) -> tuple[Path, list[OpenDocument], ProjectFile | None, list[Problem]]:
    """
    Return the project's folder, the documents of its file, the project if they are sound, and what is no
    YAML in them.
    """
    root = project_file.parent.resolve()
    documents, problems = read_file(root / project_file.name, project_file.name)
    return root, documents, _project(documents, root), problems


def _raise_if_any(problems: list[Problem], documents: list[OpenDocument]) -> None:
    problems += [problem for document in documents for problem in document.problems]
    if problems:
        raise SpecError(sorted(problems, key=in_file_order))


def _project(documents: list[OpenDocument], root: Path) -> ProjectFile | None:
    if not documents:
        return None
    document, *more = documents
    for other in more:
        other.report((), "a project file must have exactly one document", "Put specs in files of their own.")
    model = _project_model(document)
    found = None if model is None else project.build(model, document.key_place, document.report)
    for name, environment in found.environments.items() if found else ():
        if isinstance(environment, EmbeddedEnvironment):
            _check_seeds(name, environment, document, root)
    if found is not None:
        _check_journal(found.journal, document, root)
    return found


def _project_model(document: OpenDocument) -> ProjectDocument | None:
    value = document.document.value
    if not isinstance(value, dict):
        document.report(
            (), "a project file must be a mapping", "It must start with apiVersion: leanplum-sync/v1."
        )
        return None
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    document.address = f"{project.KIND}/{name}" if isinstance(name, str) else ""
    return checked(document, ProjectDocument, entries=project.ENTRIES, stand_ins={})[0]


def _sensitive(documents: Sequence[OpenDocument]) -> frozenset[str] | None:
    """
    Return the attributes that the project file calls sensitive, even if the rest of it is wrong; None if it
    can't be read.
    """
    value = documents[0].document.value if documents else None
    spec = value.get("spec") if isinstance(value, dict) else None
    if not isinstance(spec, dict):
        return None
    names = spec.get("sensitive", [])
    return frozenset(map(str, names)) if isinstance(names, list) else None


def _check_journal(setting: Setting, document: OpenDocument, root: Path) -> None:
    """A file that doesn't exist yet is created, so only its place is checked."""
    text = setting.otherwise if isinstance(setting, FromVariable) else setting
    if "://" not in text and not Path(os.path.normpath(root / text)).is_relative_to(root):
        document.report(
            ("spec", "journal"),
            "this path is outside the project folder",
            "Specify a file in the project, or a variable, such as {env: LEANPLUM_SYNC_JOURNAL}.",
        )


def _check_seeds(name: str, environment: EmbeddedEnvironment, document: OpenDocument, root: Path) -> None:
    for index, text in enumerate(environment.seed):
        found = inside(root, root, text)
        if isinstance(found, PathFault):
            document.report(("spec", "environments", name, "seed", index), found.message, found.hint)


def _shared_apps(found: ProjectFile, document: OpenDocument) -> Iterator[Problem]:
    """
    Yield advice on environments that name the same app and write with the same key.

    Ids in variables are not compared: they differ by machine.
    """
    first: dict[tuple[str, KeyClass], KeyPath] = {}
    for name, environment in found.environments.items():
        if isinstance(environment, LiveEnvironment) and isinstance(environment.app_id, str):
            path: KeyPath = ("spec", "environments", name, "appId")
            before = first.setdefault((environment.app_id, environment.writes), path)
            if before != path:
                yield document.file.problem(
                    document.value_place(path),
                    f"{name} and {before[2]} use the same app: only one of them can run at a time, and an unfinished run of the other"
                    " can't be resumed afterwards",
                    "Use one environment per app and key.",
                    address=document.address,
                    also=document.value_place(before),
                )


def _named(root: Path, found: ProjectFile, document: OpenDocument) -> Iterator[Path]:
    for named in found.specs:
        path = inside(root, root, named.text)
        if not isinstance(path, PathFault):
            yield from spec_files(path)
        elif found.specs_are_named:
            document.report_at(named.place, path.message, path.hint)


def _chosen(root: Path, only: Iterable[Path], problems: list[Problem]) -> Iterator[Path]:
    for path in only:
        resolved = path.resolve()
        if not resolved.exists():
            problems.append(
                Problem(
                    Place(path.as_posix()),
                    "this file or folder doesn't exist",
                    "Paths are relative to the working folder.",
                )
            )
        elif not resolved.is_relative_to(root):
            problems.append(Problem(Place(path.as_posix()), "this file is not in the project"))
        else:
            yield from spec_files(resolved)


def spec_files(path: Path) -> Iterator[Path]:
    """Yield *path*, or the YAML files below it; names that start with a dot are skipped."""
    if not path.is_dir():
        yield path
        return
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.endswith(_SUFFIXES) and not name.startswith(".") and name != project.FILE_NAME:
                yield Path(folder, name)


def _rows_digest(source: DataSource) -> tuple[str, ...]:
    match source:
        case (
            QuerySource(kept=KeptRows(digest=digest))
            | ObjectsSource(kept=KeptRows(digest=digest))
            | AudienceSource(kept=KeptRows(digest=digest))
        ):
            return (digest,)
        case FileSource() | InlineSource() | QuerySource() | ObjectsSource() | AudienceSource():
            return ()
        case _:
            assert_never(source)


@dataclass(slots=True)
class _Loading:
    root: Path
    problems: list[Problem]
    sensitive: frozenset[str] | None
    connections: frozenset[str] | None
    now: float
    notes: list[Problem] = field(default_factory=list)
    spec_files: list[Path] = field(default_factory=list)
    known: dict[ResourceAddress, Place] = field(default_factory=dict)
    _documents: list[OpenDocument] = field(default_factory=list)
    _dependencies: list[Dependency] = field(default_factory=list)
    deliveries: dict[str, tuple[ResourceAddress, Place]] = field(default_factory=dict)
    events: dict[str, str] = field(default_factory=dict)

    def read_all(self, paths: Iterable[Path]) -> None:
        for path in dict.fromkeys(paths):
            name = path.relative_to(self.root).as_posix()
            if not path.resolve().is_relative_to(self.root):
                self.problems.append(
                    Problem(
                        Place(name),
                        "this link points outside the project folder",
                        "Copy the file into the project.",
                    )
                )
                continue
            documents, faults = read_file(path, name, self.sensitive)
            self.problems += faults
            self.spec_files.append(path)
            self._documents += documents

    def remarks(self) -> list[Problem]:
        return [remark for document in self._documents for remark in document.remarks]

    def resources(self, *, complete: bool) -> list[Resource]:
        """Return the resources. With *complete*, all specs were read, so that every dependency must be among them."""
        found = [
            resource for document in self._documents if (resource := self._resource(document)) is not None
        ]
        if complete:
            check_targets(self._dependencies, self.known)
        check_circles(self._dependencies)
        for document in self._documents:
            self.problems += document.problems
        return found

    def _resource(self, document: OpenDocument) -> Resource | None:
        kind = kind_of(document)
        if kind is None:
            return None
        model, whole = checked(document, kind.document, entries=kind.entries, stand_ins=kind.stand_ins)
        if document.address and not self._is_new(ResourceAddress.parse(document.address), document):
            return None
        if model is None:
            return None
        address = ResourceAddress.parse(document.address or f"{document.document.value['kind']}/{UNNAMED}")
        self._dependencies += [
            Dependency(address, ResourceAddress.parse(text), document, index)
            for index, text in enumerate(model.metadata.depends_on)
        ]
        return self._build(kind, model, address, document, whole=whole)

    def _is_new(self, address: ResourceAddress, document: OpenDocument) -> bool:
        first = self.known.setdefault(address, document.key_place(("metadata", "name")))
        here = document.key_place(("metadata", "name"))
        if first == here:
            return True
        document.report_at(here, f"{address} is defined twice", "Give one of them another name.", also=first)
        return False

    def _build(
        self, kind: Kind[D], model: D, address: ResourceAddress, document: OpenDocument, *, whole: bool
    ) -> Resource | None:
        site = site_of(
            kind, model, address, document, self.root, connections=self.connections, now=self.now, whole=whole
        )
        advice = long_list(site, document)
        if advice is not None:
            self.notes.append(advice)
        resource = kind.build(model, site)
        self._check_deliveries(resource, document, whole=whole)
        self.events |= events_of(resource)
        said = json.dumps(document.document.value["spec"], sort_keys=True)
        return with_columns_checked(replace(resource, digest=fingerprint(said)), site, document)

    def _check_deliveries(self, resource: Resource, document: OpenDocument, *, whole: bool) -> None:
        for name, place in deliveries_of(resource):
            if name == UNNAMED and not whole:
                continue  # its own name is wrong or missing, which is reported
            first, first_place = self.deliveries.setdefault(name, (resource.address, place))
            if first != resource.address:
                document.report_at(
                    place,
                    f"the delivery {name} is also used by {first}",
                    "A delivery happens once per user, whichever spec asks for it. Use another name.",
                    also=first_place,
                )


def _inputs(root: Path, spec_files: Iterable[Path], resources: Iterable[Resource]) -> Iterator[Input]:
    data_files = [root / path for resource in resources for path in files_of(resource.source)]
    for path in dict.fromkeys([*spec_files, *data_files]):
        try:
            yield Input(path.relative_to(root).as_posix(), file_digest(path))
        except OSError:
            continue  # reported already, where it was read
