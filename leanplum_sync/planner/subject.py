"""The plan for one subject: decisions, their changes, and the actions that make these changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from operator import is_
from typing import Final, TypeAlias

from leanplum_sync.address import ResourceAddress, Subject
from leanplum_sync.kinds.rows import desires
from leanplum_sync.kinds.rows.desires import Want
from leanplum_sync.planner.change import Change, ChangeKind, Effect, effect_of, facts
from leanplum_sync.planner.decide import Decision, Reason, SendTarget, create_user, decide
from leanplum_sync.planner.events import add_to_totals, track_arguments
from leanplum_sync.planner.known import Known
from leanplum_sync.planner.marker import marker_value
from leanplum_sync.planner.standing import is_listed
from leanplum_sync.planner.things import action_of, planned_value
from leanplum_sync.wire.action import Action, DeliveryClass, Json
from leanplum_sync.wire.batch import DeliveryKey
from leanplum_sync.wire.event import import_of, under
from leanplum_sync.wire.profile import Profile
from leanplum_sync.wire.subscription import subscription_arguments
from leanplum_sync.wire.values import canonical

_RANKS: Final = {each: rank for rank, each in enumerate(DeliveryClass)}


@dataclass(frozen=True, slots=True)
class Context:
    """
    What is the same for all subjects of a plan: the wave of each resource, and the message of each that sends one.

    *marker* names the attribute for receipts of increments, None for none. *former* has all former names of each delivery
    that was renamed.
    """

    waves: Mapping[ResourceAddress, int]
    messages: Mapping[ResourceAddress, SendTarget]
    marker: str | None = None
    former: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def key(self, name: str, subject: Subject, resource: str) -> DeliveryKey:
        return DeliveryKey(name, subject, resource, self._former(name))

    def _former(self, name: str) -> tuple[str, ...]:
        if imported_as := import_of(name):
            return tuple(under(former, name) for former in self.former.get(imported_as, ()))
        return self.former.get(name, ())


Phase: TypeAlias = tuple[
    int, DeliveryClass
]  # a wave, and a class within it: the unit of ordering and of packing


@dataclass(frozen=True, slots=True)
class SubjectAction:
    action: Action
    deliveries: tuple[DeliveryKey, ...] = ()


@dataclass(frozen=True, slots=True)
class SubjectPlan:
    """
    *owner* is the user to whom a device belongs that is listed without one, if live state shows that user. *is_rejected_before*:
    one of the actions is the same as what the API rejected in an earlier run.
    """

    subject: Subject
    changes: tuple[Change, ...]
    actions: Mapping[Phase, tuple[SubjectAction, ...]]
    decisions: tuple[Decision, ...]
    exists: bool = True
    owner: Subject | None = None
    is_rejected_before: bool = False


def plan_subject(wants: Sequence[Want], profile: Profile, known: Known, context: Context) -> SubjectPlan:
    """
    Plan the subject of *wants*, which have no conflicts.

    A subject that doesn't exist is skipped unless a want allows it to be created. Then all wants apply, because it will
    exist by then. Decisions come in the order of waves, then of resources, then of the spec.
    """
    subject = wants[0].subject
    ordered = sorted(wants, key=lambda want: (context.waves[want.resource], want.resource))
    if not profile.exists and not any(want.create for want in wants):
        decisions = tuple(
            decide(want, desire, profile, known, None)
            if isinstance(desire, desires.Erase)
            else Decision(want, desire, Reason.MISSING)
            for want in ordered
            for desire in want.desires
        )
        changes = tuple(change for decision in decisions for change in decision.changes)
        actions = _actions(subject, profile, decisions, context)
        return SubjectPlan(subject, changes, actions, decisions, exists=False)
    known = known.with_moved(context.former)
    decisions = tuple(_decide_all(ordered, profile, known, context))
    if not profile.exists:
        decisions = _without_early_sends(decisions, context)
    changes = tuple(change for decision in decisions for change in decision.changes)
    if changes and not profile.exists:
        changes = (create_user(subject, ordered), *changes)
    actions = _actions(subject, profile, decisions, context)
    return SubjectPlan(subject, changes, actions, decisions, profile.exists)


def _decide_all(
    wants: Sequence[Want], profile: Profile, known: Known, context: Context
) -> Iterator[Decision]:
    """
    Decide one desire after the other, each on top of those before it.

    So if two resources ask for the same value, the first one plans it and the second finds it done. The old value of a
    change is always the observed one.
    """
    attributes, fields, devices = dict(profile.attributes), dict(profile.fields), dict(profile.devices)
    subscriptions, things = dict(profile.subscriptions), dict(profile.things)
    planned = Profile(
        profile.exists,
        attributes,
        fields,
        devices,
        subscriptions,
        profile.unsubscribed_at,
        profile.events,
        things,
    )
    for want in wants:
        for desire in want.desires:
            decision = decide(want, desire, planned, known, context.messages.get(want.resource))
            if decision.changes:
                for change in decision.changes:
                    _carry_out(change, attributes, fields, devices, subscriptions, things)
                changes = tuple(_as_observed(change, profile) for change in decision.changes)
                is_same = all(map(is_, changes, decision.changes))
                yield decision if is_same else replace(decision, changes=changes)
            else:
                yield decision


def _without_early_sends(decisions: tuple[Decision, ...], context: Context) -> tuple[Decision, ...]:
    """Sends and events don't create a user, so they reach nobody unless an earlier action does."""
    creating = [
        context.waves[each.want.resource] for each in decisions if each.changes and not _is_once(each)
    ]
    return tuple(
        replace(each, reason=Reason.MISSING, changes=())
        if _is_once(each) and context.waves[each.want.resource] < min(creating, default=len(context.waves))
        else each
        for each in decisions
    )


