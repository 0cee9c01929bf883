"""Drift: which fields moved, and by whom. No values: a plan shows those, and masks what is sensitive."""

from __future__ import annotations

from typing import Final

from rich.console import RenderableType
from rich.text import Text

from leanplum_sync.planner.plan import Target
from leanplum_sync.planning.drift import WHOLE_USER, Drift, InForce, Moved, Origin
from leanplum_sync.render.document import document
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BLANK, CARE, GOOD, faint, grid, heading, paint
from leanplum_sync.render.plan_words import target_words
from leanplum_sync.render.values import escaped, subject_words
from leanplum_sync.render.words import amount, moment, timestamp

_TITLES: Final = {
    Origin.OTHERS: "Changed by others: not as we left it",
    Origin.BOTH: "Changed by both: not as we left it, and the spec asks for something else since",
    Origin.OURS: "Ours: as we left it, and the spec asks for something else since",
    Origin.NEW: "New: never applied by us",
}
_ROWS_SHOWN: Final = 10


def drift_text(drift: Drift, target: Target, page: Page) -> str:
    lines: list[RenderableType] = [heading(f"Drift in {target_words(target)}"), BLANK]
    if drift.has_drifted:
        moved = [each for each in drift.moved if each.origin in (Origin.OTHERS, Origin.BOTH)]
        fields = sum(each.subjects for each in moved)
        lines.append(Text(f"{amount(fields, 'field')} of users moved since we left them.", CARE))
    else:
        lines.append(Text("No drift: nobody else changed what we left.", GOOD))
    lines.append(Text(f"{drift.in_step:,} of {amount(drift.listed, 'listed user')} as the specs say."))
    if drift.unreadable:
        lines.append(Text(f"{amount(drift.unreadable, 'user')} could not be read.", CARE))
    for origin, title in _TITLES.items():
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


def _row(moved: Moved) -> tuple[Text, ...]:
    what = "the user is gone" if moved.field == WHOLE_USER else escaped(moved.field)
    samples = ", ".join(map(subject_words, moved.samples))
    return (
        Text(what),
        Text(amount(moved.subjects, "user")),
        faint(escaped(moved.resource)),
        faint(f"such as {samples}"),
    )


def _spec_row(spec: InForce) -> tuple[Text, ...]:
    if spec.applied is None:
        return Text(escaped(spec.resource)), Text("never")
    by = f"by run {spec.applied.run}" if spec.applied.run else "with nothing to do"
    changed = ", and changed since" if spec.changed else ""
    return Text(escaped(spec.resource)), Text(f"{moment(spec.applied.applied_at)} {by}{changed}")


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
