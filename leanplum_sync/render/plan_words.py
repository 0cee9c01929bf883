"""Words that every rendering of a plan shares: names, counts, and values before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from rich.cells import cell_len

from leanplum_sync.address import noun_of
from leanplum_sync.planner.change import Change, ChangeKind, Effect, Family, effect_of, facts
from leanplum_sync.planner.plan import (
    ABOUT_SPECS,
    ABOUT_THINGS,
    ASSUMED,
    AUDIT,
    BLOCKED,
    ENDED_TEST,
    EXPORT,
    IN_TEST,
    REMARK,
    SOURCE,
    TRIGGERS,
    UNKNOWN_TESTS,
    UNSEEN,
    Cohort,
    Cost,
    Hazard,
    Header,
    Note,
    RowsRead,
    Summary,
    Target,
    ValuePair,
    pending_exports,
)
from leanplum_sync.render.deep_diff import deep_words
from leanplum_sync.render.values import Mask, Masked, amount, cut, duration, escaped, listing, moment, shown
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.limits import USER_ATTRIBUTE_NAMES
from leanplum_sync.wire.profile import TIME_FIELDS

if TYPE_CHECKING:  # of its many imports, `show` needs none
    from leanplum_sync.operations.drift import Moved

C = TypeVar("C", Cohort, Change, "Moved")
G = TypeVar("G", Cohort, "Moved")
S = TypeVar("S", ValuePair, Change)


class Plan(Protocol):
    """The parts of a plan file that renderings read."""

    @property
    def header(self) -> Header: ...
    @property
    def summary(self) -> Summary: ...
    def hazards(self) -> tuple[Hazard, ...]: ...
    def notes(self) -> tuple[Note, ...]: ...
    def rows(self) -> Mapping[str, RowsRead]: ...
    def cohorts(self) -> tuple[Cohort, ...]: ...


ALWAYS_SHOWN: Final = ("sends", "createdUsers", "removals")
_SHOWN_FIRST: Final = (
    "erased",
    "erasedBefore",
    "sends",
    "triggersCampaigns",
    "repeatedSends",
    "repeatedEvents",
    "suspectedRename",
    "resubscribes",
    "variables",
    "inRunningTest",
    "replaced",
    "removed",
    "createdUsers",
    "removals",
)
# Other parts of the text have these counts, so they are listed as hazards only when over budget.
_SHOWN_WHEN_OVER: Final = ("changedUsers", "changedShare", "billableLookups")
# Codes of notes that leave no existing user short of what the specs ask.
_MET: Final = (
    BLOCKED,
    "delivered",
    "moved",
    "gone",
    "missing",
    "unsettled",
    ASSUMED,
    UNSEEN,
    AUDIT,
    TRIGGERS,
    *ABOUT_SPECS,
)
RECHECK: Final = "--recheck on"
HAZARD_WORDS: Final[Mapping[str, str]] = {
    "erased": "erased users",
    "erasedBefore": "users changed, or sent something, after they were erased",
    "sends": "sends",
    "repeatedSends": "sends of a message that the recipient already got under another delivery name",
    "suspectedRename": "recipients of a delivery that looks renamed or split; list it in `moved`",
    "events": "past events",
    "repeatedEvents": "past events that the user already has from another import, by their keys",
    "triggersCampaigns": "users who may be sent triggered messages",
    "forcedSends": "sends that bypass the message's own targeting",
    "createdUsers": "created users",
    "resubscribes": "re-subscriptions of users who had unsubscribed",
    "variables": "variables set or deleted, for all users",
    "replaced": "things of the app deleted and created again",
    "removed": "things of the app deleted",
    "removals": "attribute removals",
    "unsubscribes": "unsubscriptions",
    "renames": "attribute renames",
    "increments": "increments",
    "inRunningTest": "variables in a running A/B test",
    "newAttributeNames": f"new attribute names, close to the API's limit of {USER_ATTRIBUTE_NAMES}",
    "duringMigration": "users changed while the app is being copied to CleverTap",
    "assumed": "users not read, assumed to match the specs",
    "unseen": "users not read, seen only in an export",
    "audit": "users not read who may not match",
    "changedUsers": "changed users",
    "changedShare": "percent of listed users changed",
    "billableLookups": "billable lookups to plan and apply",
}
KIND_WORDS: Final[Mapping[ChangeKind, str]] = {kind: facts(kind).words for kind in ChangeKind}
CAREFUL_KINDS: Final = frozenset(kind for kind in ChangeKind if facts(kind).needs_care)
WITHOUT_BEFORE: Final = frozenset(
    kind for kind in ChangeKind if effect_of(kind) in (Effect.ITEMS_ADDED, Effect.ITEMS_REMOVED, Effect.SUM)
)
RENAMES: Final = frozenset(kind for kind in ChangeKind if facts(kind).family is Family.RENAMES)
_LATEST_TIME: Final = 1e11  # seconds; beyond it, years have more than four digits


def target_words(target: Target) -> str:
    """Return a target such as ``production (api.leanplum.com, app app_1)``. An emulator is always named as one."""
    name, host = cut(escaped(target.environment)), cut(escaped(target.host))
    if target.host == "embedded emulator":
        return f"{name} (embedded emulator, nothing real is touched)"
    if target.is_emulator:
        return f"{name} (emulator at {host}, nothing real is touched)"
    return f"{name} ({host}, app {cut(escaped(target.app_id))})"


def over_budget(hazards: Iterable[Hazard]) -> str:
    """Return every hazard over its budget, such as ``12,431 sends (budget 0) and 5 attribute removals (budget 0)``."""
    return listing(
        [
            f"{hazard.count:,} {HAZARD_WORDS[hazard.name]} (budget {hazard.allowed:,})"
            for hazard in hazards
            if hazard.allowed is not None and hazard.is_over
        ]
    )


def consent_options(hazards: Iterable[Hazard]) -> str:
    """Return the options ``apply`` needs for the hazards over budget, such as ``--ack sends=12431 --ack removals=5``."""
    return " ".join(f"--ack {hazard.name}={hazard.count}" for hazard in hazards if hazard.is_over)


def noted(note: Note) -> str:
    """Return how many a note is about, such as ``14 users``."""
    return amount(note.count, ABOUT_THINGS.get(note.code, "user"))


def listed_things(summary: Summary) -> str:
    """Return such as ``3 listed variables``."""
    return amount(summary.things, f"listed {noun_of(summary.thing_kinds)}")


def would_change(summary: Summary) -> str:
    """Return such as ``2 of 40 listed users would change``."""
    users = f"{summary.changed:,} of {amount(summary.listed, 'listed user')}"
    things = f"{summary.changed_things:,} of {listed_things(summary)}"
    counted = [users] if summary.listed or not summary.things else []
    return f"{listing([*counted, *([things] if summary.things else [])])} would change"


def heading_of(note: Note) -> str:
    titles = {
        ASSUMED: "Assumed",
        UNSEEN: "Unseen",
        AUDIT: "Audit",
        REMARK: "Remarks",
        SOURCE: "Sources",
        EXPORT: "Exports",
        TRIGGERS: "Triggered",
        IN_TEST: "A/B tests",
        ENDED_TEST: "A/B tests",
        UNKNOWN_TESTS: "A/B tests",
    }
    return titles.get(note.code, "Skipped")


def by_heading(notes: Iterable[Note]) -> Iterator[tuple[str, Sequence[Note]]]:
    """Yield the notes under each heading that has some."""
    noted = list(notes)
    for title in (
        "Triggered",
        "A/B tests",
        "Assumed",
        "Unseen",
        "Audit",
        "Skipped",
        "Remarks",
        "Sources",
        "Exports",
    ):
        if some := [note for note in noted if heading_of(note) == title]:
            yield title, some


def nothing_to_do(summary: Summary, notes: Iterable[Note]) -> str:
    """Return the headline of a plan that sends nothing. It claims no match for users who don't exist."""
    notes = list(notes)
    windows = pending_exports(notes)
    exported = f"{amount(windows, 'window')} would be exported." if windows else ""
    if summary.listed + summary.things == 0 and all(note.code in _MET for note in notes):
        return exported or "No changes."
    return f"{exported} {_without_changes(summary, notes)}".lstrip()