def _is_once(decision: Decision) -> bool:
    return isinstance(decision.desire, desires.Once)


def _carry_out(  # noqa: PLR0917 - one for each part of a profile
    change: Change,
    attributes: dict[str, Json],
    fields: dict[str, Json],
    devices: dict[str, Mapping[str, Json]],
    subscriptions: dict[str, str],
    things: dict[str, Json],
) -> None:
    match effect_of(change.kind):
        case Effect.ITEMS_ADDED:
            attributes[change.field] = [*(attributes.get(change.field) or []), *change.after]
        case Effect.ITEMS_REMOVED:
            gone = set(map(canonical, change.after))
            attributes[change.field] = [
                item for item in attributes[change.field] if canonical(item) not in gone
            ]
        case Effect.SUM:
            attributes[change.field] = (attributes.get(change.field) or 0) + change.after
        case Effect.PROFILE_FIELD:
            fields[change.field] = change.after
        case Effect.DEVICE_FIELD:
            devices[change.device_id] = {**devices.get(change.device_id, {}), change.field: change.after}
        case Effect.SUBSCRIPTION:
            subscriptions[change.field] = change.after
        case Effect.ATTRIBUTE:
            attributes[change.field] = change.after
        case Effect.THING:
            things[change.field] = planned_value(change, things.get(change.field))
        case Effect.EXISTENCE | Effect.ABSENCE | Effect.MESSAGE | Effect.OCCURRENCE:
            pass


def _as_observed(change: Change, profile: Profile) -> Change:
    """Lists and numbers may be changed several times: each of the changes says what the first one found."""
    match effect_of(change.kind):
        case Effect.ITEMS_ADDED | Effect.ITEMS_REMOVED | Effect.SUM:
            return replace(change, before=profile.attributes.get(change.field))
        case (
            Effect.EXISTENCE
            | Effect.ABSENCE
            | Effect.ATTRIBUTE
            | Effect.PROFILE_FIELD
            | Effect.DEVICE_FIELD
            | Effect.SUBSCRIPTION
            | Effect.MESSAGE
            | Effect.OCCURRENCE
            | Effect.THING
        ):
            return change


