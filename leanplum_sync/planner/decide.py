"""
Decides which changes one desire leads to for one subject, or why it leads to none.

Each rule reads the observed profile and what the journal knows, and nothing else; together they are where
"carrying out the plan and planning again gives an empty plan" is decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from leanplum_sync.address import Subject
from leanplum_sync.kinds.rows import desires
from leanplum_sync.kinds.rows.desires import Desire, Want
from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.planner.consent import is_consent_valid
from leanplum_sync.planner.events import count_of, kind_of, said_of
from leanplum_sync.planner.known import Known
from leanplum_sync.planner.standing import is_listed
from leanplum_sync.planner.things import part_of
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.channel import ONLY
from leanplum_sync.wire.convert import ConversionError, convert
from leanplum_sync.wire.exact import same_exactly
from leanplum_sync.wire.fingerprint import device_fingerprint
from leanplum_sync.wire.postback import SEVERAL
from leanplum_sync.wire.profile import TOKEN_FIELDS, Profile
from leanplum_sync.wire.subscription import SUBSCRIBED
from leanplum_sync.wire.thing import rules_of
from leanplum_sync.wire.values import ABSENT, canonical, same


class Reason(StrEnum):
    """Why a desire leads to changes, or to none. `explain` shows the sentences."""

    DIFFERS = "differs from the live value"
    SAME = "already as desired"
    HAS_ONE = "already has a value, and is only set for users who have none"
    NO_SOURCE = "does not have the attribute to take the value from"
    DELIVERED = "already delivered, or may have been, according to the journal"
    MOVED = "already delivered under a former name, or may have been, according to the journal"
    HELD = "may already have been delivered: a run holds it until a person decides"
    FINGERPRINT = "already sent: the journal has the same fingerprint, and the API doesn't return the value"
    CONSENT_OLDER = "unsubscribed after the consent in the row, and stays unsubscribed"
    CONSENT_USED = "was already re-subscribed with this consent, or may have been, according to the journal; unsubscribed since"
    ABSENT = "does not exist, as desired"
    GONE = "does not exist, but the journal does not show that what this project keeps about the user was deleted"
    MISSING = "does not exist, and the spec does not create it"
    NOT_CONVERTIBLE = "has a value that can't be converted"
    NOT_A_LIST = "has a single value where a list is needed"
    NOT_WHOLE = "has a value that is not a whole number, which the API doesn't increment"
    NOT_COPYABLE = "has a nested value, which can't be written back"
    IN_THE_WAY = (
        "is a group with variables that the specs don't name, or would be in one that is a single value"
    )
    FIXED = "differs in a field that Leanplum can't change, and the spec does not have `replace: true`"
    IS_DEFAULT = "is the default channel, which Leanplum only deletes if it is the last one"
    SEVERAL = "exists more than once, with channels that Leanplum doesn't show"


@dataclass(frozen=True, slots=True)
class Decision:
    """*held_by* is the run that holds what is desired, *former* the name under which it was delivered."""

    want: Want
    desire: Desire
    reason: Reason
    changes: tuple[Change, ...] = ()
    held_by: int | None = None
    former: str = ""


@dataclass(frozen=True, slots=True)
class SendTarget:
    """A message as getMessages resolved it."""

    id: int
    name: str


def decide(  # noqa: C901 - a case for each desire
    want: Want, desire: Desire, profile: Profile, known: Known, message: SendTarget | None
) -> Decision:
    """
    Return what *desire* means for the subject of *want*. *message* is needed for sends only.

    The subject's existence has been settled before: a profile that doesn't exist is one about to be created.
    """
    match desire:
        case desires.SetAttribute():
            return _set_attribute(want, desire, profile)
        case desires.TakeAttribute():
            return _take_attribute(want, desire, profile)
        case desires.RemoveAttribute():
            return _remove_attribute(want, desire, profile)
        case desires.AlterList():
            return _alter_list(want, desire, profile)
        case desires.IncrementAttribute():
            return _increment(want, desire, profile, known)
        case desires.SetProfileField():
            return _set_profile_field(want, desire, profile)
        case desires.SetDeviceField():
            return _set_device_field(want, desire, profile, known)
        case desires.SetSubscription():
            return _set_subscription(want, desire, profile, known)
        case desires.Send():
            return _send(want, desire, known, message)
        case desires.TrackEvent():
            return _track(want, desire, profile, known)
        case desires.Erase():
            return _erase(want, desire, profile, known)
        case desires.SetThing() | desires.RemoveThing():
            return _thing(want, desire, profile)


def _set_attribute(want: Want, desire: desires.SetAttribute, profile: Profile) -> Decision:
    before = profile.attributes.get(desire.name)
    if desire.only_if_absent and canonical(before) != ABSENT:
        return Decision(want, desire, Reason.HAS_ONE)
    if same(before, desire.value):
        return Decision(want, desire, Reason.SAME)
    return _differs(want, desire, _change(want, desire, ChangeKind.SET, before, desire.value))


def _take_attribute(want: Want, desire: desires.TakeAttribute, profile: Profile) -> Decision:
    source = profile.attributes.get(desire.source)
    if canonical(source) == ABSENT:
        return Decision(want, desire, Reason.NO_SOURCE)
    try:
        value = source if desire.type is None else convert(source, desire.type)
    except ConversionError:
        return Decision(want, desire, Reason.NOT_CONVERTIBLE)
    if isinstance(value, dict):
        return Decision(want, desire, Reason.NOT_COPYABLE)
    before = profile.attributes.get(desire.name)
    if desire.source == desire.name:
        if same(before, value):
            return Decision(want, desire, Reason.SAME)
        return _differs(want, desire, _change(want, desire, ChangeKind.CONVERT, before, value))
    away = _change(want, desire, ChangeKind.RENAMED_AWAY, source, None, name=desire.source)
    if same(before, value):
        return _differs(want, desire, away)
    return _differs(want, desire, _change(want, desire, ChangeKind.RENAME, before, value), away)


def _remove_attribute(want: Want, desire: desires.RemoveAttribute, profile: Profile) -> Decision:
    before = profile.attributes.get(desire.name)
    if canonical(before) == ABSENT:
        return Decision(want, desire, Reason.SAME)
    return _differs(want, desire, _change(want, desire, ChangeKind.REMOVE, before, None))


def _alter_list(want: Want, desire: desires.AlterList, profile: Profile) -> Decision:
    before = profile.attributes.get(desire.name)
    is_list = isinstance(before, list) or canonical(before) == ABSENT
    there = {canonical(item) for item in before} if isinstance(before, list) else {canonical(before)}
    add = _unique(item for item in desire.add if canonical(item) not in there)
    take_out = _unique(item for item in desire.remove if canonical(item) in there)
    if not is_list and (desire.add or take_out):
        return Decision(want, desire, Reason.NOT_A_LIST)
    changes = [
        _change(want, desire, kind, before, items)
        for kind, items in ((ChangeKind.TAKE_OUT, take_out), (ChangeKind.ADD, add))
        if items
    ]
    return _differs(want, desire, *changes) if changes else Decision(want, desire, Reason.SAME)


def _increment(want: Want, desire: desires.IncrementAttribute, profile: Profile, known: Known) -> Decision:
    if delivered := _delivered(want, desire, known, desire.delivery):
        return delivered
    before = profile.attributes.get(desire.name)
    if canonical(before) != ABSENT and not _is_whole(before):
        return Decision(want, desire, Reason.NOT_WHOLE)
    return _differs(want, desire, _change(want, desire, ChangeKind.INCREMENT, before, desire.amount))


def _set_profile_field(want: Want, desire: desires.SetProfileField, profile: Profile) -> Decision:
    before = profile.fields.get(desire.name)
    if desire.only_if_absent and before is not None:
        return Decision(want, desire, Reason.HAS_ONE)
    if before is not None and same(before, desire.value):
        return Decision(want, desire, Reason.SAME)
    return _differs(want, desire, _change(want, desire, ChangeKind.PROFILE, before, desire.value))


def _set_device_field(want: Want, desire: desires.SetDeviceField, profile: Profile, known: Known) -> Decision:
    """
    Compare with what the API shows, and with the journal's fingerprint where it shows nothing.

    Source: recorded traffic lists a device by its id alone although more was sent; Leanplum's OpenAPI documents the
    whole group. So a field that is absent proves nothing, but a device that is absent does.
    """
    device = profile.devices.get(desire.device_id)
    before = None if device is None else device.get(desire.name)
    if before is not None and same(before, desire.value):
        return Decision(want, desire, Reason.SAME)
    sent = known.fingerprints.get((desire.device_id, desire.name))
    if (
        before is None
        and is_listed(desire.device_id, want.subject, profile)
        and sent == device_fingerprint(desire.device_id, desire.name, desire.value)
    ):
        return Decision(want, desire, Reason.FINGERPRINT)
    kind = ChangeKind.TOKEN if desire.name in TOKEN_FIELDS else ChangeKind.DEVICE
    return _differs(
        want, desire, _change(want, desire, kind, before, desire.value, device_id=desire.device_id)
    )


def _set_subscription(
    want: Want, desire: desires.SetSubscription, profile: Profile, known: Known
) -> Decision:
    """A consent re-subscribes only once, and only if the API shows no later unsubscribe: who leaves again stays away."""
    before = profile.subscriptions.get(desire.name, SUBSCRIBED)
    if before == desire.state:
        return Decision(want, desire, Reason.SAME)
    if desire.state != SUBSCRIBED:
        return _differs(want, desire, _change(want, desire, ChangeKind.UNSUBSCRIBE, before, desire.state))
    if desire.delivery in known.held:
        return Decision(want, desire, Reason.HELD, held_by=known.held[desire.delivery])
    if desire.delivery in known.delivered:
        return Decision(want, desire, Reason.CONSENT_USED)
    if not is_consent_valid(desire.name, desire.consented_at, profile, known.unsubscribed):
        return Decision(want, desire, Reason.CONSENT_OLDER)
    change = _change(want, desire, ChangeKind.RESUBSCRIBE, before, desire.state)
    return _differs(want, desire, replace(change, consented_at=desire.consented_at))


def _send(want: Want, desire: desires.Send, known: Known, message: SendTarget | None) -> Decision:
    if message is None:
        raise AssertionError(f"{want.resource}: the message was not resolved before planning")
    if delivered := _delivered(want, desire, known, desire.delivery):
        return delivered
    return _differs(
        want, desire, _change(want, desire, ChangeKind.SEND, None, dict(desire.values), name=message.name)
    )


def _track(want: Want, desire: desires.TrackEvent, profile: Profile, known: Known) -> Decision:
    if delivered := _delivered(want, desire, known, desire.delivery):
        return delivered
    before = count_of(profile, desire.name)
    return _differs(want, desire, _change(want, desire, kind_of(desire), before, said_of(desire)))


def _erase(want: Want, desire: desires.Erase, profile: Profile, known: Known) -> Decision:
    """
    A user who doesn't exist is erased, too, unless the journal shows that what the project keeps about the user was deleted. ``apply``
    reads the user first, finds nobody, and sends nothing.
    """
    if not profile.exists and known.is_cleaned:
        return Decision(want, desire, Reason.ABSENT)
    kind = ChangeKind.BLOCK if desire.block else ChangeKind.ERASE
    after: dict[str, Json] = {"full": desire.full, "request": desire.request}
    if profile.exists:
        return _differs(want, desire, _change(want, desire, kind, None, after))
    change = _change(want, desire, kind, None, {**after, "exists": False})
    return Decision(want, desire, Reason.GONE, (change,))


def _thing(want: Want, desire: desires.SetThing | desires.RemoveThing, profile: Profile) -> Decision:
    rules = rules_of(want.subject.kind)
    if rules is None:
        return _variable(want, desire, profile)
    before = profile.things.get(desire.name)
    if isinstance(desire, desires.RemoveThing):
        return _removed_thing(want, desire, before)
    if before is None:
        return _differs(want, desire, _change(want, desire, ChangeKind.THING_CREATED, None, desire.value))
    differing = rules.differing(desire.value, before)
    if not differing:
        return Decision(want, desire, Reason.SAME)
    if differing <= rules.updatable:
        changed = part_of(before, desire.value)
        return _differs(want, desire, _change(want, desire, ChangeKind.THING_UPDATED, changed, desire.value))
    if not desire.replace:
        return Decision(want, desire, Reason.FIXED)
    if obstacle := _obstacle(before):
        return Decision(want, desire, obstacle)
    kept = {name: value for name, value in before.items() if name in rules.compared}
    after = {**kept, **desire.value}
    kinds = (ChangeKind.THING_REPLACED_AWAY, ChangeKind.THING_REPLACED)
    return _differs(want, desire, *(_change(want, desire, kind, before, after) for kind in kinds))


def _removed_thing(want: Want, desire: desires.RemoveThing, before: Json) -> Decision:
    if before is None:
        return Decision(want, desire, Reason.SAME)
    if obstacle := _obstacle(before):
        return Decision(want, desire, obstacle)
    kind = ChangeKind.THING_REPLACED_AWAY if desire.replaced else ChangeKind.THING_REMOVED
    return _differs(want, desire, _change(want, desire, kind, before, None))


def _obstacle(thing: Mapping[str, Json]) -> Reason | None:
    """Return why an observed thing can't be deleted."""
    if thing.get("default") and not thing.get(ONLY):
        return Reason.IS_DEFAULT
    return Reason.SEVERAL if thing.get(SEVERAL) else None


