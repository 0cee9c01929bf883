"""A plan on one screen: what it would do, what is risky, what it costs. The same for machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.plan import Cohort, Cost, Hazard, Header, Note, Summary, Target, ValuePair
from leanplum_sync.render.document import document
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BAD, BLANK, CARE, GOOD, NAME, faint, grid, heading, paint
from leanplum_sync.render.values import Mask, cut, escaped, shown, subject_words
from leanplum_sync.render.words import amount, duration, moment, timestamp
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
_MET: Final = ("delivered", "missing")  # notes that speak of nothing left undone for users that exist
_SHOWN_WHEN_OVER: Final = ("changedUsers", "billableLookups")
_HAZARD_WORDS: Final[Mapping[str, str]] = {
    "sends": "sends",
    "forcedSends": "sends past the message's own targeting",
    "createdUsers": "created users",
    "removals": "removals of an attribute",
    "renames": "renames of an attribute",
    "increments": "increments",
    "newAttributeNames": f"attribute names that are new, near the API's limit of {USER_ATTRIBUTE_NAMES}",
    "changedUsers": "changed users",
    "billableLookups": "billable lookups",
}
KIND_WORDS: Final[Mapping[ChangeKind, str]] = {
    ChangeKind.CREATE: "create user",
    ChangeKind.SET: "set",
    ChangeKind.REMOVE: "remove",
    ChangeKind.RENAME: "rename to",
    ChangeKind.RENAMED_AWAY: "rename from",
    ChangeKind.CONVERT: "convert",
    ChangeKind.ADD: "add to",
    ChangeKind.TAKE_OUT: "take from",
    ChangeKind.INCREMENT: "increment",
    ChangeKind.PROFILE: "profile",
    ChangeKind.DEVICE: "device",
    ChangeKind.TOKEN: "push token",
    ChangeKind.SEND: "send",
}
_CAREFUL_KINDS: Final = frozenset({ChangeKind.SEND, ChangeKind.REMOVE, ChangeKind.CREATE})
_WITHOUT_BEFORE: Final = frozenset({ChangeKind.ADD, ChangeKind.TAKE_OUT, ChangeKind.INCREMENT})
RENAMES: Final = frozenset({ChangeKind.RENAME, ChangeKind.RENAMED_AWAY})
_FEWEST_COHORTS: Final = 6
_NOTE_SAMPLES: Final = 100  # cells
_NARROWEST_PAIR: Final = 16  # cells
_LATEST_TIME: Final = 1e11  # seconds; beyond it, years have more than four digits
_TIGHT: Final = 72  # columns below which no sample does
_ROOMY: Final = 100  # columns from which more than one sample stands beside a cohort


def target_words(target: Target) -> str:
    """Return such as ``production (api.leanplum.com, app app_1)``; an emulator can't be taken for anything else."""
    name = escaped(target.environment)
    if target.host == "embedded emulator":
        return f"{name} (embedded emulator, nothing real is touched)"
    if target.is_emulator:
        return f"{name} (emulator at {escaped(target.host)}, nothing real is touched)"
    return f"{name} ({escaped(target.host)}, app {escaped(target.app_id)})"


def plan_text(plan: Plan, page: Page) -> str:
    before = [*_headline(plan), *_notes(plan.notes())]
    after = [*_cost(plan), *_footer(plan)]
    used = paint([*before, *after], page).count("\n")
    return paint([*before, *_cohorts(plan, page, page.height - used), *after], page)


def _headline(plan: Plan) -> list[RenderableType]:
    summary, target = plan.summary, plan.header.target
    title = Text.assemble(("Plan for ", "bold"), (target_words(target), GOOD if target.is_emulator else CARE))
    if summary.is_empty:
        return [title, BLANK, Text(_nothing_to_do(summary, plan.notes()), GOOD), BLANK]
    change = f"{summary.changed:,} of {amount(summary.listed, 'listed user')} would change:"
    hazards = grid(map(_hazard_row, _worth_showing(plan)), right=(0,))
    return [title, BLANK, Text(change), hazards, *_consent(plan), BLANK]


