"""A plan as text, made to fit one screen: its changes, risks and cost. And the same as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import starmap
from textwrap import wrap
from typing import Final

from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from leanplum_sync.planner.audit import Audit
from leanplum_sync.planner.change import Effect, effect_of
from leanplum_sync.planner.plan import ABOUT_SPECS, Cohort, Cost, Hazard, Note, RowsRead, pending_exports
from leanplum_sync.render import plan_words
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import (
    BAD,
    BLANK,
    CARE,
    FAINT,
    GOOD,
    HEADING,
    NAME,
    faint,
    grid,
    heading,
    paint,
)
from leanplum_sync.render.plan_words import Plan
from leanplum_sync.render.values import amount, cut, escaped, moment, subject_words, timestamp

_FEWEST_COHORTS: Final = 6
_MOST_COHORTS: Final = 40  # away from a terminal
_NOTE: Final = 400  # cells
_NOTE_SAMPLES: Final = 100  # cells
_LINES_AFTER: Final = 4  # the file, the next step, and the prompt
_LINES_AFTER_CONSENT: Final = 6  # and the command that accepts the counts
_NARROWEST_PAIR: Final = 16  # cells
_NARROWEST_SAMPLES: Final = 12  # cells
_NARROWEST_WORDS: Final = 16  # cells
_GAPS_OF_A_HAZARD: Final = 3 * len("  ")
_ROOMY: Final = 100  # columns; from here on, more examples take precedence over long values
_LINES_OF_A_PARAGRAPH: Final = 3
_EXAMPLES: Final = "e.g. "
_VALUES: Final = "most frequent values"


def plan_text(plan: Plan, page: Page, *, all_groups: bool = False) -> str:
    """
    Return the plan in full. On a terminal that is too low for that, shorten it so that its first line stays visible.

    *all_groups* shows every group of changes, however many lines that takes.
    """
    headline, cost, footer = _headline(plan, page), _cost(plan), _footer(plan)
    if page.is_terminal:
        is_over = any(hazard.is_over for hazard in plan.hazards())
        page = replace(page, height=page.height - (_LINES_AFTER_CONSENT if is_over else _LINES_AFTER))
    if all_groups or not page.is_terminal:
        fewest = len(plan.cohorts()) if all_groups else _MOST_COHORTS
        return _filled(plan, page, [*headline, *_notes(plan.notes())], [*cost, *footer], fewest=fewest)
    full = _filled(plan, page, [*headline, *_notes(plan.notes())], [*cost, *footer])
    if plan.summary.is_empty or full.count("\n") <= page.height:
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
    """Return the plan with as many groups as fit between *before* and *after*, but at least *fewest*."""
    used = paint([*before, *after], page).count("\n")
    return paint([*before, *_cohorts(plan, page, page.height - used, fewest), *after], page)


def _headline(plan: Plan, page: Page) -> list[RenderableType]:
    summary, target = plan.summary, plan.header.target
    title = Text.assemble(
        ("Plan for ", "bold"), (plan_words.target_words(target), GOOD if target.is_emulator else CARE)
    )
    doubt = [BLANK, Text(escaped(plan.header.journal_doubt), CARE)] if plan.header.journal_doubt else []
    if summary.is_empty:
        return [title, BLANK, Text(plan_words.nothing_to_do(summary, plan.notes()), GOOD), *doubt, BLANK]
    change = f"{plan_words.would_change(summary)}:"
    hazards = grid(_hazard_rows(tuple(plan_words.worth_showing(plan)), page), right=(0,))
    return [title, BLANK, Text(change), hazards, *_consent(plan), *doubt, BLANK]


def _consent(plan: Plan) -> list[RenderableType]:
    acks = plan_words.consent_options(plan.hazards())
    if not acks:
        return []
    # The options are never wrapped, so that they can be copied.
    options = Text(f"  {acks}", BAD, no_wrap=True, overflow="ignore")
    return [BLANK, Text("Over budget. To consent to exactly this plan, apply it with:"), options]


def _hazard_rows(hazards: Sequence[Hazard], page: Page) -> Iterator[Row]:
    """Yield count, words and budget of each hazard. Long words continue below, so that the budget has its place."""
    counts = max(len(f"{hazard.count:,}") for hazard in hazards)
    budgets = max(len(plan_words.budget_words(hazard)) for hazard in hazards)
    room = max(page.width - counts - budgets - _GAPS_OF_A_HAZARD, _NARROWEST_WORDS)
    for hazard in hazards:
        style = BAD if hazard.is_over else "" if hazard.count else FAINT
        count = Text(f"{hazard.count:,}", style or HEADING)
        budget = Text(plan_words.budget_words(hazard), style or FAINT)
        first, *more = (
            Text(line, style) for line in wrap(plan_words.HAZARD_WORDS.get(hazard.name, hazard.name), room)
        )
        yield count, first, budget
        yield from ((Text(), words, Text()) for words in more)


def _cohorts(plan: Plan, page: Page, room: int, fewest: int) -> list[RenderableType]:
    cohorts = plan_words.masked_cohorts(plan)
    if not cohorts:
        return []
    cells = page.width - _taken(cohorts, page)
    in_columns = cells >= _NARROWEST_PAIR + _NARROWEST_SAMPLES
    # Minus the heading, the line about the rest, a blank line, and the prompt.
    fits = max(_fitting(cohorts, room - 4, 1 if in_columns else _LINES_OF_A_PARAGRAPH), fewest)
    some = cohorts if len(cohorts) <= fits + 1 else cohorts[:fits]
    rest = len(cohorts) - len(some)
    more = [faint(f"  and {amount(rest, 'more group')}; show PLAN --all lists them")] if rest else []
    groups = _columns(some, page, cells) if in_columns else _paragraphs(some, page)
    return [groups, *more, BLANK]


def _fitting(cohorts: Sequence[Cohort], lines: int, lines_of_a_cohort: int) -> int:
    """Return how many of *cohorts* fit into *lines*, with a line for the name of each spec."""
    specs: set[str] = set()
    for count, cohort in enumerate(cohorts):
        specs.add(cohort.resource)
        if (count + 1) * lines_of_a_cohort + len(specs) > lines:
            return count
    return len(cohorts)


def _taken(cohorts: Sequence[Cohort], page: Page) -> int:
    """Return the cells of kinds, fields, numbers of users, and the gaps after each column but the last."""
    widths = (
        max(len(plan_words.KIND_WORDS[cohort.kind]) for cohort in cohorts) + len("  "),
        max(cell_len(_field(cohort, page.width // 4)) for cohort in cohorts),
        max(len("users"), *(len(_users(cohort)) for cohort in cohorts)),
    )
    return max(widths[0], len("Changes")) + sum(widths[1:]) + 4 * len("  ")


Row = Sequence[Text]


def _columns(cohorts: Sequence[Cohort], page: Page, cells: int) -> RenderableType:
    """Values and examples share *cells*: one example gets its room first, then the values, then more examples."""
    most = 3 if page.width >= _ROOMY else 1
    widest = max(cell_len(_samples(cohort, page.width // 4, most=most)) for cohort in cohorts)
    for_one = min(max(widest, len("examples")), cells - _NARROWEST_PAIR)
    pairs = [_pairs(cohort, cells - for_one) for cohort in cohorts]
    for_samples = cells - max(len(_VALUES), *map(cell_len, pairs))
    header = (heading("Changes"), Text(), faint(_VALUES), faint("users"), faint("examples"))
    rows = [
        (
            *_kind_and_field(cohort, page.width // 4, "  "),
            Text(pair),
            _users(cohort),
            faint(_samples(cohort, for_samples)),
        )
        for cohort, pair in zip(cohorts, pairs, strict=True)
    ]
    return grid([header, *_by_spec(cohorts, rows, page)], right=(3,), indent=0)


def _paragraphs(cohorts: Sequence[Cohort], page: Page) -> RenderableType:
    """Return groups for a page too narrow for columns: one line each for name, values and examples."""
    room = page.width - max(len(_users(cohort)) for cohort in cohorts) - 2 * len("  ")
    rows = []
    for cohort in cohorts:
        kind, field = _kind_and_field(cohort, room - len(plan_words.KIND_WORDS[cohort.kind]) - 1)
        samples = _samples(cohort, room - len(_EXAMPLES))
        details = [Text(_pairs(cohort, room)), faint(f"{_EXAMPLES}{samples}" if samples else "")]
        lines = [Text.assemble(kind, " ", field), *(each for each in details if each)]
        rows.append((_users(cohort), Text("\n").join(lines)))
    title = (heading("Changes, by number of users"),)
    return grid([title, *_by_spec(cohorts, rows, page)], right=(0,))


def _by_spec(cohorts: Sequence[Cohort], rows: Sequence[Row], page: Page) -> Iterable[Row]:
    """Return *rows*, one for each of *cohorts*, below the names of their specs."""
    specs: dict[str, list[Row]] = {}
    for cohort, row in zip(cohorts, rows, strict=True):
        specs.setdefault(cohort.resource, []).append(row)
    for spec, found in specs.items():
        yield (Text(cut(escaped(spec), page.width)),)
        yield from found


def _kind_and_field(cohort: Cohort, cells: int, indent: str = "") -> tuple[Text, Text]:
    style = CARE if cohort.kind in plan_words.CAREFUL_KINDS else ""
    return Text(f"{indent}{plan_words.KIND_WORDS[cohort.kind]}", style), Text(_field(cohort, cells), NAME)


def _users(cohort: Cohort) -> Text:
    return Text(plan_words.users_words(cohort.kind, cohort.users), "bold")


def _field(cohort: Cohort, cells: int) -> str:
    return cut(escaped(cohort.field), cells)


def _samples(cohort: Cohort, cells: int, *, most: int = 3) -> str:
    """Return as many whole IDs as fit; if not even one fits, a part of it that ends in an ellipsis."""
    if effect_of(cohort.kind) is Effect.THING:
        return ""  # the thing is named already
    names = [subject_words(sample) for sample in cohort.samples[:most]]
    some = (", ".join(names[:count]) for count in range(len(names), 1, -1))
    return next((each for each in some if cell_len(each) <= cells), cut(", ".join(names[:1]), cells))


def _pairs(cohort: Cohort, cells: int) -> str:
    if not cohort.values:
        return ""
    pair = cohort.values[0]
    others = plan_words.other_values(cohort)
    rest = f"  +{others:,} more" if others else ""
    words = plan_words.change_words(cohort.kind, cohort.field, pair.before, pair.after, cells - len(rest))
    # Dates are never cut, so there may be less room for the rest.
    return words + (rest if cell_len(words + rest) <= cells else rest.removesuffix(" more"))


def _notes(notes: Sequence[Note]) -> list[RenderableType]:
    if not notes:
        return []
    names_resource = len({note.resource for note in notes}) > 1
    return [
        line
        for title, some in plan_words.by_heading(notes)
        for line in (heading(title), grid((_note_words(note, names_resource),) for note in some), BLANK)
    ]


def _short_notes(notes: Sequence[Note], page: Page) -> list[RenderableType]:
    """Return one line for all notes."""
    if not notes:
        return []
    rest = f", and {amount(len(notes) - 1, 'more note')}" if len(notes) > 1 else ""
    title = plan_words.heading_of(notes[0]).removesuffix("s")
    first = cut(f"{title}: {_note_words(notes[0], names_resource=False).plain}", page.width - len(rest))
    return [faint(first + rest), BLANK]


def _short_cost(cost: Cost) -> RenderableType:
    return Text(
        f"Applying costs {amount(cost.to_apply, 'billable lookup')} in {amount(cost.requests, 'request')}{plan_words.about(cost)}."
    )


def _note_words(note: Note, names_resource: bool) -> Text:  # noqa: FBT001 - only called above
    if note.code in ABOUT_SPECS:
        return Text(cut(escaped(f"{note.samples[0]}: {note.sentence}"), _NOTE + _NOTE_SAMPLES))
    resource = f"{note.resource}: " if names_resource and note.resource else ""
    samples = f" (e.g. {', '.join(map(subject_words, note.samples))})" if note.samples else ""
    said = f"{resource}{plan_words.noted(note)} {note.sentence}"
    return Text.assemble(cut(escaped(said), _NOTE), (cut(samples, _NOTE_SAMPLES), "dim"))


def _cost(plan: Plan) -> list[RenderableType]:
    cost = plan.summary.cost
    if plan.summary.is_empty:
        return (
            [faint(f"Reading live state cost {amount(cost.reads, 'billable lookup')}."), BLANK]
            if cost.reads
            else []
        )
    rows = [
        (faint("billable lookups"), faint("requests"), Text()),
        (
            Text(f"{cost.to_apply:,}", "bold"),
            Text(f"{cost.requests:,}", "bold"),
            Text(f"to apply{plan_words.about(cost)}"),
        ),
    ]
    others = [
        (
            faint(f"{cost.one_by_one:,}"),
            faint(f"{plan.summary.actions:,}"),
            faint("with one call per action"),
        ),
        (faint(f"{cost.by_action:,}"), Text(), faint("with actions batched by kind")),
    ]
    remarks = [grid([(faint(each),)]) for each in plan_words.cost_remarks(cost)]
    compared = [*rows, *others] if cost.one_by_one else rows
    return [heading("Cost"), grid(compared, right=(0, 1)), *remarks, BLANK]


def _footer(plan: Plan) -> list[RenderableType]:
    header = plan.header
    until = header.observed_until
    observed = "" if until is None else f", based on live state read at {moment(until)}"
    return [faint(f"Plan {header.digest[:12]}{observed}")]


def plan_json(plan: Plan) -> str:
    from leanplum_sync.render.documents import (  # noqa: PLC0415 - its classes take longer to create than a text to render
        AuditEntry,
        HazardEntry,
        PlanSummary,
        RowsEntry,
        ThingCounts,
        UserCounts,
        entry,
        written,
    )

    def rows_entry(resource: str, read: RowsRead) -> RowsEntry:
        return entry(
            RowsEntry,
            read.kept,
            resource=resource,
            connection=read.connection,
            source=read.query,
            rows=read.kept.count,
            read_at=timestamp(read.kept.read_at),
        )

    def audit_entry(audit: Audit) -> AuditEntry:
        is_over = audit.bound.most > audit.allowed
        return entry(AuditEntry, audit.bound, limit=audit.goal.share, is_over=is_over)

    header, summary = plan.header, plan.summary
    return written(
        entry(
            PlanSummary,
            summary,
            header,
            created_at=timestamp(header.created_at),
            is_empty=summary.is_empty and not pending_exports(plan.notes()),
            observed_from=timestamp(header.observed_from),
            observed_until=timestamp(header.observed_until),
            users=entry(UserCounts, summary, assumed_since=timestamp(summary.assumed_since)),
            things=ThingCounts(summary.things, summary.changed_things, summary.tested),
            audit=audit_entry(summary.audit) if summary.audit else None,
            changes=dict(sorted(summary.changes.items())),
            hazards=tuple(entry(HazardEntry, each) for each in plan.hazards()),
            notes=plan.notes(),
            rows=tuple(starmap(rows_entry, plan.rows().items())),
            cohorts=plan_words.masked_cohorts(plan),
        )
    )
