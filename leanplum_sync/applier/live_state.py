"""Decides by live state: what to skip before writing, and what happened to actions in doubt. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

from leanplum_sync.address import Subject
from leanplum_sync.journal.entry import Fate
from leanplum_sync.journal.verdict import DONE, Verdict
from leanplum_sync.planner.change import Change, ChangeKind, Effect, effect_of, facts
from leanplum_sync.planner.consent import is_consent_valid
from leanplum_sync.planner.footprint import Written, print_of, written
from leanplum_sync.planner.marker import has_marker, is_marked
from leanplum_sync.planner.standing import Standing, carries, standings
from leanplum_sync.wire.action import DeliveryClass
from leanplum_sync.wire.batch import PlannedAction
from leanplum_sync.wire.erasing import is_blocked, is_erasing
from leanplum_sync.wire.profile import Profile
from leanplum_sync.wire.subscription import resubscribed

HELD: Final = Verdict(Fate.HELD, "sent, but no trustworthy response came back: it may have happened")
LEFT_SINCE: Final = "unsubscribed after the consent, and stays unsubscribed"
_HELD_EVENT: Final = Verdict(
    Fate.HELD, f"{HELD.message}. All held events of a user are resolved together, not one by one"
)
BY_OTHERS: Final = "changed by someone else since the plan was made"
NOTHING_LATER: Final[Mapping[str, Written]] = MappingProxyType({})
NEVER: Final[Mapping[str, float]] = MappingProxyType({})

Seen: TypeAlias = tuple[Change, Standing]


def recheck(
    actions: Sequence[PlannedAction],
    changes: Sequence[Change],
    profile: Profile,
    *,
    begun: bool,
    later: Mapping[str, Written] = NOTHING_LATER,
    unsubscribed: Mapping[str, float] = NEVER,
) -> Mapping[int, Verdict]:
    """
    Return verdicts on those of one subject's *actions* that must not be sent: already as desired, or in conflict.

    *changes* are all changes of the subject. Until the run has *begun* to write to the subject, all of them are compared, so
    that a conflict is found before anything is written; afterwards only the changes that these actions carry.

    *later* are the fields that other runs wrote after the plan was made. A conflict names the run. Where the API doesn't show a
    field, such as a push token, the value that the run left there decides.

    A re-subscription is in conflict if the user unsubscribed after the consent. This holds back only the actions that carry it.
    *unsubscribed* is when runs did that for the user, by channel and category.
    """
    about_existence = (Effect.EXISTENCE, Effect.ABSENCE)
    if not profile.exists and not any(effect_of(change.kind) in about_existence for change in changes):
        return _all(actions, Verdict(Fate.CONFLICTING, "the user no longer exists"))
    seen = standings(changes, profile)
    overtaken: dict[str, list[str]] = {}
    for change, standing in seen:
        last = written(change, later)
        if (
            _is_overtaken(change, standing, last)
            and facts(change.kind).is_compared
            and (not begun or any(carries(planned, change) for planned in actions))
        ):
            by = BY_OTHERS if last is None else f"changed by {last} after this plan was made"
            overtaken.setdefault(by, []).append(_what(change))
    if overtaken:
        message = "; ".join(f"{by}: {', '.join(sorted(overtaken[by]))}" for by in sorted(overtaken))
        return _all(actions, Verdict(Fate.CONFLICTING, message))
    verdicts: dict[int, Verdict] = {}
    for planned in actions:
        own = _own(planned, seen)
        if _is_reached(own) and all(facts(change.kind).is_compared for change, _ in own):
            verdicts[planned.number] = Verdict(Fate.ALREADY)
        elif left := sorted(_without_consent(planned, own, profile, unsubscribed)):
            verdicts[planned.number] = Verdict(Fate.CONFLICTING, f"{LEFT_SINCE}: {', '.join(left)}")
    return verdicts


def _without_consent(
    planned: PlannedAction, own: Sequence[Seen], profile: Profile, unsubscribed: Mapping[str, float]
) -> frozenset[str]:
    """Return what the action would re-subscribe the user to although no consent is later than the last unsubscription."""
    fields = resubscribed(planned.action.arguments)
    return fields - {
        change.field
        for change, standing in own
        if change.kind is ChangeKind.RESUBSCRIBE
        and (
            standing is Standing.REACHED
            or is_consent_valid(change.field, change.consented_at, profile, unsubscribed)
        )
    }


def settle(
    actions: Sequence[PlannedAction], changes: Sequence[Change], profile: Profile
) -> Mapping[int, Verdict]:
    """
    Return verdicts on one subject's *actions* in doubt: done, or held. Those without one are safe to send again.

    An increment with a receipt is done if the receipt is found, and safe to send again if it is not. An increment without one
    is done only if the sum is exactly as planned and nothing else in the plan adds to it. Otherwise it is held, even if the
    sum is unchanged: somebody may have subtracted what this run added.

    A re-subscription is done if the user is subscribed. Otherwise it is held: the user may have left again.
    """
    seen = standings(changes, profile)
    return {
        planned.number: verdict
        for planned in actions
        if (verdict := _settled(planned, seen, profile)) is not None
    }


def settle_unseen(actions: Iterable[PlannedAction], message: str) -> Mapping[int, Verdict]:
    """Return the verdicts of ``settle`` for a subject that the API refuses to show, with this *message*."""
    return {
        planned.number: DONE if is_erasing(planned.action) else held(planned)
        for planned in actions
        if planned.delivery_class is not DeliveryClass.REPEATABLE
        or (is_erasing(planned.action) and is_blocked(message))
    }


def unseen(actions: Iterable[PlannedAction], message: str, sentence: str) -> Mapping[int, Verdict]:
    """
    Return the verdicts of ``recheck`` for a subject that the API refuses to show, with this *message*. A blocked user is as erased
    as can be; anything else is rejected, with *sentence*.
    """
    rejected, already = Verdict(Fate.REJECTED, sentence), Verdict(Fate.ALREADY)
    return {
        planned.number: already if is_erasing(planned.action) and is_blocked(message) else rejected
        for planned in actions
    }


def held(planned: PlannedAction) -> Verdict:
    """Return the verdict on an action in doubt that only a person can settle."""
    return _HELD_EVENT if planned.action.name == "track" else HELD


def needs_reading(planned: PlannedAction) -> bool:
    """Whether a read can settle a doubt about the action."""
    return planned.delivery_class is not DeliveryClass.ONCE


def by_subject(actions: Iterable[PlannedAction]) -> Mapping[Subject, Sequence[PlannedAction]]:
    found: dict[Subject, list[PlannedAction]] = {}
    for planned in actions:
        found.setdefault(planned.subject, []).append(planned)
    return found


def _settled(planned: PlannedAction, seen: Sequence[Seen], profile: Profile) -> Verdict | None:
    if not needs_reading(planned):
        return held(planned)
    if has_marker(planned):
        return DONE if is_marked(planned, profile) else None
    own = _own(planned, seen)
    increments = [change.field for change, _ in own if effect_of(change.kind) is Effect.SUM]
    if resubscribed(planned.action.arguments):
        return DONE if _is_reached(own) else HELD
    if not increments and (own or planned.delivery_class is DeliveryClass.REPEATABLE):
        return DONE if _is_reached(own) else None
    is_shared = any(
        effect_of(change.kind) is Effect.SUM and change.field in increments and not carries(planned, change)
        for change, _ in seen
    )
    return DONE if increments and _is_reached(own) and not is_shared else HELD


def _is_overtaken(change: Change, standing: Standing, last: Written | None) -> bool:
    match standing:
        case Standing.UNPROVABLE:
            return last is not None and last.fingerprint not in (
                print_of(change.before),
                print_of(change.after),
            )
        case Standing.OVERTAKEN:
            return True
        case Standing.REACHED | Standing.UNTOUCHED:
            return False


def _own(planned: PlannedAction, seen: Sequence[Seen]) -> Sequence[Seen]:
    return [pair for pair in seen if carries(planned, pair[0])]


def _is_reached(seen: Sequence[Seen]) -> bool:
    return bool(seen) and all(standing is Standing.REACHED for _, standing in seen)


def _all(actions: Iterable[PlannedAction], verdict: Verdict) -> Mapping[int, Verdict]:
    return {planned.number: verdict for planned in actions}


def _what(change: Change) -> str:
    return f"{change.device_id}/{change.field}" if change.device_id else change.field
