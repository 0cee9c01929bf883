"""A plan on one screen: what it would do, what is risky, what it costs. The same for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from leanplum_sync.planner.plan import Cohort, Cost, Hazard, Note
from leanplum_sync.render.document import document
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BAD, BLANK, CARE, GOOD, NAME, faint, grid, heading, paint
from leanplum_sync.render.plan_words import (
    CAREFUL_KINDS,
    HAZARD_WORDS,
    KIND_WORDS,
    WITHOUT_BEFORE,
    Plan,
    about,
    change_words,
    consent_options,
    cost_remarks,
    mask_for,
    masked,
    nothing_to_do,
    target_fields,
    target_words,
    worth_showing,
)
from leanplum_sync.render.values import cut, escaped, subject_words
from leanplum_sync.render.words import amount, moment, timestamp
from leanplum_sync.wire.action import Json

_FEWEST_COHORTS: Final = 6
_NOTE: Final = 400  # cells
_NOTE_SAMPLES: Final = 100  # cells
_SAID_AFTERWARDS: Final = 4  # lines: the file, what to do next, and the prompt
_SAID_OF_CONSENT: Final = 6  # with the command that consents
_NARROWEST_PAIR: Final = 16  # cells
_NARROWEST_SAMPLES: Final = 12  # cells
_ROOMY: Final = 100  # columns of a page from which more samples come before long values
_LINES_OF_A_PARAGRAPH: Final = 3
_SUCH_AS: Final = "such as "
_VALUES: Final = "most frequent values"


def plan_text(plan: Plan, page: Page) -> str:
    """Return it in full; on a terminal too low for that, with less, so that its first line is still to be seen."""
    headline, cost, footer = _headline(plan), _cost(plan), _footer(plan)
    if page.is_terminal:
        is_over = any(hazard.is_over for hazard in plan.hazards())
        page = replace(page, height=page.height - (_SAID_OF_CONSENT if is_over else _SAID_AFTERWARDS))
    full = _filled(plan, page, [*headline, *_notes(plan.notes())], [*cost, *footer])
    if not page.is_terminal or plan.summary.is_empty or full.count("\n") <= page.height:
        return full
    notes = _short_notes(plan.notes(), page)
    shorter = _filled(plan, page, [*headline, *notes], [*cost, *footer])
    if shorter.count("\n") <= page.height:
        return shorter
    before = [*(line for line in headline if line is not BLANK), BLANK, *notes]
    after = [_short_cost(plan.summary.cost), *footer]
    return _filled(plan, page, before, after, fewest=1)


def _filled(
    plan: Plan,
    page: Page,
    before: Sequence[RenderableType],
    after: Sequence[RenderableType],
    *,
    fewest: int = _FEWEST_COHORTS,
) -> str:
    used = paint([*before, *after], page).count("\n")
    return paint([*before, *_cohorts(plan, page, page.height - used, fewest), *after], page)


def _headline(plan: Plan) -> list[RenderableType]:
    summary, target = plan.summary, plan.header.target
    title = Text.assemble(("Plan for ", "bold"), (target_words(target), GOOD if target.is_emulator else CARE))
    if summary.is_empty:
        return [title, BLANK, Text(nothing_to_do(summary, plan.notes()), GOOD), BLANK]
    change = f"{summary.changed:,} of {amount(summary.listed, 'listed user')} would change:"
    hazards = grid(map(_hazard_row, worth_showing(plan)), right=(0,))
    return [title, BLANK, Text(change), hazards, *_consent(plan), BLANK]


def _consent(plan: Plan) -> list[RenderableType]:
    acks = consent_options(plan.hazards())
    if not acks:
        return []
    # The options are never broken: they are there to be copied.
    options = Text(f"  {acks}", BAD, no_wrap=True, overflow="ignore")
    return [BLANK, Text("Over budget. To consent to exactly this, apply it with"), options]


def _hazard_row(hazard: Hazard) -> tuple[Text, Text, Text]:
    words = HAZARD_WORDS.get(hazard.name, hazard.name)
    count = f"{hazard.count:,}"
    if hazard.is_over:
        return Text(count, BAD), Text(words, BAD), Text(f"over the budget of {hazard.allowed:,}", BAD)
    if not hazard.count:
        return faint(count), faint(words), Text()
    within = Text() if hazard.allowed is None else faint(f"within the budget of {hazard.allowed:,}")
    return Text(count, "bold"), Text(words), within


def _cohorts(plan: Plan, page: Page, room: int, fewest: int) -> list[RenderableType]:
    cohorts = plan.cohorts()
    if not cohorts:
        return []
    cells = page.width - _taken(cohorts, page)
    in_columns = cells >= _NARROWEST_PAIR + _NARROWEST_SAMPLES
    # Less heading, the line about the rest, a blank, and the prompt after it.
    fits = max((room - 4) // (1 if in_columns else _LINES_OF_A_PARAGRAPH), fewest)
    some = cohorts if len(cohorts) <= fits + 1 else cohorts[:fits]
    rest = len(cohorts) - len(some)
    more = [faint(f"  and {amount(rest, 'more group')}; -o json has them all")] if rest else []
    shown = masked(cohorts, mask_for(plan))[: len(some)]
    groups = _columns(shown, page, cells) if in_columns else _paragraphs(shown, page)
    return [*groups, *more, BLANK]


def _taken(cohorts: Sequence[Cohort], page: Page) -> int:
    """Return the cells of kinds, fields, numbers of users, and the gaps after each column but the last."""
    widths = (
        max(len(KIND_WORDS[cohort.kind]) for cohort in cohorts) + len("  "),
        max(cell_len(_field(cohort, page.width // 4)) for cohort in cohorts),
        max(len("users"), *(len(f"{cohort.subjects:,}") for cohort in cohorts)),
    )
    return max(widths[0], len("Changes")) + sum(widths[1:]) + 4 * len("  ")


def _columns(cohorts: Sequence[Cohort], page: Page, cells: int) -> list[RenderableType]:
    """Values and samples share *cells*: a sample has its room first, then the values theirs, then more samples."""
    most = 3 if page.width >= _ROOMY else 1
    widest = max(cell_len(_samples(cohort, page.width // 4, most=most)) for cohort in cohorts)
    for_one = min(max(widest, len("such as")), cells - _NARROWEST_PAIR)
    pairs = [_pairs(cohort, cells - for_one) for cohort in cohorts]
    for_samples = cells - max(len(_VALUES), *map(cell_len, pairs))
    header = (heading("Changes"), Text(), faint(_VALUES), faint("users"), faint("such as"))
    rows = [
        (
            *_kind_and_field(cohort, page.width // 4, "  "),
            Text(pair),
            _users(cohort),
            faint(_samples(cohort, for_samples)),
        )
        for cohort, pair in zip(cohorts, pairs, strict=True)
    ]
    return [grid([header, *rows], right=(3,), indent=0)]


def _paragraphs(cohorts: Sequence[Cohort], page: Page) -> list[RenderableType]:
    """Return what stands in columns on a page with room for them: a line each for name, values and samples."""
    room = page.width - max(len(f"{cohort.subjects:,}") for cohort in cohorts) - 2 * len("  ")
    rows = []
    for cohort in cohorts:
        kind, field = _kind_and_field(cohort, room - len(KIND_WORDS[cohort.kind]) - 1)
        samples = _samples(cohort, room - len(_SUCH_AS))
        details = [Text(_pairs(cohort, room)), faint(f"{_SUCH_AS}{samples}" if samples else "")]
        lines = [Text.assemble(kind, " ", field), *(each for each in details if each)]
        rows.append((_users(cohort), Text("\n").join(lines)))
    return [heading("Changes, by number of users"), grid(rows, right=(0,))]


def _kind_and_field(cohort: Cohort, cells: int, indent: str = "") -> tuple[Text, Text]:
    style = CARE if cohort.kind in CAREFUL_KINDS else ""
    return Text(f"{indent}{KIND_WORDS[cohort.kind]}", style), Text(_field(cohort, cells), NAME)


def _users(cohort: Cohort) -> Text:
    return Text(f"{cohort.subjects:,}", "bold")


def _field(cohort: Cohort, cells: int) -> str:
    return cut(escaped(cohort.field), cells)


def _samples(cohort: Cohort, cells: int, *, most: int = 3) -> str:
    """Return as many whole ids as fit; a part of one, marked, if none does."""
    names = [subject_words(sample) for sample in cohort.samples[:most]]
    some = (", ".join(names[:count]) for count in range(len(names), 1, -1))
    return next((each for each in some if cell_len(each) <= cells), cut(", ".join(names[:1]), cells))


def _pairs(cohort: Cohort, cells: int) -> str:
    if not cohort.pairs:
        return ""
    pair = cohort.pairs[0]
    # Of these, what was there before isn't shown: values that differ in that alone are no more values.
    alike = cohort.kind in WITHOUT_BEFORE and all(other.after == pair.after for other in cohort.pairs)
    rest = f"  +{cohort.distinct - 1:,} more" if cohort.distinct > 1 and not alike else ""
    words = change_words(cohort.kind, cohort.field, pair.before, pair.after, cells - len(rest))
    return words + rest


def _notes(notes: Sequence[Note]) -> list[RenderableType]:
    if not notes:
        return []
    names_resource = len({note.resource for note in notes}) > 1
    return [heading("Left alone"), grid((_note_words(note, names_resource),) for note in notes), BLANK]


def _short_notes(notes: Sequence[Note], page: Page) -> list[RenderableType]:
    """Return one line for all of them."""
    if not notes:
        return []
    rest = f", and {amount(len(notes) - 1, 'more remark')}" if len(notes) > 1 else ""
    first = cut(f"Left alone: {_note_words(notes[0], names_resource=False).plain}", page.width - len(rest))
    return [faint(first + rest), BLANK]


def _short_cost(cost: Cost) -> RenderableType:
    return Text(
        f"To apply: {amount(cost.writes, 'billable lookup')} in {amount(cost.requests, 'request')}{about(cost)}."
    )


def _note_words(note: Note, names_resource: bool) -> Text:  # noqa: FBT001 - only called above
    of = f" of {note.resource}" if names_resource and note.resource else ""
    samples = f", such as {', '.join(map(subject_words, note.samples))}" if note.samples else ""
    said = f"{amount(note.count, 'user')}{of} {note.sentence}"
    return Text.assemble(cut(escaped(said), _NOTE), (cut(samples, _NOTE_SAMPLES), "dim"))


def _cost(plan: Plan) -> list[RenderableType]:
    cost = plan.summary.cost
    if plan.summary.is_empty:
        return [faint(f"Reading cost {amount(cost.reads, 'billable lookup')}."), BLANK] if cost.reads else []
    rows = [
        (faint("billable lookups"), faint("requests"), Text()),
        (
            Text(f"{cost.writes:,}", "bold"),
            Text(f"{cost.requests:,}", "bold"),
            Text(f"to apply{about(cost)}"),
        ),
        (
            faint(f"{cost.one_by_one:,}"),
            faint(f"{cost.one_by_one:,}"),
            faint("with one call for each action"),
        ),
        (faint(f"{cost.by_action:,}"), Text(), faint("with batches by kind of action")),
    ]
    remarks = [grid([(faint(each),)]) for each in cost_remarks(cost)]
    return [heading("Cost"), grid(rows, right=(0, 1)), *remarks, BLANK]


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
        "shapes": [{"names": list(shape.names), "users": shape.subjects} for shape in cohort.shapes],
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
