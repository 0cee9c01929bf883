"""Explains what a plan does to one subject: the line of the spec, the row of the data, the observed value and the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from leanplum_sync.address import Subject
from leanplum_sync.errors import SpecError
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.rows import desires
from leanplum_sync.kinds.rows.desires import Desire, Want
from leanplum_sync.kinds.rows.row import RowError
from leanplum_sync.observed import read
from leanplum_sync.planfile import PlanFile
from leanplum_sync.planner.change import Change
from leanplum_sync.planner.decide import Decision, Reason, SendTarget
from leanplum_sync.planner.events import count_of
from leanplum_sync.planner.known import NOTHING_KNOWN, KnowsDeliveries
from leanplum_sync.planner.notes import NOTED
from leanplum_sync.planner.plan import ABOUT_THINGS
from leanplum_sync.planner.subject import Context, plan_subject, waves
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources import rows
from leanplum_sync.specs import Loaded
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.convert import convert
from leanplum_sync.wire.profile import THINGS, Profile, read_profile
from leanplum_sync.wire.subscription import SUBSCRIBED


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    One desire: who asked for it where, what was observed, what was decided and which of the plan's changes it led to.

    If the value comes from another attribute, *taken* is that attribute's observed value, and *becomes* the converted value, if it
    can be converted.
    """

    resource: str
    asked_at: Place
    found_at: Place
    desire: Desire
    observed: Json
    reason: Reason
    changes: tuple[Change, ...]
    taken: Json = None
    becomes: Json = None


@dataclass(frozen=True, slots=True)
class Explained:
    """
    *changes* are those of the plan. *explanations* are computed again from the current specs and snapshot; they are empty if
    the specs don't list the subject, or if no snapshot has it (*observed* is False). *unread* are specs whose rows can't be
    read any more, and may list it.
    """

    subject: Subject
    listed: bool
    observed: bool
    changes: tuple[Change, ...]
    explanations: tuple[Explanation, ...]
    unread: tuple[Problem, ...] = ()


def explain(
    subject: Subject, plan: PlanFile, loaded: Loaded, *, snapshot: Path | None, journal: KnowsDeliveries
) -> Explained:
    unread: list[Problem] = []
    wants = _wants(subject, loaded.resources, loaded.root, unread)
    element = _observed(subject, snapshot) if snapshot is not None and snapshot.exists() else None
    changes = plan.changes_of([subject]).get(subject, ())
    if subject.kind.is_thing and wants:
        element = _thing_as_planned(wants, changes)
    if not wants or element is None:
        return Explained(subject, bool(wants), element is not None, changes, (), tuple(unread))
    profile = read_profile(element)
    known = journal.known(plan.header.target.app_id, [subject]).get(subject, NOTHING_KNOWN)
    left = journal.unsubscriptions(plan.header.target.app_id, [subject]).get(subject, {})
    known = replace(known, unsubscribed=left)
    decisions = plan_subject(wants, profile, known, _context(loaded)).decisions
    if subject.kind.is_thing and not changes and (reason := _why_unchanged(subject, plan)) is not None:
        decisions = tuple(replace(decision, reason=reason, changes=()) for decision in decisions)
    return Explained(
        subject,
        listed=True,
        observed=True,
        changes=changes,
        explanations=_explanations(decisions, profile, changes),
        unread=tuple(unread),
    )


def _wants(subject: Subject, resources: Sequence[Resource], root: Path, unread: list[Problem]) -> list[Want]:
    """Return what *resources* ask for *subject*. A file without a readable row is added to *unread*, with the problem."""
    found: list[Want] = []
    for resource in resources:
        if not resource.kind.has_rows:
            found += [want for want in resource.wants if want.subject == subject]
            continue
        problems: list[Problem] = []
        is_read = False
        for row in rows(resource.source, root, problems.append):
            is_read = True
            try:
                want = resource.want(row)
            except RowError:
                continue
            if want.subject == subject:
                found.append(want)
        if not is_read:
            unread += problems[:1]
    return found


def _observed(subject: Subject, snapshot: Path) -> Mapping[str, Json] | None:
    try:
        entries = [entry.element for entry in read(snapshot) if entry.subject == subject]
    except SpecError:
        return None
    return entries[-1] if entries else None


def _thing_as_planned(wants: Sequence[Want], changes: Sequence[Change]) -> Mapping[str, Json]:
    """Return what the plan observed of a thing of the app: snapshots have none, but what a plan doesn't change was as desired."""
    if changes:
        values = {change.field: change.before for change in changes if change.before is not None}
        return {THINGS: values}
    desired = wants[0].desires[0]
    return {THINGS: {desired.name: desired.value} if isinstance(desired, desires.SetThing) else {}}


def _why_unchanged(subject: Subject, plan: PlanFile) -> Reason | None:
    """Return why the plan doesn't change a thing of the app that is not as desired. Each such thing has a note of its own."""
    codes = {reason.name.lower(): reason for reason in NOTED}
    found = (note for note in plan.notes() if note.code in ABOUT_THINGS and note.samples == (subject.id,))
    return next((codes[note.code] for note in found if note.code in codes), None)


def _context(loaded: Loaded) -> Context:
    """Explaining needs a message for each send, but doesn't look it up."""
    messages = {
        each.address: SendTarget(each.message.id or 0, each.message.name or "")
        for each in loaded.resources
        if each.message is not None
    }
    return Context(
        waves({each.address: each.depends_on for each in loaded.resources if each.kind.has_waves}),
        messages,
        former=loaded.former_names,
    )


def _explanations(
    decisions: Sequence[Decision], profile: Profile, changes: Sequence[Change]
) -> tuple[Explanation, ...]:
    return tuple(
        Explanation(
            resource=str(decision.want.resource),
            asked_at=decision.desire.asked_at,
            found_at=decision.want.found_at,
            desire=decision.desire,
            observed=_seen(decision.desire, profile),
            reason=decision.reason,
            changes=tuple(
                change
                for change in changes
                if (change.resource, change.asked_at, change.found_at)
                == (str(decision.want.resource), decision.desire.asked_at, decision.want.found_at)
            ),
            taken=_taken(decision.desire, profile),
            becomes=_becomes(decision, profile),
        )
        for decision in decisions
    )


def _taken(desire: Desire, profile: Profile) -> Json:
    return profile.attributes.get(desire.source) if isinstance(desire, desires.TakeAttribute) else None


def _becomes(decision: Decision, profile: Profile) -> Json:
    desire = decision.desire
    if not isinstance(desire, desires.TakeAttribute) or decision.reason not in (Reason.SAME, Reason.DIFFERS):
        return None
    taken = _taken(desire, profile)
    return taken if desire.type is None else convert(taken, desire.type)


def _seen(desire: Desire, profile: Profile) -> Json:
    match desire:
        case desires.SetProfileField(name=name):
            return profile.fields.get(name)
        case desires.SetDeviceField(device_id=device_id, name=name):
            return profile.devices.get(device_id, {}).get(name)
        case (
            desires.SetAttribute()
            | desires.TakeAttribute()
            | desires.RemoveAttribute()
            | desires.AlterList()
            | desires.IncrementAttribute() as other
        ):
            return profile.attributes.get(other.name)
        case desires.SetSubscription(name=name):
            return profile.subscriptions.get(name, SUBSCRIBED)
        case desires.TrackEvent(name=name):
            return count_of(profile, name)
        case desires.SetThing(name=name) | desires.RemoveThing(name=name):
            return profile.things.get(name)
        case desires.Send() | desires.Erase():
            return None
