"""A plan as a page: headline, risks and cost on the first screen, then the changes by user."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final, Protocol

from leanplum_sync.planner.change import Change
from leanplum_sync.planner.plan import ABOUT_SPECS, Cohort, Hazard, Note
from leanplum_sync.render import plan_words
from leanplum_sync.render.html.chart import chart, family
from leanplum_sync.render.html.parts import code, codes, command, items, main, masthead, section
from leanplum_sync.render.html.writing import NOTHING, Content, Html, data, joined, page, tag, together
from leanplum_sync.render.plan_words import Plan
from leanplum_sync.render.values import amount, moment, subject_words
from leanplum_sync.wire.action import Json

_MOST_USERS: Final = 20_000  # of a page, so that it opens at once
_MOST_OF_A_GROUP: Final = 1_000
_FEWEST_OF_A_GROUP: Final = 10
_CELLS: Final = 60
_CELLS_OF_A_USER: Final = 200

Group = tuple[str, str, str]


class PlanWithMembers(Plan, Protocol):
    def members(self, limit: int) -> Mapping[Group, Sequence[Change]]: ...


def plan_html(plan: PlanWithMembers) -> str:
    header, summary = plan.header, plan.summary
    until = header.observed_until
    facts = [
        f"Plan {header.digest[:12]}",
        *([f"based on live state read at {moment(until)}"] if until else []),
    ]
    headline = (
        plan_words.nothing_to_do(summary, plan.notes())
        if summary.is_empty
        else plan_words.would_change(summary)
    )
    cohorts = plan.cohorts()
    return page(
        f"Plan for {header.target.environment}",
        main(
            masthead("Plan", header.target, headline, *facts),
            _risks(plan),
            _skipped(plan.notes()),
            _changes(plan, cohorts) if cohorts else NOTHING,
        ),
        with_script=bool(cohorts),
    )


def _risks(plan: Plan) -> Html:
    cost, told = plan.summary.cost, plan.header.journal_doubt
    doubt = tag("p", told, class_="alarm") if told else NOTHING
    if plan.summary.is_empty:
        read = f"Reading live state cost {amount(cost.reads, 'billable lookup')}."
        return joined([doubt, tag("p", read, class_="note") if cost.reads else NOTHING])
    tiles = [*map(_risk, plan_words.worth_showing(plan)), _cost_tile(plan)]
    remarks = [*filter(None, [plan_words.other_ways(cost)]), *plan_words.cost_remarks(cost)]
    return tag(
        "section",
        tag("h2", "Risks and cost", id="risks", class_="unseen"),
        _consent(plan),
        doubt,
        tag("dl", *tiles, class_="tiles"),
        tag(
            "p",
            joined(" ".join(remarks).split(plan_words.RECHECK), command(plan_words.RECHECK)),
            class_="note",
        ),
        aria_labelledby="risks",
    )


def _risk(hazard: Hazard) -> Html:
    budget = plan_words.budget_words(hazard) if hazard.count else ""
    return tag(
        "div",
        tag("dt", plan_words.HAZARD_WORDS.get(hazard.name, hazard.name)),
        tag("dd", f"{hazard.count:,}"),
        tag("dd", budget, class_="budget") if budget else NOTHING,
        class_="over" if hazard.is_over else None if hazard.count else "none",
    )


def _cost_tile(plan: Plan) -> Html:
    cost = plan.summary.cost
    effort = f"in {amount(cost.requests, 'request')}{plan_words.about(cost)}"
    return tag(
        "div",
        tag("dt", "billable lookups to apply"),
        tag("dd", f"{cost.to_apply:,}"),
        tag("dd", effort, class_="budget"),
        class_="cost",
    )


def _consent(plan: Plan) -> Html:
    options = plan_words.consent_options(plan.hazards())
    if not options:
        return NOTHING
    return tag(
        "p",
        tag("strong", "Over budget."),
        " To consent to exactly this plan, apply it with ",
        code(options),
        class_="alarm",
    )


def _skipped(notes: Sequence[Note]) -> Html:
    sections = [section(title, items(map(_note, some))) for title, some in plan_words.by_heading(notes)]
    return together(*sections)


def _note(note: Note) -> Html:
    if note.code in ABOUT_SPECS:
        return together(code(note.samples[0]), f" {note.sentence}")
    resource = together(code(note.resource), ": ") if note.resource else NOTHING
    samples = together(" (e.g. ", codes(map(subject_words, note.samples)), ")") if note.samples else NOTHING
    return together(resource, tag("strong", plan_words.noted(note)), f" {note.sentence}", samples)


def _changes(plan: PlanWithMembers, cohorts: Sequence[Cohort]) -> Html:
    limit = max(min(_MOST_OF_A_GROUP, _MOST_USERS // len(cohorts)), _FEWEST_OF_A_GROUP)
    members, hide = (
        plan.members(limit),
        plan_words.hiders(cohorts, plan_words.mask_for(plan), attrgetter("asked_at")),
    )
    groups = [
        {
            "total": cohort.users,
            "users": [
                _member(change, hide(cohort))
                for change in members.get((cohort.resource, cohort.kind.value, cohort.field), ())
            ],
        }
        for cohort in cohorts
    ]
    rows = [_cohort(number, cohort) for number, cohort in enumerate(plan_words.masked_cohorts(plan))]
    is_cut = any(cohort.users > limit for cohort in cohorts)
    cut = together(
        f"This page lists at most {limit:,} users per group. For any other user, run ",
        command("leanplum-sync explain PLAN USER"),
        ". The plan file has every change.",
    )
    return section(
        "Changes",
        chart(cohorts) if len(cohorts) > 1 else NOTHING,
        _controls(cohorts),
        tag(
            "table",
            tag("caption", "Changes by group", class_="unseen"),
            tag("thead", tag("tr", *_heads(), role="row"), role="rowgroup"),
            tag("tbody", *rows, role="rowgroup"),
            role="table",
            id="groups",
        ),
        tag("p", "No groups or users match.", id="none", class_="note", hidden=True),
        tag("p", cut, class_="note") if is_cut else NOTHING,
        data("members", groups),
    )


def _controls(cohorts: Sequence[Cohort]) -> Html:
    kinds = list(dict.fromkeys(cohort.kind for cohort in cohorts))
    options = [
        tag("option", "all kinds", value=""),
        *(tag("option", plan_words.KIND_WORDS[kind], value=kind.value) for kind in kinds),
    ]
    return tag(
        "div",
        tag("label", "Search", for_="search"),
        tag(
            "input",
            type="search",
            id="search",
            placeholder="user, attribute, or value",
            autocomplete="off",
            spellcheck="false",
        ),
        tag("label", "Show", for_="kind"),
        tag("select", *options, id="kind"),
        tag("p", f"{amount(len(cohorts), 'group')}", id="count", role="status"),
        class_="controls",
        hidden=True,
    )


def _heads() -> Iterable[Html]:
    for name, key in (
        ("Change", "kind"),
        ("Attribute", "field"),
        ("Before and after", ""),
        ("Users", "users"),
        ("Examples", ""),
    ):
        label: Content = tag("button", name, type="button", data_sort=key) if key else name
        yield tag("th", label, scope="col", role="columnheader", class_=name.lower().replace(" ", "-"))


def _cohort(number: int, cohort: Cohort) -> Html:
    name = cohort.field or "(the user)"
    opener = tag(
        "button",
        code(name),
        type="button",
        class_="opener",
        aria_expanded="false",
        aria_controls=f"g{number}",
        data_group=number,
    )
    return tag(
        "tr",
        tag(
            "td",
            tag("span", plan_words.KIND_WORDS[cohort.kind], class_=f"kind {family(cohort.kind)}"),
            role="cell",
            class_="change",
        ),
        tag("td", opener, tag("span", cohort.resource, class_="resource"), role="cell", class_="attribute"),
        tag("td", _values(cohort), role="cell", class_="before-and-after"),
        tag(
            "td",
            plan_words.users_words(cohort.kind, cohort.users),
            tag("span", "", class_="matches"),
            role="cell",
            class_="users",
        ),
        tag("td", codes(map(subject_words, cohort.samples)), role="cell", class_="examples"),
        role="row",
        class_="group",
        id=f"r{number}",
        data_kind=cohort.kind.value,
        data_field=cohort.field,
        data_users=cohort.users,
    )


def _values(cohort: Cohort) -> Html:
    if not cohort.values:
        return NOTHING
    pair = cohort.values[0]
    before, after = plan_words.sides(cohort.kind, cohort.field, pair.before, pair.after, _CELLS)
    after = plan_words.shape_words(cohort, 2 * _CELLS) or after
    others = plan_words.other_values(cohort)
    more = tag("span", f" +{others:,} more", class_="more") if others and not cohort.shapes else NOTHING
    return together(joined([code(each) for each in (before, after) if each], " → "), more)


def _member(change: Change, hide: Callable[[Json], Json]) -> list[str]:
    before, after = hide(change.before), hide(change.after)
    was, comes = plan_words.sides(change.kind, change.field, before, after, _CELLS_OF_A_USER)
    who = subject_words(str(change.subject))
    device = f" / {change.device_id}" if change.device_id and change.device_id not in who else ""
    return [who + device, was, comes, str(change.found_at)]