def _variable(want: Want, desire: desires.SetThing | desires.RemoveThing, profile: Profile) -> Decision:
    """Variables that the specs don't name stay: those of a group, and the one that is where a group would have to be."""
    before = profile.things.get(desire.name)
    after = desire.value if isinstance(desire, desires.SetThing) else None
    if same_exactly(before, after) and not profile.things.keys() - {desire.name}:
        return Decision(want, desire, Reason.SAME)
    if isinstance(before, dict) or profile.things.keys() - {desire.name}:
        return Decision(want, desire, Reason.IN_THE_WAY)
    kind = ChangeKind.VARIABLE if isinstance(desire, desires.SetThing) else ChangeKind.VARIABLE_GONE
    return _differs(want, desire, _change(want, desire, kind, before, after))


def _delivered(want: Want, desire: Desire, known: Known, name: str) -> Decision | None:
    if name in known.held:
        return Decision(want, desire, Reason.HELD, held_by=known.held[name])
    if name in known.former:
        return Decision(want, desire, Reason.MOVED, former=known.former[name])
    return Decision(want, desire, Reason.DELIVERED) if name in known.delivered else None


def _differs(want: Want, desire: Desire, *changes: Change) -> Decision:
    return Decision(want, desire, Reason.DIFFERS, changes)


def _change(
    want: Want,
    desire: Desire,
    kind: ChangeKind,
    before: Json,
    after: Json,
    *,
    name: str = "",
    device_id: str = "",
) -> Change:
    return Change(
        subject=want.subject,
        resource=str(want.resource),
        kind=kind,
        field=name or desire.name,
        before=before,
        after=after,
        asked_at=desire.asked_at,
        found_at=want.found_at,
        device_id=device_id,
    )


def _is_whole(value: Json) -> bool:
    """
    Whole numbers read back without a point; one with a point is kept as a double, which the API may silently not increment.

    Source: Leanplum's OpenAPI: an increment of anything but an integer is skipped.
    """
    return isinstance(value, int) and not isinstance(value, bool)


def _unique(items: Iterable[Json]) -> list[Json]:
    return list({canonical(item): item for item in items}.values())


def create_user(subject: Subject, wants: Iterable[Want]) -> Change:
    """Return the change that creates the user, asked for by the first want that allows it."""
    want = next(want for want in wants if want.create)
    place = want.desires[0].asked_at if want.desires else want.found_at
    return Change(subject, str(want.resource), ChangeKind.CREATE, "", None, None, place, want.found_at)