def _actions(  # noqa: C901 - a case for each desire
    subject: Subject, profile: Profile, decisions: Iterable[Decision], context: Context
) -> dict[Phase, tuple[SubjectAction, ...]]:
    """
    Gather changes into the fewest actions: one for the user and one for each device in a phase, and one for each event and send.

    Events come before sends, so that a message can use what they changed.

    A user who is re-subscribed to one channel is unsubscribed from others just after it, in the same request. If it came first,
    Leanplum would show a date of unsubscription that is later than the consent.
    """
    decisions = [decision for decision in decisions if decision.changes]
    returning = {
        context.waves[decision.want.resource]
        for decision in decisions
        for change in decision.changes
        if change.kind is ChangeKind.RESUBSCRIBE
    }
    users: dict[Phase, _UserAction] = {}
    leaving: dict[Phase, _UserAction] = {}
    devices: dict[Phase, dict[str, dict[str, Json]]] = defaultdict(lambda: defaultdict(dict))
    events: dict[Phase, list[SubjectAction]] = defaultdict(list)
    sends: dict[Phase, list[SubjectAction]] = defaultdict(list)
    erasures: dict[Phase, list[SubjectAction]] = defaultdict(list)
    things: dict[Phase, list[SubjectAction]] = defaultdict(list)
    for decision in decisions:
        for change in decision.changes:
            phase = context.waves[decision.want.resource], facts(change.kind).delivery
            if change.kind is ChangeKind.UNSUBSCRIBE and phase[0] in returning:
                phase = phase[0], facts(ChangeKind.RESUBSCRIBE).delivery
                leaving.setdefault(phase, _UserAction()).include(decision, change, context)
                continue
            match decision.desire:
                case desires.SetDeviceField(device_id=device_id, name=name, value=value):
                    devices[phase][device_id][name] = value
                case desires.Send() as send:
                    target = context.messages[decision.want.resource]
                    sends[phase].append(_send(decision.want, send, target, context))
                case desires.TrackEvent(as_total=False) as event:
                    events[phase].append(_track(decision.want, event, context))
                case desires.Erase() as erase:
                    erasures[phase].append(_erase(subject, erase))
                case desires.SetThing() | desires.RemoveThing():
                    action = action_of(change, profile.things.get(change.field))
                    things[phase].append(SubjectAction(action))
                case (
                    desires.SetAttribute()
                    | desires.TakeAttribute()
                    | desires.RemoveAttribute()
                    | desires.AlterList()
                    | desires.IncrementAttribute()
                    | desires.SetProfileField()
                    | desires.SetSubscription()
                    | desires.TrackEvent()
                ):
                    users.setdefault(phase, _UserAction()).include(decision, change, context)
    create = _disposition(create=not profile.exists)
    found: dict[Phase, tuple[SubjectAction, ...]] = {}
    for phase in sorted(
        users.keys() | devices.keys() | events.keys() | sends.keys() | erasures.keys() | things.keys(),
        key=lambda each: (each[0], _RANKS[each[1]]),
    ):
        user = [
            of_user[phase].build(subject, create, context.marker)
            for of_user in (users, leaving)
            if phase in of_user
        ]
        of_devices = [
            _device(subject, device_id, fields, profile) for device_id, fields in devices[phase].items()
        ]
        found[phase] = (*user, *of_devices, *events[phase], *sends[phase], *erasures[phase], *things[phase])
    return found


