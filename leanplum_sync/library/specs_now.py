"""Compares a plan with the specs that the project has now: two merges may make specs that contradict each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from leanplum_sync.applier.binding import ProjectNow, changed_specs
from leanplum_sync.errors import Mismatch, MismatchKind
from leanplum_sync.operations.check import check
from leanplum_sync.operations.read_rows import with_rows
from leanplum_sync.planfile import PlanFile
from leanplum_sync.problem import Problem
from leanplum_sync.progress import SilentProgress
from leanplum_sync.project.model import FILE_NAME, ProjectFile
from leanplum_sync.project.settings import Settings
from leanplum_sync.specs import load, spec_inputs
from leanplum_sync.staging import Staging

_SUFFIXES: Final = (".yaml", ".yml")
_TOLD: Final = 5  # one is enough to refuse the plan; validate lists them all


def project_now(plan: PlanFile, project: ProjectFile, root: Path, settings: Settings) -> ProjectNow:
    """
    Return the project's specs, and where they contradict *plan*.

    If specs were added or changed besides the plan's inputs, all specs are checked offline, with their data, as ``validate``
    does. Nothing more is read if there are none.
    """
    files = spec_inputs(root, project)
    changed = changed_specs(plan, files)
    if not changed:
        return ProjectNow(files)
    inputs = {each.path for each in plan.inputs()}
    specs = {each.path for each in files} | {name for name in inputs if name.endswith(_SUFFIXES)}
    paths = [path for name in sorted(specs) if (path := root / name).is_file()]
    with Staging(settings.state_folder) as staging:
        loaded = with_rows(load(root / FILE_NAME, paths), plan.rows())
        problems = check(loaded, staging, SilentProgress()).problems
    return ProjectNow(
        files, tuple(islice(_conflicts(problems, inputs, changed, plan.resources().keys()), _TOLD))
    )


def _conflicts(
    problems: Sequence[Problem], inputs: Collection[str], changed: Sequence[str], resources: Collection[str]
) -> Iterator[Mismatch]:
    """Yield the problems that involve the plan, and those of specs that can't be compared with it because they are invalid."""
    for problem in problems:
        files = {problem.place.file, problem.also.file if problem.also else ""}
        is_invalid = problem.place.file in changed and problem.place.row is None and problem.also is None
        if problem.address in resources or is_invalid or not files.isdisjoint(inputs):
            yield Mismatch(MismatchKind.SPEC_CONFLICT, problem.sentence.rstrip("."), name=str(problem.place))