def _without_changes(summary: Summary, notes: Sequence[Note]) -> str:
    listed, missing = summary.listed, summary.missing
    if summary.things and not any(note.code not in _MET for note in notes):
        match = "matches" if listed + summary.things == 1 else "match"
        things = listed_things(summary)
        if not listed:
            return f"No changes: {things} {match} the specs."
        if not missing and not summary.assumed + summary.unseen:
            return f"No changes: {amount(listed, 'listed user')} and {things} match the specs."
    elif summary.things and not listed:
        things = listed_things(summary)
        return f"No changes possible, although not all of the {things} match the specs."
    if listed and missing == listed:
        nobody = (
            "the only listed user does not exist"
            if listed == 1
            else f"none of the {listed:,} listed users exists"
        )
        return f"No changes: {nobody}{_and_things(summary, notes)}."
    if any(note.code not in _MET for note in notes):
        return (
            f"No changes possible, although not all of the {amount(listed, 'listed user')} match the specs."
        )
    if unread := summary.assumed + summary.unseen:
        read = listed - unread - missing
        gone = f"; {missing:,} {'does' if missing == 1 else 'do'} not exist" if missing else ""
        was_read = (
            f"{read:,} of {amount(listed, 'listed user')} {'was' if read == 1 else 'were'} read and"
            f" {'matches' if read == 1 else 'match'} the specs; {unread:,}"
        )
        assumed = was_read if read else f"{unread:,} of {amount(listed, 'listed user')}"
        return f"No changes found: {assumed} {'is' if unread == 1 else 'are'} assumed to match{_audit_words(summary)}{gone}."
    if missing:
        existing = listed - missing
        match = "matches" if existing == 1 else "match"
        return f"No changes: {existing:,} of {listed:,} listed users {match} the specs; {missing:,} {'does' if missing == 1 else 'do'} not exist."
    return f"No changes: {amount(listed, 'listed user')} {'matches' if listed == 1 else 'match'} the specs."