def _consent(plan: Plan) -> list[RenderableType]:
    acks = consent_options(plan.hazards())
    if not acks:
        return []
    # The options are never broken: they are there to be copied.
    options = Text(f"  {acks}", BAD, no_wrap=True, overflow="ignore")
    return [BLANK, Text("Over budget. To consent to exactly this, apply it with"), options]


def consent_options(hazards: Iterable[Hazard]) -> str:
    """Return such as ``--ack sends=12431 --ack removals=5``: what ``apply`` needs for those over budget."""
    return " ".join(f"--ack {hazard.name}={hazard.count}" for hazard in hazards if hazard.is_over)


def _nothing_to_do(summary: Summary, notes: Iterable[Note]) -> str:
    there = amount(summary.listed - summary.missing, "listed user") + (
        " that exist" if summary.missing else ""
    )
    unmet = [note for note in notes if note.code not in _MET]
    if unmet:
        return f"Nothing can be done: {there}, not all as the specs say."
    return f"Nothing to do: {there}, all as the specs say."


def _worth_showing(plan: Plan) -> Iterable[Hazard]:
    found = {hazard.name: hazard for hazard in plan.hazards()}
    for name in _ALWAYS_SHOWN:
        yield found.pop(name, Hazard(name, 0, None))
    for hazard in found.values():
        if hazard.is_over or hazard.name not in _SHOWN_WHEN_OVER:
            yield hazard


def _hazard_row(hazard: Hazard) -> tuple[Text, Text, Text]:
    words = _HAZARD_WORDS.get(hazard.name, hazard.name)
    count = f"{hazard.count:,}"
    if hazard.is_over:
        return Text(count, BAD), Text(words, BAD), Text(f"over the budget of {hazard.allowed:,}", BAD)
    if not hazard.count:
        return faint(count), faint(words), Text()
    within = Text() if hazard.allowed is None else faint(f"within the budget of {hazard.allowed:,}")
    return Text(count, "bold"), Text(words), within


def _cohorts(plan: Plan, page: Page, room: int) -> list[RenderableType]:
    cohorts = plan.cohorts()
    if not cohorts:
        return []
    fits = max(
        room - 4, _FEWEST_COHORTS
    )  # less heading, the line about the rest, a blank, and the prompt after it
    some = cohorts if len(cohorts) <= fits + 1 else cohorts[:fits]
    rest = len(cohorts) - len(some)
    more = [faint(f"  and {amount(rest, 'more group')}; -o json has them all")] if rest else []
    header = (
        heading("Changes"),
        Text(),
        faint("most frequent values"),
        faint("users"),
        faint("such as" if page.width >= _TIGHT else ""),
    )
    cells = _pair_cells(some, page)
    rows = [_cohort_row(cohort, page, cells) for cohort in masked(cohorts, mask_for(plan))[: len(some)]]
    return [grid([header, *rows], right=(3,), indent=0), *more, BLANK]


def mask_for(plan: Plan) -> Mask:
    return Mask(plan.header.sensitive, plan.header.mask_key)


def masked(cohorts: Sequence[Cohort], mask: Mask) -> tuple[Cohort, ...]:
    """
    Return *cohorts* without sensitive values.

    A rename takes a value from one name to another: if one of the two is sensitive, the value is.
    """
    renamed = {cohort.asked_at for cohort in cohorts if mask.covers(cohort.field) and cohort.kind in RENAMES}

    def shown_pairs(cohort: Cohort) -> tuple[ValuePair, ...]:
        hide = mask.hide if cohort.asked_at in renamed else partial(mask.value, cohort.field)
        return tuple(replace(pair, before=hide(pair.before), after=hide(pair.after)) for pair in cohort.pairs)

    return tuple(replace(cohort, pairs=shown_pairs(cohort)) for cohort in cohorts)


