"""Chooses the subjects of a canary: the same ones each time, and a larger canary contains the smaller ones."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil

from leanplum_sync.address import Subject
from leanplum_sync.planner.change import Change, Changes
from leanplum_sync.wire.fingerprint import fingerprint


@dataclass(frozen=True, slots=True)
class Canary:
    """The size of a canary: a *number* of subjects, or a *share* of all, above 0 and at most 1."""

    number: int | None = None
    share: float | None = None

    def count(self, total: int) -> int:
        wanted = ceil((self.share or 0.0) * total) if self.number is None else self.number
        return min(wanted, total)


def choose(subjects: Iterable[Subject], count: int) -> frozenset[Subject]:
    """Return *count* of *subjects*, chosen by a hash, so that they are spread evenly whatever the ids look like."""
    return frozenset(
        heapq.nsmallest(count, subjects, key=lambda subject: fingerprint("canary", str(subject)))
    )


@dataclass(frozen=True, slots=True)
class Chosen:
    """The changes of a plan, limited to the *chosen* subjects."""

    plan: Changes
    chosen: frozenset[Subject]

    def subjects(self) -> Iterator[Subject]:
        yield from sorted(self.chosen)

    def changes_of(self, subjects: Collection[Subject]) -> Mapping[Subject, tuple[Change, ...]]:
        return self.plan.changes_of([subject for subject in subjects if subject in self.chosen])
