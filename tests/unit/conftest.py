from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from leanplum_sync.kinds import Resource, RowError
from leanplum_sync.kinds.rows.desires import Want
from leanplum_sync.problem import Problem
from leanplum_sync.sources import rows
from leanplum_sync.specs import Loaded, load

PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec: {}
"""


@dataclass(frozen=True)
class ProjectFolder:
    """A project on disk, and what the library makes of it."""

    root: Path

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def spec(self, kind: str, spec: str, name: str = "it") -> None:
        """Write ``specs/it.yaml``: *spec* starts in its line 5, two columns in."""
        head = f"apiVersion: leanplum-sync/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n"
        self.write(
            f"specs/{name}.yaml", head + textwrap.indent(textwrap.dedent(spec).strip("\n"), "  ") + "\n"
        )

    def load(self, *only: Path) -> Loaded:
        return load(self.root / "leanplum-sync.yaml", only)

    def complaints(self) -> list[str]:
        return [str(problem) for problem in self.load().problems]

    def resource(self) -> Resource:
        loaded = self.load()
        assert loaded.problems == ()
        (resource,) = loaded.resources
        return resource

    def wants(self) -> list[Want | tuple[Problem, ...]]:
        """Return what each row asks for, or its problems; rows that can't be read come last, each by itself."""
        resource = self.resource()
        unread: list[Problem] = []
        found: list[Want | tuple[Problem, ...]] = []
        for row in rows(resource.source, self.root, unread.append):
            try:
                found.append(resource.want(row))
            except RowError as error:
                found.append(error.problems)
        return [*found, *((problem,) for problem in unread)]


@pytest.fixture
def folder(tmp_path: Path) -> ProjectFolder:
    """A project with nothing in it but its project file."""
    made = ProjectFolder(tmp_path.resolve())
    made.write("leanplum-sync.yaml", PROJECT)
    return made
