"""
What a plan must pass before anything is sent: target, inputs, contents, age, and consent.

``apply_plan`` runs it whoever calls: the command line, a Python program, another tool.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from leanplum_sync.applier.binding import (
    ProjectNow,
    input_mismatches,
    journal_lapses,
    scope_mismatches,
    target_mismatches,
)
from leanplum_sync.applier.ports import WholePlan
from leanplum_sync.errors import (
    ExpiredPlanError,
    HazardNotAllowedError,
    JournalReplacedError,
    Mismatch,
    MismatchKind,
    PlanMismatchError,
    StalePlanError,
)
from leanplum_sync.journal.identity import Here, contradictions
from leanplum_sync.kinds.registry import KINDS
from leanplum_sync.planner.hazards import (
    DURING_MIGRATION,
    ERASED_BEFORE,
    REPEATED_EVENTS,
    REPEATED_SENDS,
    SUSPECTED_RENAME,
    Repeats,
    counted_hazards,
)
from leanplum_sync.planner.plan import Hazard, Target
from leanplum_sync.wire.catalogue import KeyClass
from leanplum_sync.wire.event import REWRITTEN_SECONDS

# What the planner makes, by the key that a plan writes with. Anything else in a plan was put there by somebody else.
ALLOWED_ACTIONS: Final[Mapping[KeyClass, frozenset[str]]] = {
    key: frozenset(action for kind in KINDS.values() if kind.key is key for action in kind.writes)
    for key in KeyClass
}
_TO_APPLY_SECONDS: Final = 24 * 3600  # how long applying may take before an event is too old
# It depends on names that were seen in the app, which a plan doesn't keep. The same is true of repeats: they depend on the
# journal as it was. What the plan states of these is taken as it is; `plan` and `apply` both ask for consent to that number.
_NOT_COUNTED: Final = "newAttributeNames"


@dataclass(frozen=True, slots=True)
class Consent:
    """A person's consent to *count* of a *hazard*: valid only if that is the plan's number."""

    hazard: str
    count: int


@dataclass(frozen=True, slots=True)
class Conditions:
    """
    What a plan is checked against: its *target*, the folder of its inputs (*root*), and today's *budget* by hazard, where
    None and missing names mean no limit.

    *max_age_seconds* None allows any age. *project* has its specs as they are now; a plan made from specs needs it. With
    *new_journal*, a person accepts a journal that lacks what was recorded before, or never recorded anything.
    """

    target: Target
    root: Path
    budget: Mapping[str, int | None]
    consents: Sequence[Consent] = field(default=())
    max_age_seconds: float | None = None
    project: ProjectNow | None = None
    new_journal: bool = False


def check_plan(plan: WholePlan, conditions: Conditions, now: float) -> None:
    """
    Check everything that can be checked before sending.

    Raises:
        PlanMismatchError: another app, environment or host; inputs that changed; contents that no plan of ours has.
        ExpiredPlanError: the plan is too old.
        StalePlanError: its oldest event is so old by now that the API would record it as happening now.
        HazardNotAllowedError: a hazard is over budget without consent, or a consent has another number.
    """
    mismatches = [
        *target_mismatches(plan.header.target, conditions.target),
        *input_mismatches(plan, conditions.root),
        *scope_mismatches(plan, conditions.project),
        *_content_mismatches(plan),
    ]
    if mismatches:
        raise PlanMismatchError(plan.path, mismatches)
    _check_age(plan, conditions.max_age_seconds, now)
    _check_events(plan, now)
    check_consent(current_hazards(plan, conditions.budget), conditions.consents)


def check_journal(plan: WholePlan, here: Here, *, accepted: bool) -> None:
    """
    Check that the journal *here* is the one that recorded what was sent before, or that a person has *accepted* it.

    A plan that was made with another journal, which is in use, is refused anyway: planning again is all it takes.

    Raises:
        JournalReplacedError: it is another one, an older copy, or may be new.
    """
    of_plan = list(journal_lapses(plan, here))
    for lapse in (*contradictions(here), *of_plan):
        if not accepted or lapse.is_lifted_by_planning:
            raise JournalReplacedError(lapse.sentence(here.name))


def current_hazards(plan: WholePlan, budget: Mapping[str, int | None]) -> tuple[Hazard, ...]:
    """Return the plan's hazards, counted from its rows, under today's *budget*."""
    stated = {hazard.name: hazard.count for hazard in plan.hazards()}
    return counted_hazards(
        plan.summary,
        plan.contents,
        budget,
        stated.get(_NOT_COUNTED, 0),
        is_migrating=DURING_MIGRATION in stated,
        repeats=Repeats(
            stated.get(REPEATED_SENDS, 0),
            stated.get(SUSPECTED_RENAME, 0),
            stated.get(REPEATED_EVENTS, 0),
            stated.get(ERASED_BEFORE, 0),
        ),
    )


def check_consent(hazards: Sequence[Hazard], consents: Sequence[Consent]) -> None:
    """
    Raises:
        HazardNotAllowedError: a hazard over budget without consent, or a consent with another number than the plan's.
    """
    counts = {hazard.name: hazard.count for hazard in hazards}
    accepted = {consent.hazard for consent in consents}
    over = [hazard for hazard in hazards if hazard.is_over]
    unaccepted = [hazard.name for hazard in over if hazard.name not in accepted]
    wrong = [(each.hazard, each.count) for each in consents if counts.get(each.hazard, 0) != each.count]
    if unaccepted or wrong:
        raise HazardNotAllowedError(
            over={hazard.name: hazard.count for hazard in over},
            allowed={hazard.name: hazard.allowed for hazard in over if hazard.allowed is not None},
            unaccepted=unaccepted,
            wrong=wrong,
            counts=counts,
        )


def _content_mismatches(plan: WholePlan) -> Iterator[Mismatch]:
    contents = plan.contents
    for name in sorted(contents.actions.keys() - ALLOWED_ACTIONS[plan.header.target.writes]):
        yield Mismatch(MismatchKind.ACTION, str(contents.actions[name]), name=name)
    if contents.misdirected:
        yield Mismatch(MismatchKind.SUBJECT, str(contents.misdirected))
    stated = {hazard.name: hazard.count for hazard in plan.hazards()}
    counted = {hazard.name: hazard.count for hazard in current_hazards(plan, {})}
    for name in sorted(stated.keys() | counted.keys()):
        if stated.get(name, 0) != counted.get(name, 0):
            yield Mismatch(MismatchKind.HAZARD, str(stated.get(name, 0)), str(counted.get(name, 0)), name)


def _check_events(plan: WholePlan, now: float) -> None:
    oldest = plan.contents.oldest_event
    if oldest is not None and now - oldest > REWRITTEN_SECONDS - _TO_APPLY_SECONDS:
        raise StalePlanError(
            f"{plan.path}: since this plan was made, one of its events has become so old that Leanplum would record it as happening now."
            " Plan again."
        )


def _check_age(plan: WholePlan, max_age_seconds: float | None, now: float) -> None:
    made_at = plan.header.created_at
    if max_age_seconds is not None and now - made_at > max_age_seconds:
        raise ExpiredPlanError(
            plan.path,
            environment=plan.header.target.environment,
            made_at=made_at,
            age_seconds=now - made_at,
            max_age_seconds=max_age_seconds,
        )
