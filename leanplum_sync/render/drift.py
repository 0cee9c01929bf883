"""Drift: which fields moved, and by whom. No values: a plan shows those, and masks what is sensitive."""

from __future__ import annotations

from typing import Final

from rich.console import RenderableType
from rich.text import Text

from leanplum_sync.operations.drift import WHOLE_USER, Drift, InForce, Moved, Origin
from leanplum_sync.planner.plan import Target
from leanplum_sync.render.document import document
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BLANK, CARE, GOOD, faint, grid, heading, paint
from leanplum_sync.render.plan_words import target_words
from leanplum_sync.render.values import cut, escaped, subject_words
from leanplum_sync.render.words import amount, moment, timestamp

TITLES: Final = {
    Origin.OTHERS: "Changed by others: not as we left it",
    Origin.BOTH: "Changed by both: not as we left it, and the spec asks for something else since",
    Origin.OURS: "Ours: as we left it, and the spec asks for something else since",
    Origin.NEW: "New: never applied by us",
}
_ROWS_SHOWN: Final = 10
_CELLS: Final = 40


def drift_text(drift: Drift, target: Target, page: Page) -> str:
    lines: list[RenderableType] = [heading(f"Drift in {target_words(target)}"), BLANK]
    lines.append(Text(drift_words(drift), CARE if drift.has_drifted else GOOD))
    lines.append(Text(f"{drift.in_step:,} of {amount(drift.listed, 'listed user')} as the specs say."))
    if drift.unreadable:
        lines.append(Text(f"{amount(drift.unreadable, 'user')} could not be read.", CARE))
    for origin, title in TITLES.items():
        groups = [each for each in drift.moved if each.origin is origin]
        if groups:
            rows = [_row(each) for each in groups[:_ROWS_SHOWN]]
            rest = len(groups) - len(rows)
            more = [faint(f"  and {rest:,} more groups; -o json has them all")] if rest else []
            lines += [BLANK, heading(title), grid(rows, right=(1,)), *more]
    lines += [BLANK, heading("Last applied"), grid(map(_spec_row, drift.specs))]
    if drift.reads:
        lines += [BLANK, faint(f"Reading cost {amount(drift.reads, 'billable lookup')}.")]
    return paint(lines, page)


def drift_words(drift: Drift) -> str:
    if not drift.has_drifted:
        return "No drift: nobody else changed what we left."
    fields = drift.users(Origin.OTHERS) + drift.users(Origin.BOTH)
    return f"{amount(fields, 'field')} of users moved since we left them."


def _row(moved: Moved) -> tuple[Text, ...]:
    what = "the user is gone" if moved.field == WHOLE_USER else cut(escaped(moved.field), _CELLS)
    samples = ", ".join(cut(subject_words(each), _CELLS) for each in moved.samples)
    return (
        Text(what),
        Text(amount(moved.subjects, "user")),
        faint(cut(escaped(moved.resource), _CELLS)),
        faint(f"such as {samples}"),
    )


def _spec_row(spec: InForce) -> tuple[Text, ...]:
    return Text(cut(escaped(spec.resource), _CELLS)), Text(applied_words(spec))


def applied_words(spec: InForce) -> str:
    if spec.applied is None:
        return "never"
    by = f"by run {spec.applied.run}" if spec.applied.run else "with nothing to do"
    changed = ", and changed since" if spec.changed else ""
    return f"{moment(spec.applied.applied_at)} {by}{changed}"


def drift_json(drift: Drift, target: Target) -> str:
    first, last = drift.observed
    return document(
        "drift",
        1,
        environment=target.environment,
        app=target.app_id,
        host=target.host,
        hasDrifted=drift.has_drifted,
        listed=drift.listed,
        inStep=drift.in_step,
        unreadable=drift.unreadable,
        reads=drift.reads,
        observedFrom=timestamp(first),
        observedUntil=timestamp(last),
        fields={origin.value: drift.users(origin) for origin in Origin},
        moved=[
            {
                "origin": each.origin.value,
                "resource": each.resource,
                "kind": each.kind.value if each.kind else "gone",
                "field": each.field,
                "users": each.subjects,
                "samples": list(each.samples),
            }
            for each in drift.moved
        ],
        specs=[
            {
                "resource": each.resource,
                "appliedAt": timestamp(each.applied.applied_at) if each.applied else None,
                "run": each.applied.run if each.applied else None,
                "planDigest": each.applied.plan_digest if each.applied else None,
                "changedSince": each.changed,
            }
            for each in drift.specs
        ],
    )
