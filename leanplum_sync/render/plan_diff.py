"""The difference between two plans, as text, Markdown and JSON: counts first, and no values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from leanplum_sync.planner.change import Effect, effect_of
from leanplum_sync.planner.differences import Difference, Differences, Group, GroupDifference
from leanplum_sync.planner.plan import Hazard
from leanplum_sync.render import documents, plan_words
from leanplum_sync.render.documents import CountEntry, entry, written
from leanplum_sync.render.markdown.writing import Rows, code, fitted, marker, row, table
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BAD, BLANK, CARE, FAINT, GOOD, NAME, faint, grid, heading, paint
from leanplum_sync.render.plan_words import Plan
from leanplum_sync.render.values import amount, cut, escaped, subject_words

_WORDS: Final = {
    Difference.ADDED: "would change now but not before",
    Difference.REMOVED: "would no longer change",
    Difference.ALTERED: "would change differently",
}
_SIGNS: Final = {Difference.ADDED: "+", Difference.REMOVED: "-", Difference.ALTERED: "~"}
_FEWEST_GROUPS: Final = 6
_CELLS: Final = 40
_SAMPLE_CELLS: Final = 26


@dataclass(frozen=True, slots=True)
class PlanDiff:
    old: Plan
    new: Plan
    found: Differences

    @property
    def is_empty(self) -> bool:
        return self.found.are_none and self.old.header.target == self.new.header.target


def plan_diff_text(diff: PlanDiff, page: Page) -> str:
    title = f"Changes since the earlier plan for {plan_words.target_words(diff.old.header.target)}"
    before = [Text(title, "bold"), *_elsewhere(diff), BLANK, *_headline(diff)]
    if diff.found.are_none:
        return paint([*before, BLANK, faint(_digests(diff))], page)
    after: list[RenderableType] = [
        heading("Counts before and now"),
        _counts_grid(diff),
        BLANK,
        faint(_digests(diff)),
    ]
    room = page.height - paint([*before, BLANK, *after], page).count("\n") - 4
    return paint([*before, BLANK, *_groups(diff, max(room, _FEWEST_GROUPS)), *after], page)


def _elsewhere(diff: PlanDiff) -> Iterable[Text]:
    if diff.old.header.target != diff.new.header.target:
        yield Text(
            f"The new plan is for a different app: {plan_words.target_words(diff.new.header.target)}", BAD
        )


def _headline(diff: PlanDiff) -> list[RenderableType]:
    found = diff.found
    if found.are_none:
        return [Text(_nothing(found), GOOD)]
    rows = [
        (
            Text(f"{found.subjects.get(each, 0):,}"),
            Text(f"{_unit(found)}s {words}", CARE if found.subjects.get(each) else FAINT),
        )
        for each, words in _WORDS.items()
    ]
    return [
        grid([*rows, (Text(f"{found.same:,}"), faint(f"{_unit(found)}s would change as before"))], right=(0,))
    ]


def _nothing(found: Differences) -> str:
    return f"No difference: {amount(found.same, _unit(found))} would change as before."


def _unit(found: Differences) -> str:
    """Return what the differences are about: variables, if they are about nothing else."""
    kinds = {group.kind for group in found.groups}
    only_things = bool(kinds) and all(effect_of(kind) is Effect.THING for kind in kinds)
    return "variable" if only_things else "user"


def _groups(diff: PlanDiff, fits: int) -> list[RenderableType]:
    changed = _changed(diff.found)
    some = changed if len(changed) <= fits + 1 else changed[:fits]
    rest = len(changed) - len(some)
    header = (heading("Changes"), Text(), *(faint(each.value) for each in _SIGNS), faint("example"))
    rows = [
        (
            Text(f"  {plan_words.KIND_WORDS[group.kind]}"),
            Text(cut(escaped(group.field), _CELLS), NAME),
            *(_signed(each, found.counts[each]) for each in _SIGNS),
            faint(_sample(found)),
        )
        for group, found in some
    ]
    more = [faint(f"  and {amount(rest, 'more group')}; -o json lists them all")] if rest else []
    return [grid([header, *rows], right=(2, 3, 4), indent=0), *more, BLANK]


def _signed(difference: Difference, count: int) -> Text:
    style = BAD if difference is Difference.REMOVED else GOOD if difference is Difference.ADDED else CARE
    return Text(f"{_SIGNS[difference]}{count:,}", style) if count else faint("0")


def _sample(found: GroupDifference) -> str:
    first = next(samples[0] for samples in found.samples.values())
    return cut(subject_words(str(first)), _SAMPLE_CELLS)


def _changed(found: Differences) -> Sequence[tuple[Group, GroupDifference]]:
    """Return the groups that differ, the largest difference first."""
    changed = [(group, each) for group, each in found.groups.items() if each.counts]
    return sorted(
        changed, key=lambda each: (-each[1].counts.total(), each[0].resource, each[0].field, each[0].kind)
    )


_COUNT_WORDS: Final = {
    **plan_words.HAZARD_WORDS,
    "changedUsers": "changed users",
    "billableLookups": "billable lookups to apply",
    "requests": "requests",
}


def _counts(diff: PlanDiff) -> tuple[CountEntry, ...]:
    old, new = ({hazard.name: hazard for hazard in plan.hazards()} for plan in (diff.old, diff.new))
    names = [
        name
        for name in plan_words.HAZARD_WORDS
        if name in plan_words.ALWAYS_SHOWN or name in old or name in new
    ]
    none = Hazard("", 0, None)
    hazards = [
        CountEntry(name, old.get(name, none).count, new.get(name, none).count, new.get(name, none).is_over)
        for name in names
        if name not in ("changedUsers", "billableLookups")
    ]
    was, now = diff.old.summary, diff.new.summary
    return (
        *hazards,
        CountEntry("changedUsers", was.changed, now.changed, is_over=False),
        CountEntry("billableLookups", was.cost.to_apply, now.cost.to_apply, is_over=False),
        CountEntry("requests", was.cost.requests, now.cost.requests, is_over=False),
    )


def _sign(count: CountEntry) -> str:
    return f"{count.new - count.old:+,}" if count.new != count.old else "same"


def _counts_grid(diff: PlanDiff) -> RenderableType:
    return grid(
        [
            (
                Text(f"{count.old:,}"),
                Text("→"),
                Text(f"{count.new:,}", BAD if count.is_over else "bold" if count.old != count.new else ""),
                Text(
                    _COUNT_WORDS[count.name] + (", over budget" if count.is_over else ""),
                    BAD if count.is_over else "",
                ),
                faint(_sign(count)),
            )
            for count in _counts(diff)
        ],
        right=(0, 2),
    )


def _digests(diff: PlanDiff) -> str:
    return f"Compared plan {diff.old.header.digest[:12]} with {diff.new.header.digest[:12]}"


def plan_diff_markdown(diff: PlanDiff, limit: int) -> str:
    target, found = diff.new.header.target, diff.found
    head: list[str | Rows] = [
        marker("plan-diff", target.environment, target.app_id),
        f"### Changes since the earlier plan for {code(cut(escaped(diff.old.header.target.environment)))}",
        *(
            [f"> [!CAUTION]\n> The new plan is for a different app: {code(plan_words.target_words(target))}"]
            if list(_elsewhere(diff))
            else []
        ),
    ]
    foot = f"<sub>{_digests(diff)}</sub>"
    if found.are_none:
        return fitted([*head, f"**{_nothing(found)}**", foot], limit)
    unit = _unit(found)
    users = [
        row(f"**{found.subjects.get(each, 0):,}**", f"{unit}s {words}") for each, words in _WORDS.items()
    ]
    counts = [
        row(
            f"{each.old:,}",
            f"**{each.new:,}**",
            _COUNT_WORDS[each.name] + (" ❌ **over budget**" if each.is_over else ""),
            _sign(each),
        )
        for each in _counts(diff)
    ]
    groups = [
        row(
            plan_words.KIND_WORDS[group.kind],
            code(cut(escaped(group.field))),
            *(f"{_SIGNS[each]}{changed.counts[each]:,}" if changed.counts[each] else "" for each in _SIGNS),
            code(_sample(changed)),
        )
        for group, changed in _changed(found)
    ]
    return fitted(
        [
            *head,
            "\n".join(
                [
                    table("Count:", f"{unit.capitalize()}s"),
                    *users,
                    row(f"{found.same:,}", f"{unit}s would change as before"),
                ]
            ),
            "\n".join([table("Before:", "Now:", "What", "Difference"), *counts]),
            Rows(
                table(
                    "Change",
                    "Attribute, field, or message",
                    *(f"{each.value}:" for each in _SIGNS),
                    "Example",
                ),
                groups,
                "group",
                "`leanplum-sync plan-diff -o json` lists all of them",
            ),
            foot,
        ],
        limit,
    )


def plan_diff_json(diff: PlanDiff) -> str:
    found = diff.found
    users = {each.value: found.subjects.get(each, 0) for each in Difference}
    return written(
        documents.PlanDifference(
            is_empty=diff.is_empty,
            old=entry(documents.ComparedPlan, diff.old.header),
            new=entry(documents.ComparedPlan, diff.new.header),
            users=documents.DifferenceCounts(**users, same=found.same),
            counts=_counts(diff),
            groups=tuple(_group_entry(group, each) for group, each in _changed(found)),
        )
    )


def _group_entry(group: Group, found: GroupDifference) -> documents.GroupEntry:
    counts = {each.value: found.counts[each] for each in Difference}
    samples = {each.value: tuple(found.samples.get(each, ())) for each in Difference}
    return entry(
        documents.GroupEntry, group, **counts, same=found.same, samples=documents.DifferenceSamples(**samples)
    )
