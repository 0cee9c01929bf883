"""Whether a plan was made for this target, and from these inputs. Every mismatch is found, not only the first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from leanplum_sync.applier.ports import WholePlan
from leanplum_sync.errors import Mismatch, MismatchKind, PlanMismatchError
from leanplum_sync.journal.identity import Here, Lapse, of_plan
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.plan import Input, Target
from leanplum_sync.sources import file_digest


@dataclass(frozen=True, slots=True)
class ProjectNow:
    """
    The project's spec files as they are now, and where they contradict the plan.

    *conflicts* hold what an offline check of all specs found. It is due only if ``changed_specs`` are among *files*.
    """

    files: Sequence[Input]
    conflicts: Sequence[Mismatch] = ()


def changed_specs(plan: WholePlan, files: Iterable[Input]) -> tuple[str, ...]:
    """Return which of the project's *files* were added or changed since planning, besides the inputs of the plan."""
    scope = plan.header.scope
    if scope is None:
        return ()
    inputs = {each.path for each in plan.inputs()}
    return tuple(each.path for each in sorted({*files} - {*scope.files}) if each.path not in inputs)


def scope_mismatches(plan: WholePlan, project: ProjectNow | None) -> Iterator[Mismatch]:
    """Yield where specs outside the plan contradict it. Nobody looked if *project* is None, and that is a mismatch, too."""
    if project is not None:
        yield from project.conflicts
    elif plan.header.scope is not None:
        yield Mismatch(MismatchKind.SPECS_UNCHECKED)


def check_environment(plan: WholePlan, known: Collection[str], asked_for: str | None) -> None:
    """
    Raises:
        PlanMismatchError: the plan is for another environment than *asked_for*, or for none of those *known*.
    """
    planned = plan.header.target.environment
    if asked_for is not None and asked_for != planned:
        raise PlanMismatchError(plan.path, [Mismatch(MismatchKind.ENVIRONMENT, planned, asked_for)])
    if planned not in known:
        raise PlanMismatchError(plan.path, [Mismatch(MismatchKind.UNKNOWN_ENVIRONMENT, planned)])


def target_mismatches(planned: Target, here: Target) -> Iterator[Mismatch]:
    if planned.environment != here.environment:
        yield Mismatch(MismatchKind.ENVIRONMENT, planned.environment, here.environment)
    if planned.app_id != here.app_id:
        yield Mismatch(MismatchKind.APP, planned.app_id, here.app_id, here.environment)
    if planned.host != here.host:
        yield Mismatch(MismatchKind.HOST, planned.host, here.host, here.environment)
    if planned.writes != here.writes:
        yield Mismatch(MismatchKind.KEY, planned.writes.words, here.writes.words, here.environment)


def input_mismatches(plan: WholePlan, root: Path) -> Iterator[Mismatch]:
    """Compare spec and data files with what they were when the plan was made. Paths are relative to *root*."""
    for planned in plan.inputs():
        path = root / planned.path
        if not path.is_file():
            yield Mismatch(MismatchKind.INPUT_MISSING, name=planned.path)
        elif file_digest(path) != planned.sha256:
            yield Mismatch(MismatchKind.INPUT_CHANGED, name=planned.path)


def journal_lapses(plan: WholePlan, here: Here) -> Iterator[Lapse]:
    """
    Yield why the journal *here* can't be used for *plan*: it is not the one of the plan, or may not know what was sent.

    An embedded emulator is in the same folder as its journal and starts with it, so the first journal there may be new.
    """
    contents = plan.contents
    delivers = contents.deliveries > 0 or ChangeKind.SEND in contents.changes
    is_real = not plan.header.target.is_embedded
    yield from of_plan(here, plan.header.journal, delivers=delivers and is_real)