def _and_things(summary: Summary, notes: Iterable[Note]) -> str:
    """Return the end of a sentence that says whether things of the app match; empty if none is listed."""
    if not summary.things:
        return ""
    if any(note.code not in _MET for note in notes):
        return f", and not all of the {listed_things(summary)} match the specs"
    match = "matches" if summary.things == 1 else "match"
    return f", and {listed_things(summary)} {match} the specs"


def _audit_words(summary: Summary) -> str:
    if summary.audit is None:
        return ""
    bound = summary.audit.bound
    return f", of whom at most {bound.percent} % don't ({bound.confidence:g} % confidence)"


def worth_showing(plan: Plan) -> Iterable[Hazard]:
    found = {hazard.name: hazard for hazard in plan.hazards()}
    for name in _SHOWN_FIRST:
        if name in ALWAYS_SHOWN or name in found:
            yield found.pop(name, Hazard(name, 0, None))
    for hazard in found.values():
        if hazard.is_over or hazard.name not in _SHOWN_WHEN_OVER:
            yield hazard


def budget_words(hazard: Hazard) -> str:
    """Return the budget of a hazard that the plan has: over it, within it, or not set, which allows any count."""
    if not hazard.count:
        return ""
    if hazard.allowed is None:
        return "no budget set"
    return f"{'over' if hazard.is_over else 'within'} the budget of {hazard.allowed:,}"


def mask_for(plan: Plan) -> Mask:
    return Mask(plan.header.sensitive, plan.header.mask_key)


def hiders(
    changes: Sequence[C], mask: Mask, rename: Callable[[C], object]
) -> Callable[[C], Callable[[Json], Json]]:
    """
    Return a function that returns what masks the sensitive values of one of *changes*.

    A rename moves a value from one name to another: if either is sensitive, so is the value. *rename* returns something that
    both changes of a rename have in common.
    """
    renamed = {rename(each) for each in changes if each.kind in RENAMES and mask.covers(each.field)}

    def hider(change: C) -> Callable[[Json], Json]:
        is_renamed = change.kind in RENAMES and rename(change) in renamed
        return mask.hide if is_renamed else partial(mask.value, change.field)

    return hider


