"""Formats spec files. Each file is formatted completely, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from leanplum_sync.kinds.rows.document import API_VERSION
from leanplum_sync.problem import Problem
from leanplum_sync.project.model import FILE_NAME
from leanplum_sync.sources.replacing import replacing
from leanplum_sync.specs.file import OpenDocument, read_file
from leanplum_sync.specs.formatting import formatted
from leanplum_sync.specs.layout import UnusualYamlError
from leanplum_sync.specs.loading import spec_files

_LANGUAGE: Final = API_VERSION.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Tidied:
    """A spec file as it is and as it should be. Both end their lines as the file does. *sensitive* as for ``read_file``."""

    path: Path
    before: str
    after: str
    sensitive: frozenset[str] | None

    @property
    def differs(self) -> bool:
        return self.before != self.after

    def write(self) -> None:
        """Replace the old text atomically. Links and permissions are kept."""
        with replacing(self.path) as file:
            file.write(self.after)


@dataclass(frozen=True, slots=True)
class Faulty:
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """*why* completes "left as it is: it holds ..."; empty for a file that is no spec."""

    path: Path
    why: str = ""


Found: TypeAlias = Tidied | Faulty | LeftAlone


def tidied(path: Path, name: str, sensitive: frozenset[str] | None) -> Found:
    """Format the file. *name* is its name in problems, which show no values of *sensitive* attributes."""
    documents, problems = read_file(path, name, sensitive)
    if not problems and not any(map(_is_ours, documents)):
        return LeftAlone(path)
    if problems:
        return Faulty(tuple(problems))
    before = path.read_bytes().decode("utf-8")
    mark = "\ufeff" if before.startswith("\ufeff") else ""
    breaks = "\r\n" if before.partition("\n")[0].endswith("\r") else "\n"
    try:
        after = formatted(before.removeprefix(mark).replace("\r\n", "\n"))
    except UnusualYamlError as unusual:
        return LeftAlone(path, unusual.what)
    return Tidied(path, before, mark + after.replace("\n", breaks), sensitive)


def _is_ours(document: OpenDocument) -> bool:
    value = document.document.value
    version = value.get("apiVersion") if isinstance(value, dict) else None
    return isinstance(version, str) and version.partition("/")[0] == _LANGUAGE


def files_below(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield each file of *paths*, and of each folder the project file and the spec files below it."""
    for path in paths:
        if path.is_dir() and (path / FILE_NAME).is_file():
            yield path / FILE_NAME
        yield from spec_files(path)
