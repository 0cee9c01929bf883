"""A part of a plan, as the applier reads it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from leanplum_sync.address import Subject
from leanplum_sync.planfile.reading import PlanFile
from leanplum_sync.planner.change import Change
from leanplum_sync.planner.parts import Part
from leanplum_sync.planner.plan import Header, Summary
from leanplum_sync.wire.batch import Batch


@dataclass(frozen=True)
class PlanPart:
    """What the plan *whole* does to the subjects of *part*, None for all. Batches keep the numbers that they have in the plan."""

    whole: PlanFile
    part: Part | None = None

    @property
    def header(self) -> Header:
        return self.whole.header

    @property
    def has_owners(self) -> bool:
        return self.whole.has_owners

    @cached_property
    def summary(self) -> Summary:
        return self.whole.summary if self.part is None else self.whole.summary_of(self.part)

    def batches(self) -> Iterator[Batch]:
        return self.whole.batches(self.part)

    def subjects(self) -> Iterator[Subject]:
        return self.whole.subjects(self.part)

    def changes_of(self, subjects: Collection[Subject]) -> Mapping[Subject, tuple[Change, ...]]:
        return self.whole.changes_of(subjects)
