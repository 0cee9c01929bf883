"""What is said of a plan in every rendering: names, numbers, and values from what to what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

from rich.cells import cell_len

from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.change_facts import Effect, Family, effect_of, facts
from leanplum_sync.planner.plan import Cohort, Cost, Hazard, Header, Note, Summary, Target, ValuePair
from leanplum_sync.render.values import Mask, Masked, cut, escaped, shown
from leanplum_sync.render.words import amount, duration, listing, moment
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.limits import USER_ATTRIBUTE_NAMES
from leanplum_sync.wire.profile import TIME_FIELDS


class Plan(Protocol):
    """What is shown of a plan file, and no more of it is needed."""

    @property
    def header(self) -> Header: ...
    @property
    def summary(self) -> Summary: ...
    def hazards(self) -> tuple[Hazard, ...]: ...
    def notes(self) -> tuple[Note, ...]: ...
    def cohorts(self) -> tuple[Cohort, ...]: ...


_ALWAYS_SHOWN: Final = ("sends", "createdUsers", "removals")
# Counted elsewhere in the text: shown among the hazards only when there are too many.
_MET: Final = (
    "delivered",
    "missing",
    "unsettled",
)  # notes that speak of nothing left undone for users that exist
_SHOWN_WHEN_OVER: Final = ("changedUsers", "changedShare", "billableLookups")
RECHECK: Final = "--recheck on"
HAZARD_WORDS: Final[Mapping[str, str]] = {
    "sends": "sends",
    "forcedSends": "sends past the message's own targeting",
    "createdUsers": "created users",
    "removals": "removals of an attribute",
    "renames": "renames of an attribute",
    "increments": "increments",
    "newAttributeNames": f"attribute names that are new, near the API's limit of {USER_ATTRIBUTE_NAMES}",
    "changedUsers": "changed users",
    "changedShare": "percent of the listed users change",
    "billableLookups": "billable lookups to read and apply",
}
KIND_WORDS: Final[Mapping[ChangeKind, str]] = {kind: facts(kind).words for kind in ChangeKind}
CAREFUL_KINDS: Final = frozenset(kind for kind in ChangeKind if facts(kind).needs_care)
WITHOUT_BEFORE: Final = frozenset(
    kind for kind in ChangeKind if effect_of(kind) in (Effect.ITEMS_ADDED, Effect.ITEMS_REMOVED, Effect.SUM)
)
RENAMES: Final = frozenset(kind for kind in ChangeKind if facts(kind).family is Family.RENAMES)
_LATEST_TIME: Final = 1e11  # seconds; beyond it, years have more than four digits


def target_words(target: Target) -> str:
    """Return such as ``production (api.leanplum.com, app app_1)``; an emulator can't be taken for anything else."""
    name, host = cut(escaped(target.environment)), cut(escaped(target.host))
    if target.host == "embedded emulator":
        return f"{name} (embedded emulator, nothing real is touched)"
    if target.is_emulator:
        return f"{name} (emulator at {host}, nothing real is touched)"
    return f"{name} ({host}, app {cut(escaped(target.app_id))})"


def over_budget(hazards: Iterable[Hazard]) -> str:
    """Return such as ``12,431 sends (budget 0) and 5 removals (budget 0)``: every hazard that is over its budget."""
    return listing(
        [
            f"{hazard.count:,} {HAZARD_WORDS[hazard.name]} (budget {hazard.allowed:,})"
            for hazard in hazards
            if hazard.allowed is not None and hazard.is_over
        ]
    )


def consent_options(hazards: Iterable[Hazard]) -> str:
    """Return such as ``--ack sends=12431 --ack removals=5``: what ``apply`` needs for those over budget."""
    return " ".join(f"--ack {hazard.name}={hazard.count}" for hazard in hazards if hazard.is_over)


def nothing_to_do(summary: Summary, notes: Iterable[Note]) -> str:
    if summary.listed and summary.missing == summary.listed:
        if summary.listed == 1:
            return "Nothing to do: the one listed user does not exist."
        return f"Nothing to do: none of the {summary.listed:,} listed users exists."
    there = amount(summary.listed - summary.missing, "listed user") + (
        " that exist" if summary.missing else ""
    )
    unmet = [note for note in notes if note.code not in _MET]
    if unmet:
        return f"Nothing can be done: {there}, not all as the specs say."
    return f"Nothing to do: {there}, all as the specs say."


def worth_showing(plan: Plan) -> Iterable[Hazard]:
    found = {hazard.name: hazard for hazard in plan.hazards()}
    for name in _ALWAYS_SHOWN:
        yield found.pop(name, Hazard(name, 0, None))
    for hazard in found.values():
        if hazard.is_over or hazard.name not in _SHOWN_WHEN_OVER:
            yield hazard


def mask_for(plan: Plan) -> Mask:
    return Mask(plan.header.sensitive, plan.header.mask_key)