class _UserAction:
    """One setUserAttributes in the making."""

    def __init__(self) -> None:
        self.arguments: dict[str, dict[str, Json]] = defaultdict(dict)
        self.fields: dict[str, Json] = {}
        self.subscriptions: dict[str, str] = {}
        self.has_increments = False
        self.deliveries: list[DeliveryKey] = []

    def include(self, decision: Decision, change: Change, context: Context) -> None:  # noqa: C901 - a case for each effect
        match effect_of(change.kind):
            case Effect.PROFILE_FIELD:
                self.fields[change.field] = change.after
            case Effect.ITEMS_ADDED:
                self.arguments["userAttributeValuesToAdd"].setdefault(change.field, []).extend(change.after)
            case Effect.ITEMS_REMOVED:
                self.arguments["userAttributeValuesToRemove"].setdefault(change.field, []).extend(
                    change.after
                )
            case Effect.SUM:
                increments = self.arguments["userAttributeValuesToIncrement"]
                increments[change.field] = increments.get(change.field, 0) + change.after
                self.has_increments = True
                if isinstance(decision.desire, desires.IncrementAttribute):
                    name = decision.desire.delivery
                    self.deliveries.append(context.key(name, change.subject, change.resource))
            case Effect.SUBSCRIPTION:
                self.subscriptions[change.field] = change.after
                if change.kind is ChangeKind.RESUBSCRIBE and isinstance(
                    decision.desire, desires.SetSubscription
                ):
                    self.deliveries.append(
                        context.key(decision.desire.delivery, change.subject, change.resource)
                    )
            case Effect.ATTRIBUTE:
                # Source: Leanplum SDKs clear an attribute by sending null.
                self.arguments["userAttributes"][change.field] = change.after
            case Effect.OCCURRENCE:
                if isinstance(decision.desire, desires.TrackEvent):
                    add_to_totals(self.arguments["events"], decision.desire)
                    name = decision.desire.delivery
                    self.deliveries.append(context.key(name, change.subject, change.resource))
            case Effect.EXISTENCE | Effect.ABSENCE | Effect.DEVICE_FIELD | Effect.MESSAGE | Effect.THING:
                raise AssertionError(f"setUserAttributes can't carry a change of kind {change.kind}")

    def build(self, subject: Subject, create: str, marker: str | None) -> SubjectAction:
        if self.has_increments and marker is not None:
            self.arguments["userAttributes"][marker] = marker_value(self.deliveries)
        arguments = {
            **_identity(subject),
            "createDisposition": create,
            **self.fields,
            **subscription_arguments(self.subscriptions),
            **self.arguments,
        }
        return SubjectAction(Action("setUserAttributes", arguments), tuple(self.deliveries))


def _device(subject: Subject, device_id: str, fields: Mapping[str, Json], profile: Profile) -> SubjectAction:
    """
    Setting fields of a device that the user doesn't have creates it, which the disposition must allow.

    Source: Leanplum docs, selecting a user: userId with deviceId "creates the association if allowed".
    """
    is_new = not profile.exists or not is_listed(device_id, subject, profile)
    arguments = {
        "deviceId": device_id,
        **_identity(subject),
        "createDisposition": _disposition(create=is_new),
        **fields,
    }
    return SubjectAction(Action("setDeviceAttributes", arguments))


def _send(want: Want, send: desires.Send, target: SendTarget, context: Context) -> SubjectAction:
    arguments: dict[str, Json] = {
        **_identity(want.subject),
        "createDisposition": _disposition(create=False),
        "messageId": target.id,
    }
    if send.values:
        arguments["values"] = dict(send.values)
    if send.force:
        arguments["force"] = True
    return SubjectAction(
        Action("sendMessage", arguments), (context.key(send.delivery, want.subject, str(want.resource)),)
    )


def _track(want: Want, event: desires.TrackEvent, context: Context) -> SubjectAction:
    arguments = {
        **_identity(want.subject),
        "createDisposition": _disposition(create=False),
        **track_arguments(event),
    }
    return SubjectAction(
        Action("track", arguments), (context.key(event.delivery, want.subject, str(want.resource)),)
    )


def _erase(subject: Subject, erase: desires.Erase) -> SubjectAction:
    """``block`` erases whatever ``deleteUser`` does. Sent after it, it would find nobody to block."""
    if erase.block:
        return SubjectAction(Action("block", _identity(subject)))
    full = {"fullErasure": True} if erase.full else {}
    return SubjectAction(Action("deleteUser", {**_identity(subject), **full}))


def _identity(subject: Subject) -> dict[str, Json]:
    return {subject.kind.id_argument: subject.id}


def _disposition(*, create: bool) -> str:
    """Always explicit: a typo in an id must not create a user. Source: Leanplum docs, createDisposition."""
    return "CreateIfNeeded" if create else "CreateNever"


def waves(depends_on: Mapping[ResourceAddress, Sequence[ResourceAddress]]) -> dict[ResourceAddress, int]:
    """
    Return each resource's wave, from 0: one more than the highest of those it depends on.

    Dependencies outside the mapping (left out with ``--select``) don't hold anything up. Cycles were refused when the specs
    were checked; one that comes here raises graphlib's CycleError.
    """
    known = {
        address: [other for other in others if other in depends_on] for address, others in depends_on.items()
    }
    found: dict[ResourceAddress, int] = {}
    for address in TopologicalSorter(known).static_order():
        found[address] = 1 + max((found[other] for other in known[address]), default=-1)
    return found