def with_hidden(sides: S, hide: Callable[[Json], Json]) -> S:
    return replace(sides, before=hide(sides.before), after=hide(sides.after))


def masked(groups: Sequence[G], mask: Mask, rename: Callable[[G], object]) -> tuple[G, ...]:
    """Return *groups* with sensitive values masked; *rename* is as in ``hiders``."""
    hider = hiders(groups, mask, rename)
    return tuple(
        replace(each, values=tuple(with_hidden(pair, hider(each)) for pair in each.values)) for each in groups
    )


def masked_cohorts(plan: Plan) -> tuple[Cohort, ...]:
    return masked(plan.cohorts(), mask_for(plan), attrgetter("asked_at"))


def change_words(  # noqa: C901 - a case for each effect
    kind: ChangeKind, field: str, before: Json, after: Json, cells: int
) -> str:
    """Return a change such as ``bronze → gold``, ``+ running``, ``- golf`` or ``+3``, in about *cells* terminal cells."""
    match effect_of(kind):
        case Effect.EXISTENCE:
            return ""
        case Effect.ITEMS_ADDED:
            return f"+ {_items(after, cells - 2)}"
        case Effect.ITEMS_REMOVED:
            return f"- {_items(after, cells - 2)}"
        case Effect.SUM if isinstance(after, int):
            return f"{after:+,}"
        case Effect.ABSENCE:
            return _erasure(after, cells)
        case Effect.MESSAGE:
            return f"with {shown(after, cells - 5)}" if after else ""
        case Effect.OCCURRENCE:
            return _event(after, cells)
        case Effect.PROFILE_FIELD if field in TIME_FIELDS:
            return f"{_day(before)} → {_day(after)}"
        case Effect.THING if difference := deep_words(before, after, cells):
            return difference
        case (
            Effect.ATTRIBUTE
            | Effect.SUM
            | Effect.PROFILE_FIELD
            | Effect.DEVICE_FIELD
            | Effect.SUBSCRIPTION
            | Effect.THING
        ):
            room = cells - len(" → ")
            if isinstance(before, Masked) and isinstance(after, Masked) and room < len(f"{before}{after}"):
                return cut("(sensitive)", cells)
            # A short value leaves its room to the other one.
            for_before = max(room // 2, room - cell_len(shown(after, room)))
            short = shown(before, for_before)
            return f"{short} → {shown(after, room - cell_len(short))}"


def _day(value: Json) -> str:
    """Return a time, which the API keeps as epoch seconds, as a date."""
    is_time = isinstance(value, int | float) and abs(value) < _LATEST_TIME
    return moment(value).removesuffix(" 00:00 UTC") if is_time else shown(value)


def _event(after: Json, cells: int) -> str:
    """Return such as ``2026-11-02 10:15 UTC, 12.5 EUR, with sku A1 (1001)``: an event's time, value, parameters and key."""
    if not isinstance(after, dict):
        return shown(after, cells)
    value, currency, parameters = after.get("value"), after.get("currency"), after.get("parameters")
    words = [
        _day(after.get("time")),
        *([shown(value) + (f" {shown(currency)}" if currency else "")] if value is not None else []),
        *([f"with {shown(parameters)}"] if parameters else []),
    ]
    return cut(f"{', '.join(words)} ({shown(after.get('key'))})", cells)


def _erasure(after: Json, cells: int) -> str:
    """Return such as ``with analytics, request T-17``."""
    if not isinstance(after, dict):
        return shown(after, cells)
    if after.get("exists") is False:
        words = "already gone, only here"
    else:
        words = "with analytics" if after.get("full") is True else "only the profile"
    request = after.get("request")
    return cut(f"{words}, request {shown(request)}" if request else words, cells)


def _items(values: Json, cells: int) -> str:
    return (
        cut(", ".join(shown(value, cells) for value in values), cells)
        if isinstance(values, list | tuple)
        else shown(values, cells)
    )


def other_ways(cost: Cost) -> str:
    """Compare the cost with simpler ways of sending the same actions."""
    if not cost.one_by_one:
        return ""  # it is about things of the app alone
    one_by_one = amount(cost.one_by_one, "lookup")
    return f"One call per action would cost {one_by_one}; batching by kind of action would cost {cost.by_action:,}."


def cost_remarks(cost: Cost) -> Iterable[str]:
    if cost.separation:
        come = "comes" if cost.separation == 1 else "come"
        yield f"{cost.separation:,} of these lookups {come} from putting actions that must not be repeated in separate requests."
    if cost.checks:
        yield f"{cost.checks:,} of these lookups {'checks' if cost.checks == 1 else 'check'} users just before they are re-subscribed or erased."
    if cost.thing_checks:
        yield f"{cost.thing_checks:,} of these lookups {'reads' if cost.thing_checks == 1 else 'read'} variables just before they are written."
    if cost.reads:
        yield f"Reading live state cost {cost.reads:,} more."
    if cost.recheck:
        yield f"Checking each user again before writing ({RECHECK}) would add {cost.recheck:,}."


def full_cost(plan: Plan) -> str:
    """Return what a plan for all users, from live state, costs; empty if *plan* is one, or about no users."""
    part, summary = plan.header.part, plan.summary
    if part is not None:
        reads, writes = (summary.cost.reads or summary.listed) * part.of, summary.cost.to_apply * part.of
        return (
            f"This plan is for part {part} of the users, about one user in {part.of}. For all users, reading costs about"
            f" {amount(reads, 'billable lookup')}, and applying about {writes:,}."
        )
    if not summary.cost.reads and summary.listed:
        return f"No live state was read for this plan. Reading it costs {amount(summary.listed, 'billable lookup')}."
    return ""


def about(cost: Cost) -> str:
    """Return the estimated time to apply; empty where no rate is configured."""
    return f", about {duration(cost.seconds)}" if cost.seconds else ""


def other_values(cohort: Cohort) -> int:
    """
    Return how many more values the cohort has than the one that is shown.

    Kinds whose value before isn't shown have none if all of their values end alike.
    """
    ends = [pair.after for pair in cohort.values]
    alike = cohort.kind in WITHOUT_BEFORE and all(after == ends[0] for after in ends)
    return 0 if alike else max(cohort.distinct - 1, 0)


def shape_words(cohort: Cohort, cells: int) -> str:
    """
    Return the names of the values that sends carry, such as ``with first_name and order``.

    Where sends carry different names, each combination comes with its number of users. Empty where all sends are equal.
    """
    if cohort.distinct <= 1 or not cohort.shapes:
        return ""
    words = [
        (f"with {listing([escaped(name) for name in shape.names])}" if shape.names else "with no values")
        + (f" for {shape.users:,}" if len(cohort.shapes) > 1 else "")
        for shape in cohort.shapes
    ]
    return cut("; ".join(words), cells)


def sides(kind: ChangeKind, field: str, before: Json, after: Json, cells: int) -> tuple[str, str]:
    """
    Return the values before and after, each in at most *cells* terminal cells.

    For a list or a number, the second is the items or the amount to add or remove, and the first is empty.
    """
    match effect_of(kind):
        case Effect.EXISTENCE:
            return "", ""
        case (
            Effect.ITEMS_ADDED
            | Effect.ITEMS_REMOVED
            | Effect.SUM
            | Effect.MESSAGE
            | Effect.OCCURRENCE
            | Effect.ABSENCE
        ):
            return "", change_words(kind, field, before, after, cells)
        case Effect.PROFILE_FIELD if field in TIME_FIELDS:
            return _day(before), _day(after)
        case Effect.THING if difference := deep_words(before, after, cells):
            return "", difference
        case (
            Effect.ATTRIBUTE | Effect.PROFILE_FIELD | Effect.DEVICE_FIELD | Effect.SUBSCRIPTION | Effect.THING
        ):
            return shown(before, cells), shown(after, cells)


def users_words(kind: ChangeKind | None, users: int) -> str:
    """Return for how many users a change is. A thing of the app, such as a variable, is for all of them."""
    return "all" if kind is not None and effect_of(kind) is Effect.THING else f"{users:,}"
