"""Things of the app: read together, and decided one by one. They are few, so they need no staging."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Protocol

from leanplum_sync.address import Subject, SubjectKind
from leanplum_sync.clock import Clock
from leanplum_sync.errors import CredentialError, StalePlanError
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.rows.desires import Want
from leanplum_sync.observed.users import ReadsUsers
from leanplum_sync.planner.change import Change
from leanplum_sync.planner.conflicts import conflicts, groups_in_the_way, several_defaults, too_many_postbacks
from leanplum_sync.planner.known import NOTHING_KNOWN, KnowsDeliveries
from leanplum_sync.planner.parts import Part
from leanplum_sync.planner.plan import Contents, Note, Summary
from leanplum_sync.planner.subject import Context, SubjectPlan, plan_subject
from leanplum_sync.planner.tested import names_in_tests, notes_on_tests, unknown_tests, variables_of
from leanplum_sync.problem import Problem
from leanplum_sync.wire.ab_test import AbTest
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.profile import read_profile


class ReadsTests(Protocol):
    def ab_tests(self) -> tuple[AbTest, ...]: ...


class ReadsThings(ReadsUsers, ReadsTests, Protocol):
    """What plans read about things of the app."""


@dataclass(frozen=True, slots=True)
class ObservedThings:
    """*elements* has an entry for each thing. *lookups* are billable. *observed_at* is None if nothing had to be read."""

    elements: Mapping[Subject, Mapping[str, Json]]
    lookups: int = 0
    observed_at: float | None = None

    def between(self, users: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
        """Return the first and the last time at which *users* or things were observed."""
        if self.observed_at is None:
            return users
        first, last = users
        mine = self.observed_at
        return min(mine, mine if first is None else first), max(mine, mine if last is None else last)


@dataclass(frozen=True, slots=True)
class Tested:
    """*names* are variables of a plan that are in a running A/B test, or may be."""

    names: tuple[str, ...]
    notes: tuple[Note, ...]


def things_of(resources: Iterable[Resource], part: Part | None = None) -> dict[Subject, list[Want]]:
    """Return, sorted, what *resources* want of each thing of the app: of all, or of those in *part*."""
    wants = sorted(
        (want for resource in resources for want in resource.wants),
        key=lambda want: (want.subject, want.resource),
    )
    return {
        subject: list(found)
        for subject, found in groupby(wants, key=attrgetter("subject"))
        if part is None or part.holds(subject)
    }


def thing_problems(resources: Sequence[Resource]) -> Iterator[Problem]:
    """Yield conflicts between documents about the same thing."""
    things = things_of(resources)
    for wants in things.values():
        yield from conflicts(wants)
    first = [wants[0] for wants in things.values()]
    yield from groups_in_the_way([want for want in first if want.subject.kind is SubjectKind.VARIABLE])
    yield from several_defaults(first)
    yield from too_many_postbacks(first)


def read_things(subjects: Collection[Subject], reader: ReadsUsers, clock: Clock) -> ObservedThings:
    """
    Raises:
        ApiError, CredentialError: they can't be read.
    """
    if not subjects:
        return ObservedThings({})
    began, lookups = clock.now(), 0
    elements: dict[Subject, Mapping[str, Json]] = {}
    for _, group in groupby(sorted(subjects), key=attrgetter("kind")):
        some = list(group)
        batch = reader.export_users(some, on_rate_limit=lambda: None)
        lookups += batch.was_billed
        elements |= {
            subject: element
            for subject, element in zip(some, batch.elements, strict=True)
            if element is not None
        }
    return ObservedThings(elements, lookups, began)


def decided_things(
    things: Mapping[Subject, Sequence[Want]],
    observed: ObservedThings,
    app_id: str,
    journal: KnowsDeliveries,
    context: Context,
) -> Iterator[SubjectPlan]:
    for subject, wants in things.items():
        plan = plan_subject(wants, read_profile(observed.elements[subject]), NOTHING_KNOWN, context)
        actions = {subject: [each.action for some in plan.actions.values() for each in some]}
        if plan.actions and journal.rejected_before(app_id, actions):
            yield SubjectPlan(subject, plan.changes, plan.actions, plan.decisions, is_rejected_before=True)
        else:
            yield plan


def tested_among(changes: Iterable[Change], reader: ReadsTests) -> Tested:
    """
    Find the variables of *changes* in A/B tests. If there is no key to read tests with, each may be in one.

    Raises:
        ApiError: the tests can't be read.
    """
    variables = variables_of(changes)
    if not variables:
        return Tested((), ())
    names = [change.field for change in variables]
    try:
        tests = reader.ab_tests()
    except CredentialError as error:
        return Tested(tuple(names), (unknown_tests(variables, str(error)),))
    return Tested(tuple(sorted(names_in_tests(names, tests))), tuple(notes_on_tests(variables, tests)))


def check_tests(reader: ReadsTests, summary: Summary, contents: Contents) -> None:
    """
    Check, before applying, that no variable of a plan came into a running A/B test after planning.

    Raises:
        StalePlanError: one did.
        ApiError, CredentialError: the tests can't be read.
    """
    unchecked = frozenset(contents.variables) - frozenset(summary.tested)
    if unchecked and (found := sorted(names_in_tests(unchecked, reader.ab_tests()))):
        raise StalePlanError(
            f"An A/B test that was started after this plan was made gives users other values of {', '.join(found)}."
            " Nothing was sent. Plan again to see which one."
        )