def _cohort_row(cohort: Cohort, page: Page, cells: int) -> tuple[Text, ...]:
    style = CARE if cohort.kind in _CAREFUL_KINDS else ""
    return (
        Text(f"  {KIND_WORDS[cohort.kind]}", style),
        Text(_field(cohort, page), NAME),
        Text(_pairs(cohort, cells)),
        Text(f"{cohort.subjects:,}", "bold"),
        faint(_samples(cohort, page)),
    )


def _field(cohort: Cohort, page: Page) -> str:
    return cut(escaped(cohort.field), page.width // 4)


def _samples(cohort: Cohort, page: Page) -> str:
    if page.width < _TIGHT:
        return ""
    samples = cohort.samples if page.width >= _ROOMY else cohort.samples[:1]
    return cut(", ".join(map(subject_words, samples)), page.width // 4)


def _pair_cells(cohorts: Sequence[Cohort], page: Page) -> int:
    """Return how much room the other columns leave for values."""
    taken = (
        max(len(KIND_WORDS[cohort.kind]) for cohort in cohorts) + 2,
        max(cell_len(_field(cohort, page)) for cohort in cohorts),
        max(len("users"), *(len(f"{cohort.subjects:,}") for cohort in cohorts)),
        max(
            len("such as") if page.width >= _TIGHT else 0,
            *(cell_len(_samples(cohort, page)) for cohort in cohorts),
        ),
    )
    return max(page.width - sum(taken) - 2 * len(taken), _NARROWEST_PAIR)


def _pairs(cohort: Cohort, cells: int) -> str:
    if not cohort.pairs:
        return ""
    pair = cohort.pairs[0]
    # Of these, what was there before isn't shown: values that differ in that alone are no more values.
    alike = cohort.kind in _WITHOUT_BEFORE and all(other.after == pair.after for other in cohort.pairs)
    rest = f"  +{cohort.distinct - 1:,} more" if cohort.distinct > 1 and not alike else ""
    words = change_words(cohort.kind, cohort.field, pair.before, pair.after, cells - len(rest))
    return words + rest


def change_words(kind: ChangeKind, field: str, before: Json, after: Json, cells: int) -> str:
    """Return such as ``bronze → gold``, ``+ running``, ``- golf`` or ``+3``, in about so many terminal cells."""
    match kind:
        case ChangeKind.CREATE:
            return ""
        case ChangeKind.ADD:
            return f"+ {_items(after, cells - 2)}"
        case ChangeKind.TAKE_OUT:
            return f"- {_items(after, cells - 2)}"
        case ChangeKind.INCREMENT if isinstance(after, int):
            return f"{after:+,}"
        case ChangeKind.SEND:
            return f"with {shown(after, cells - 5)}" if after else ""
        case ChangeKind.PROFILE if field in TIME_FIELDS:
            return f"{_day(before)} → {_day(after)}"
        case _:
            room = cells - len(" → ")
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


def _notes(notes: Sequence[Note]) -> list[RenderableType]:
    if not notes:
        return []
    names_resource = len({note.resource for note in notes}) > 1
    return [heading("Left alone"), grid((_note_words(note, names_resource),) for note in notes), BLANK]


def _note_words(note: Note, names_resource: bool) -> Text:  # noqa: FBT001 - only called above
    of = f" of {note.resource}" if names_resource and note.resource else ""
    samples = f", such as {', '.join(map(subject_words, note.samples))}" if note.samples else ""
    said = f"{amount(note.count, 'user')}{of} {note.sentence}"
    return Text.assemble(escaped(said), (cut(samples, _NOTE_SAMPLES), "dim"))


def _cost(plan: Plan) -> list[RenderableType]:
    cost = plan.summary.cost
    if plan.summary.is_empty:
        return [faint(f"Reading cost {amount(cost.reads, 'billable lookup')}."), BLANK] if cost.reads else []
    rows = [
        (faint("billable lookups"), faint("requests"), Text()),
        (
            Text(f"{cost.writes:,}", "bold"),
            Text(f"{cost.requests:,}", "bold"),
            Text(f"to apply{_about(cost)}"),
        ),
        (
            faint(f"{cost.one_by_one:,}"),
            faint(f"{cost.one_by_one:,}"),
            faint("with one call for each action"),
        ),
        (faint(f"{cost.by_action:,}"), Text(), faint("with batches by kind of action")),
    ]
    remarks = [grid([(faint(each),)]) for each in _remarks(cost)]
    return [heading("Cost"), grid(rows, right=(0, 1)), *remarks, BLANK]


def _remarks(cost: Cost) -> Iterable[str]:
    if cost.separation:
        yield f"{cost.separation:,} of these lookups keep sends and increments in requests of their own."
    if cost.reads and cost.recheck:
        yield f"Reading took {cost.reads:,} more; reading again just before (--recheck on) adds {cost.recheck:,}."
    elif cost.reads:
        yield f"Reading took {cost.reads:,} more."
    elif cost.recheck:
        yield f"Reading again just before (--recheck on) adds {cost.recheck:,}."


def _about(cost: Cost) -> str:
    """Without a rate there is no estimate."""
    return f", about {duration(cost.seconds)}" if cost.seconds else ""


def _footer(plan: Plan) -> list[RenderableType]:
    header = plan.header
    until = header.observed_until
    observed = "" if until is None else f", from what was there at {moment(until)}"
    return [faint(f"Plan {header.digest[:12]}{observed}")]


def plan_json(plan: Plan) -> str:
    header, summary = plan.header, plan.summary
    return document(
        "plan-summary",
        1,
        digest=header.digest,
        target=target_fields(header.target),
        createdAt=timestamp(header.created_at),
        observedFrom=timestamp(header.observed_from),
        observedUntil=timestamp(header.observed_until),
        isEmpty=summary.is_empty,
        users={
            "listed": summary.listed,
            "changed": summary.changed,
            "missing": summary.missing,
            "created": summary.created,
        },
        changes={kind.value: count for kind, count in sorted(summary.changes.items())},
        actions=summary.actions,
        batches=summary.batches,
        hazards=[_hazard_fields(hazard) for hazard in plan.hazards()],
        notes=[_note_fields(note) for note in plan.notes()],
        cohorts=[_cohort_fields(cohort) for cohort in masked(plan.cohorts(), mask_for(plan))],
        cost=_cost_fields(summary.cost),
    )


def target_fields(target: Target) -> dict[str, Json]:
    return {
        "environment": target.environment,
        "host": target.host,
        "appId": target.app_id,
        "isEmulator": target.is_emulator,
    }


def _hazard_fields(hazard: Hazard) -> dict[str, Json]:
    return {"name": hazard.name, "count": hazard.count, "allowed": hazard.allowed, "isOver": hazard.is_over}


def _note_fields(note: Note) -> dict[str, Json]:
    return {
        "code": note.code,
        "resource": note.resource,
        "sentence": note.sentence,
        "count": note.count,
        "samples": list(note.samples),
    }


def _cohort_fields(cohort: Cohort) -> dict[str, Json]:
    return {
        "resource": cohort.resource,
        "kind": cohort.kind.value,
        "field": cohort.field,
        "users": cohort.subjects,
        "distinct": cohort.distinct,
        "values": [
            {"before": pair.before, "after": pair.after, "users": pair.subjects} for pair in cohort.pairs
        ],
        "samples": list(cohort.samples),
        "askedAt": cohort.asked_at,
    }


def _cost_fields(cost: Cost) -> dict[str, Json]:
    return {
        "reads": cost.reads,
        "writes": cost.writes,
        "recheck": cost.recheck,
        "requests": cost.requests,
        "oneByOne": cost.one_by_one,
        "byAction": cost.by_action,
        "seconds": cost.seconds,
    }