def hiders(cohorts: Sequence[Cohort], mask: Mask) -> Callable[[Cohort], Callable[[Json], Json]]:
    """
    Return what hides the sensitive values of each of *cohorts*.

    A rename takes a value from one name to another: if one of the two is sensitive, the value is.
    """
    renamed = {cohort.asked_at for cohort in cohorts if mask.covers(cohort.field) and cohort.kind in RENAMES}
    return lambda cohort: mask.hide if cohort.asked_at in renamed else partial(mask.value, cohort.field)


def masked(cohorts: Sequence[Cohort], mask: Mask) -> tuple[Cohort, ...]:
    """Return *cohorts* without sensitive values."""
    hider = hiders(cohorts, mask)

    def shown_pairs(cohort: Cohort) -> tuple[ValuePair, ...]:
        hide = hider(cohort)
        return tuple(replace(pair, before=hide(pair.before), after=hide(pair.after)) for pair in cohort.pairs)

    return tuple(replace(cohort, pairs=shown_pairs(cohort)) for cohort in cohorts)


def change_words(kind: ChangeKind, field: str, before: Json, after: Json, cells: int) -> str:
    """Return such as ``bronze → gold``, ``+ running``, ``- golf`` or ``+3``, in about so many terminal cells."""
    match effect_of(kind):
        case Effect.EXISTENCE:
            return ""
        case Effect.ITEMS_ADDED:
            return f"+ {_items(after, cells - 2)}"
        case Effect.ITEMS_REMOVED:
            return f"- {_items(after, cells - 2)}"
        case Effect.SUM if isinstance(after, int):
            return f"{after:+,}"
        case Effect.MESSAGE:
            return f"with {shown(after, cells - 5)}" if after else ""
        case Effect.PROFILE_FIELD if field in TIME_FIELDS:
            return f"{_day(before)} → {_day(after)}"
        case Effect.ATTRIBUTE | Effect.SUM | Effect.PROFILE_FIELD | Effect.DEVICE_FIELD:
            room = cells - len(" → ")
            if isinstance(before, Masked) and isinstance(after, Masked) and room < len(f"{before}{after}"):
                return cut("(sensitive)", cells)
            # A short one leaves its room to the other.
            for_before = max(room // 2, room - cell_len(shown(after, room)))
            short = shown(before, for_before)
            return f"{short} → {shown(after, room - cell_len(short))}"


def _day(value: Json) -> str:
    """The API keeps times as epoch seconds, which nobody reads."""
    is_time = isinstance(value, int | float) and abs(value) < _LATEST_TIME
    return moment(value).removesuffix(" 00:00 UTC") if is_time else shown(value)


def _items(values: Json, cells: int) -> str:
    return (
        cut(", ".join(shown(value, cells) for value in values), cells)
        if isinstance(values, list | tuple)
        else shown(values, cells)
    )


def other_ways(cost: Cost) -> str:
    one_by_one = amount(cost.one_by_one, "lookup")
    return f"One call for each action would cost {one_by_one}, batches by kind of action {cost.by_action:,}."


def cost_remarks(cost: Cost) -> Iterable[str]:
    if cost.separation:
        keep = "keeps" if cost.separation == 1 else "keep"
        yield f"{cost.separation:,} of these lookups {keep} sends and increments in requests of their own."
    if cost.reads and cost.recheck:
        yield f"Reading took {cost.reads:,} more; reading again just before ({RECHECK}) adds {cost.recheck:,}."
    elif cost.reads:
        yield f"Reading took {cost.reads:,} more."
    elif cost.recheck:
        yield f"Reading again just before ({RECHECK}) adds {cost.recheck:,}."


def about(cost: Cost) -> str:
    """Without a rate there is no estimate."""
    return f", about {duration(cost.seconds)}" if cost.seconds else ""


def target_fields(target: Target) -> dict[str, Json]:
    return {
        "environment": target.environment,
        "host": target.host,
        "appId": target.app_id,
        "isEmulator": target.is_emulator,
    }


def shape_words(cohort: Cohort, cells: int) -> str:
    """Return such as ``with first_name and order``; with the users of each, if sends differ in what they carry. Empty for one send."""
    if cohort.distinct <= 1 or not cohort.shapes:
        return ""
    words = [
        (f"with {listing([escaped(name) for name in shape.names])}" if shape.names else "with no values")
        + (f" for {shape.subjects:,}" if len(cohort.shapes) > 1 else "")
        for shape in cohort.shapes
    ]
    return cut("; ".join(words), cells)


def sides(kind: ChangeKind, field: str, before: Json, after: Json, cells: int) -> tuple[str, str]:
    """Return what was there and what comes, each in at most so many cells; for a list or a number, what is added or taken."""
    match effect_of(kind):
        case Effect.EXISTENCE:
            return "", ""
        case Effect.ITEMS_ADDED | Effect.ITEMS_REMOVED | Effect.SUM | Effect.MESSAGE:
            return "", change_words(kind, field, before, after, cells)
        case Effect.PROFILE_FIELD if field in TIME_FIELDS:
            return _day(before), _day(after)
        case Effect.ATTRIBUTE | Effect.PROFILE_FIELD | Effect.DEVICE_FIELD:
            return shown(before, cells), shown(after, cells)
