"""A part of a plan, as the applier reads it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from leanplum_sync.address import Subject
from leanplum_sync.planfile.reading import PlanFile
from leanplum_sync.planner.change import Change
from leanplum_sync.planner.known import Position
from leanplum_sync.planner.parts import Part
from leanplum_sync.planner.plan import Summary
from leanplum_sync.wire.batch import Batch


@dataclass(frozen=True)
class PlanPart:
    """What *plan* does to the subjects of *part*, None for all. Batches keep the numbers that they have in the plan."""

    plan: PlanFile
    part: Part | None = None

    @property
    def whole(self) -> PlanFile:
        return self.plan

    @property
    def digest(self) -> str:
        return self.plan.digest

    @property
    def app_id(self) -> str:
        return self.plan.app_id

    @property
    def environment(self) -> str:
        return self.plan.environment

    @property
    def created_at(self) -> float:
        return self.plan.created_at

    @property
    def read_after_run(self) -> int | None:
        return self.plan.read_after_run

    @property
    def position(self) -> Position:
        return self.plan.position

    @cached_property
    def summary(self) -> Summary:
        return self.plan.summary if self.part is None else self.plan.summary_of(self.part)

    @property
    def batch_count(self) -> int:
        return self.summary.batches

    @property
    def action_count(self) -> int:
        return self.summary.actions

    def batches(self) -> Iterator[Batch]:
        return self.plan.batches(self.part)

    def subjects(self) -> Iterator[Subject]:
        return self.plan.subjects(self.part)

    def changes_of(self, subjects: Collection[Subject]) -> Mapping[Subject, tuple[Change, ...]]:
        return self.plan.changes_of(subjects)

    def resources(self) -> Mapping[str, str]:
        return self.plan.resources()
