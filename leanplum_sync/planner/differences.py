"""Compares two plans: changes that were added, removed or have other values, by groups of like changes."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Final, TypeAlias

from leanplum_sync.address import Subject
from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.wire.action import Json

SAMPLES: Final = 3


class Difference(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    ALTERED = "altered"  # the same change, with another value before or after


@dataclass(frozen=True, slots=True)
class Group:
    resource: str
    kind: ChangeKind
    field: str


@dataclass(slots=True)
class GroupDifference:
    """Counts of the added, removed and altered changes of a group, with a few of their subjects. *same* counts equal changes."""

    counts: Counter[Difference] = field(default_factory=Counter)
    same: int = 0
    samples: dict[Difference, list[Subject]] = field(default_factory=dict)

    def add(self, difference: Difference, subject: Subject) -> None:
        self.counts[difference] += 1
        samples = self.samples.setdefault(difference, [])
        if len(samples) < SAMPLES and subject not in samples:
            samples.append(subject)


@dataclass(frozen=True, slots=True)
class Differences:
    """*subjects* counts added, removed and altered subjects; *same* counts subjects whose changes are equal."""

    subjects: Mapping[Difference, int]
    same: int
    groups: Mapping[Group, GroupDifference]

    @property
    def are_none(self) -> bool:
        return not self.subjects


_Key: TypeAlias = tuple[str, ChangeKind, str, str]
_Values: TypeAlias = tuple[Json, Json]


def differences(old: Iterable[Change], new: Iterable[Change]) -> Differences:
    """
    Compare two plans' changes, both sorted by subject. No more than one subject's are held at a time.

    Changes are matched by spec, kind, field and device. The lines that ask for them don't count: a line may move within
    its spec.
    """
    subjects: Counter[Difference] = Counter()
    groups: dict[Group, GroupDifference] = {}
    same = 0
    for subject, was, now in _side_by_side(old, new):
        found = False
        for key in {**was, **now}:
            difference = _difference(was.get(key), now.get(key))
            group = groups.setdefault(Group(*key[:3]), GroupDifference())
            if difference is None:
                group.same += 1
            else:
                group.add(difference, subject)
                found = True
        if not found:
            same += 1
        else:
            subjects[
                Difference.ADDED if not was else Difference.REMOVED if not now else Difference.ALTERED
            ] += 1
    return Differences(dict(subjects), same, groups)


def _difference(was: list[_Values] | None, now: list[_Values] | None) -> Difference | None:
    if was is None:
        return Difference.ADDED
    if now is None:
        return Difference.REMOVED
    return None if was == now else Difference.ALTERED


def _side_by_side(
    old: Iterable[Change], new: Iterable[Change]
) -> Iterator[tuple[Subject, dict[_Key, list[_Values]], dict[_Key, list[_Values]]]]:
    merged = heapq.merge(_by_subject(old, 0), _by_subject(new, 1), key=lambda each: each[0])
    for subject, sides in groupby(merged, key=lambda each: each[0]):
        both: tuple[dict[_Key, list[_Values]], dict[_Key, list[_Values]]] = ({}, {})
        for _, side, changes in sides:
            both[side].update(changes)
        yield subject, *both


def _by_subject(
    changes: Iterable[Change], side: int
) -> Iterator[tuple[Subject, int, dict[_Key, list[_Values]]]]:
    for subject, members in groupby(changes, key=lambda change: change.subject):
        found: dict[_Key, list[_Values]] = {}
        for each in members:
            key = (each.resource, each.kind, each.field, each.device_id)
            found.setdefault(key, []).append((each.before, each.after))
        yield subject, side, found
