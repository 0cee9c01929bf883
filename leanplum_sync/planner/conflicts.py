"""Finds wants that contradict each other for one subject: offline, before anything is read."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from leanplum_sync.address import ResourceAddress, SubjectKind
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.rows import desires
from leanplum_sync.kinds.rows.desires import Desire, Want
from leanplum_sync.kinds.rows.erase_part import ErasePart
from leanplum_sync.kinds.rows.parts import Always, CellPart, DevicePart, ListPart, OncePart
from leanplum_sync.kinds.rows.subscription_part import SubscriptionPart
from leanplum_sync.problem import Place, Problem
from leanplum_sync.wire.exact import exact_form
from leanplum_sync.wire.fingerprint import fingerprint
from leanplum_sync.wire.postback import MOST
from leanplum_sync.wire.profile import TOKEN_FIELDS
from leanplum_sync.wire.values import canonical
from leanplum_sync.wire.variable import overlaps

ERASED_ELSEWHERE: Final = "is to be erased by"

_Target: TypeAlias = tuple[
    Hashable, ...
]  # ("attribute", name), ("item", name, item), ("device", id, field), ...


@dataclass(frozen=True, slots=True)
class _Claim:
    want: Want
    desire: Desire
    says: Hashable


def conflicts(wants: Sequence[Want]) -> Iterator[Problem]:
    """
    Yield a problem for each contradiction between two of one subject's *wants*.

    Different resources may ask for the same value. Two rows of one resource for the same subject, or for the same
    device of it, are a duplicate id whatever they ask for.
    """
    rows: dict[Hashable, Want] = {}
    claims: dict[_Target, _Claim] = {}
    for want in wants:
        row = (want.resource, _row_identity(want))
        if row in rows:
            yield Problem(
                want.found_at,
                *_repeated(want),
                str(want.resource),
                also=rows[row].found_at,
            )
            continue
        if (other := _at_odds_about_existence(want, rows.values())) is not None:
            yield _erased_elsewhere(want, other)
        rows[row] = want
        for desire in want.desires:
            for target, says in _claims(desire):
                first = claims.setdefault(target, _Claim(want, desire, says))
                if first.says != says:
                    yield _conflict(target, first, want, desire)


def groups_in_the_way(wants: Sequence[Want]) -> Iterator[Problem]:
    """Yield a problem for each of *wants*, one for each variable, that is in a group which another one wants to be a single value."""
    wanted = {want.subject.id: want for want in wants if not isinstance(want.desires[0], desires.RemoveThing)}
    for name, group in overlaps(list(wanted)):
        want, other = wanted[name], wanted[group]
        if want.resource != other.resource:  # its own document reports it
            yield Problem(
                want.found_at,
                f"{name} can't be a variable while {group} is one, in {other.resource}: {group} is its group",
                "Rename one of them.",
                str(want.resource),
                also=other.found_at,
            )


def several_defaults(wants: Sequence[Want]) -> Iterator[Problem]:
    """Yield a problem for each of *wants*, one for each thing, that wants to be the default channel, but for the first."""
    defaults = [
        want
        for want in wants
        if want.subject.kind is SubjectKind.CHANNEL
        and isinstance(desire := want.desires[0], desires.SetThing)
        and desire.value.get("default")
    ]
    for want in defaults[1:]:
        yield Problem(
            want.found_at,
            f"{want.subject.id} can't be the default channel, because {defaults[0].subject.id} is to be it",
            "Keep `default: true` in one of them.",
            str(want.resource),
            also=defaults[0].found_at,
        )


def too_many_postbacks(wants: Sequence[Want]) -> Iterator[Problem]:
    """Yield a problem for each of *wants*, one for each thing, that wants a postback beyond the most that an app can have."""
    present = [
        want
        for want in wants
        if want.subject.kind is SubjectKind.POSTBACK and isinstance(want.desires[0], desires.SetThing)
    ]
    for want in sorted(present, key=lambda each: each.found_at)[MOST:]:
        yield Problem(
            want.found_at,
            f"this is one postback too many: an app can have {MOST}",
            "Remove one, or write `state: absent` to delete it.",
            str(want.resource),
        )


def shared_fields(resources: Sequence[Resource]) -> list[tuple[int, int]]:
    """
    Return (resource, field), by their numbers, for each attribute or field that more than one of *resources* asks for.

    Only subjects with rows in two resources that share a field can have a conflict between them.
    """
    askers: dict[tuple[str, str], list[int]] = {}
    if any(resource.erases for resource in resources):
        askers["user", "erased"] = list(range(len(resources)))
    for number, resource in enumerate(resources):
        for field in sorted(_fields(resource)):
            askers.setdefault(field, []).append(number)
    return [
        (number, field)
        for field, numbers in enumerate(askers.values())
        if len(numbers) > 1
        for number in numbers
    ]


def _fields(resource: Resource) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for part in resource.parts:
        match part:
            case Always(wish=desire) | CellPart(wish=desire):
                found |= {(str(target[0]), str(target[-1])) for target, _ in _claims(desire)}
            case ListPart(name=name):
                found.add(("attribute", name))
            case DevicePart(name=name):
                found.add(("device", name))
            case SubscriptionPart(name=name):
                found.add(("subscription", name))
            case ErasePart():
                pass  # it contradicts every other resource, see ``shared_fields``
            case OncePart():
                pass
    return found


def _claims(desire: Desire) -> Iterator[tuple[_Target, Hashable]]:  # noqa: C901 - a case for each desire
    """Yield (what, how) pairs. Two desires conflict if they have the same *what* and a different *how*."""
    match desire:
        case desires.SetAttribute(name=name, value=value):
            yield ("attribute", name), ("set", canonical(value))
        case desires.TakeAttribute(name=name, source=source, type=type_):
            yield ("attribute", name), ("take", source, type_)
            if source != name:
                yield ("attribute", source), ("renamed to", name)
        case desires.RemoveAttribute(name=name):
            yield ("attribute", name), ("remove",)
        case desires.AlterList(name=name, add=add, remove=remove):
            yield ("attribute", name), ("list",)
            yield from ((("item", name, canonical(item)), "in") for item in add)
            yield from ((("item", name, canonical(item)), "out") for item in remove)
        case desires.IncrementAttribute(name=name):
            yield ("attribute", name), ("increment",)
        case desires.SetProfileField(name=name, value=value):
            yield ("profile", name), canonical(value)
        case desires.SetSubscription(name=name, state=state):
            yield ("subscription", name), state
        case desires.SetDeviceField(device_id=device_id, name=name, value=value):
            yield ("device", device_id, name), canonical(value)
        case desires.SetThing(name=name, value=value):
            yield ("thing", name), ("set", exact_form(value))
        case desires.RemoveThing(name=name):
            yield ("thing", name), ("remove",)
        case desires.Erase() | desires.Once():
            pass


def _at_odds_about_existence(want: Want, earlier: Iterable[Want]) -> Want | None:
    """Return the one of *earlier* that, unlike *want*, erases the user, or that *want* erases; None if there is none."""
    return next(
        (each for each in earlier if each.resource != want.resource and _erases(each) is not _erases(want)),
        None,
    )


def _erases(want: Want) -> bool:
    return any(isinstance(desire, desires.Erase) for desire in want.desires)


def _erased_elsewhere(want: Want, other: Want) -> Problem:
    erasing, listing = (want, other) if _erases(want) else (other, want)
    return Problem(
        listing.found_at,
        f"{listing.subject.id} {ERASED_ELSEWHERE} {erasing.resource}",
        "Remove this row: otherwise the user could be created again, or be sent something.",
        str(listing.resource),
        also=erasing.found_at,
    )


def _row_identity(want: Want) -> Hashable:
    """A user has one row a resource; in a list of devices, one row each device; in a list of events, one row each key."""
    for desire in want.desires:
        if isinstance(desire, desires.SetDeviceField):
            return desire.device_id
        if isinstance(desire, desires.TrackEvent):
            # Without a column of keys, which is a problem of the spec, nothing is known about repeated rows.
            return desire.key or id(want)
    return None


def _repeated(want: Want) -> tuple[str, str]:
    """Return what is wrong with a second row, and what to do."""
    if any(isinstance(desire, desires.TrackEvent) for desire in want.desires):
        return (
            f"the key of this event of {want.subject.id} is listed a second time",
            "Keep one row for each key, or choose a column that tells the events of a user apart.",
        )
    return f"the id {want.subject.id} is listed a second time", "Keep one row for each id."


def _conflict(target: _Target, first: _Claim, want: Want, desire: Desire) -> Problem:
    what = target[2] if target[0] == "device" else target[1]
    return Problem(
        desire.asked_at,
        f"{what} conflicts with {first.want.resource}"
        + (
            ""
            if want.subject.kind.is_thing
            else f" for the same user: {_row(want.found_at)} here, {_row(first.want.found_at)} there"
        ),
        "Remove one of them, or set the same value in both.",
        str(want.resource),
        also=first.desire.asked_at,
    )


def _row(place: Place) -> str:
    return f"{place.file}, row {place.row}" if place.row is not None else str(place)


def device_and_token(want: Want) -> tuple[str, str] | None:
    """
    Return the device that *want* gives a token, and the token's fingerprint. Users may share a device only
    with the same token.

    Source: Leanplum's OpenAPI: a device used by several users is sent once for each of them.
    """
    tokens = [
        desire
        for desire in want.desires
        if isinstance(desire, desires.SetDeviceField) and desire.name in TOKEN_FIELDS
    ]
    if not tokens:
        return None
    said = sorted((token.name, token.value) for token in tokens)
    return tokens[0].device_id, fingerprint(*(part for pair in said for part in pair))


def token_conflict(resource: ResourceAddress, place: Place, first: Place) -> Problem:
    return Problem(
        place,
        "another user has this device with a different token",
        "A device has one token: keep the correct row.",
        str(resource),
        also=first,
    )
