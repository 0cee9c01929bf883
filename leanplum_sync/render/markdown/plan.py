"""A plan as a comment on a pull request: risks first, then cost, then the changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from leanplum_sync.planner.plan import ABOUT_SPECS, Cohort, Hazard, Note
from leanplum_sync.render import plan_words
from leanplum_sync.render.markdown.writing import Rows, code, fitted, marker, place, prose, row, table
from leanplum_sync.render.plan_words import Plan
from leanplum_sync.render.values import amount, cut, escaped, moment, subject_words

_COHORTS_OPEN: Final = 12  # the rest is collapsed
_CELLS: Final = 40
_SAMPLE_CELLS: Final = 32


def plan_markdown(plan: Plan, limit: int) -> str:
    target = plan.header.target
    head = [marker("plan", target.environment, target.app_id), f"### Plan for {place(target)}"]
    return fitted([*head, *_body(plan), _footer(plan)], limit)


def _body(plan: Plan) -> list[str | Rows]:
    summary = plan.summary
    if summary.is_empty:
        reads = summary.cost.reads
        spent = [f"Reading live state cost {amount(reads, 'billable lookup')}."] if reads else []
        headline = f"**{plan_words.nothing_to_do(summary, plan.notes())}**"
        return [headline, *_doubt(plan), *_notes(plan.notes()), *spent, *_full_cost(plan)]
    change = f"**{plan_words.would_change(summary)}.**"
    hazards = "\n".join([table("Count:", "Risk", "Budget"), *map(_hazard, plan_words.worth_showing(plan))])
    return [
        change,
        hazards,
        *_consent(plan),
        *_doubt(plan),
        _cost(plan),
        *_full_cost(plan),
        *_notes(plan.notes()),
        *_cohorts(plan),
    ]


def _hazard(hazard: Hazard) -> str:
    words = prose(cut(plan_words.HAZARD_WORDS.get(hazard.name, hazard.name)))
    if hazard.is_over:
        return row(f"**{hazard.count:,}**", f"**{words}**", f"❌ **{plan_words.budget_words(hazard)}**")
    if not hazard.count:
        return row("0", words, "")
    return row(f"**{hazard.count:,}**", words, plan_words.budget_words(hazard))


def _consent(plan: Plan) -> list[str]:
    options = plan_words.consent_options(plan.hazards())
    return (
        [f"> [!CAUTION]\n> Over budget. To consent to exactly this plan, apply it with {code(options)}"]
        if options
        else []
    )


def _doubt(plan: Plan) -> list[str]:
    doubt = plan.header.journal_doubt
    return [f"> [!CAUTION]\n> {prose(doubt)}"] if doubt else []


def _cost(plan: Plan) -> str:
    cost = plan.summary.cost
    apply = f"**{amount(cost.to_apply, 'billable lookup')}** in {amount(cost.requests, 'request')}{plan_words.about(cost)}"
    remarks = [plan_words.other_ways(cost), *plan_words.cost_remarks(cost)]
    return " ".join([f"Applying costs {apply}.", *filter(None, remarks)])


def _full_cost(plan: Plan) -> list[str]:
    found = plan_words.full_cost(plan)
    return [found] if found else []


def _cohorts(plan: Plan) -> Iterable[Rows]:
    cohorts = plan_words.masked_cohorts(plan)
    lines = list(map(_cohort, cohorts))
    head = table("Change", "Attribute, field, or message", "Before", "After", "Users:", "Examples")
    first, more = lines[:_COHORTS_OPEN], lines[_COHORTS_OPEN:]
    folded = f"<details><summary>{amount(len(more), 'more group')}</summary>\n\n{head}"
    where = "`leanplum-sync show PLAN -o json` lists all of them"
    yield Rows(head, first, "group", where)
    yield Rows(folded, more, "group", where, "</details>")


def _cohort(cohort: Cohort) -> str:
    before, after = "", ""
    if cohort.values:
        pair = cohort.values[0]
        before, after = plan_words.sides(cohort.kind, cohort.field, pair.before, pair.after, _CELLS)
    after = plan_words.shape_words(cohort, 2 * _CELLS) or after
    others = plan_words.other_values(cohort)
    more = f" +{others:,} more" if others and not cohort.shapes else ""
    samples = ", ".join(code(cut(subject_words(each), _SAMPLE_CELLS)) for each in cohort.samples)
    return row(
        plan_words.KIND_WORDS[cohort.kind],
        code(cut(escaped(cohort.field))),
        code(before),
        f"{code(after)}{more}",
        f"**{plan_words.users_words(cohort.kind, cohort.users)}**",
        samples,
    )


def _notes(notes: Sequence[Note]) -> Iterable[Rows]:
    for title, some in plan_words.by_heading(notes):
        yield Rows(
            f"**{title}**\n", [*map(_note, some)], "note", "`leanplum-sync show PLAN` lists all of them"
        )


def _note(note: Note) -> str:
    if note.code in ABOUT_SPECS:
        return f"- {code(note.samples[0])} {prose(cut(note.sentence, 400))}"
    resource = f"{code(note.resource)}: " if note.resource else ""
    samples = ", ".join(code(cut(subject_words(each), _SAMPLE_CELLS)) for each in note.samples)
    examples = f" (e.g. {samples})" if samples else ""
    return f"- {resource}{plan_words.noted(note)} {prose(cut(note.sentence, 400))}{examples}"


def _footer(plan: Plan) -> str:
    header = plan.header
    until = header.observed_until
    observed = "" if until is None else f", based on live state read at {moment(until)}"
    return f"<sub>Plan `{header.digest[:12]}`{observed}</sub>"
