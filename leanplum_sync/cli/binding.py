"""Is this the plan that was judged, and does it belong here? Every mismatch is named; one is enough to refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from leanplum_sync.cli.shell import quoted
from leanplum_sync.errors import StalePlanError
from leanplum_sync.planfile import PlanFile
from leanplum_sync.planner.plan import Target
from leanplum_sync.project.model import Project
from leanplum_sync.render.words import duration, moment
from leanplum_sync.sources import file_digest


def check_environment(plan: PlanFile, project: Project, asked_for: str | None) -> None:
    """
    Raises:
        StalePlanError: the plan is for another environment than the one asked for, or for one the project doesn't have.
    """
    if asked_for is not None and asked_for != plan.environment:
        _refuse(plan, [f"it was made for the environment {plan.environment}, not for {asked_for}"])
    if plan.environment not in project.environments:
        _refuse(
            plan, [f"it was made for the environment {plan.environment}, which this project doesn't have"]
        )


def check_binding(plan: PlanFile, target: Target, root: Path) -> None:
    """
    Raises:
        StalePlanError: the plan is for another app or host, or a spec or data file is not what it was.
    """
    mismatches = [*_other_target(plan.header.target, target), *_changed_inputs(plan, root)]
    if mismatches:
        _refuse(plan, mismatches)


def check_age(plan: PlanFile, max_age_seconds: float | None, now: float) -> None:
    """
    Raises:
        StalePlanError: the plan was made longer ago than that.
    """
    age = now - plan.created_at
    if max_age_seconds is not None and age > max_age_seconds:
        name = quoted(plan.path)
        raise StalePlanError(
            f"{plan.path} has expired: it was made at {moment(plan.created_at)}, {duration(age)} ago, and may be applied for"
            f" {duration(max_age_seconds)}. Nothing was sent. Make a new one with: leanplum-sync plan -e {plan.environment}"
            f" --out {name}. What runs of this one have done stays done, and the new one asks for the rest alone."
        )


def _other_target(planned: Target, here: Target) -> Iterator[str]:
    if planned.app_id != here.app_id:
        yield f"it was made for the app {planned.app_id}, and {here.environment} is the app {here.app_id}"
    if planned.host != here.host:
        yield f"it was made for {planned.host}, and {here.environment} is at {here.host}"


def _changed_inputs(plan: PlanFile, root: Path) -> Iterator[str]:
    for planned in plan.inputs():
        path = root / planned.path
        if not path.is_file():
            yield f"{planned.path} is gone"
        elif file_digest(path) != planned.sha256:
            yield f"{planned.path} has changed"


def _refuse(plan: PlanFile, mismatches: list[str]) -> None:
    raise StalePlanError(
        f"{plan.path} can't be applied here: {'; '.join(mismatches)}. Nothing was sent. Plan again."
    )
