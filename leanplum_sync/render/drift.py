"""Drift: which fields changed since the last apply, and who changed them."""

from __future__ import annotations

from typing import Final

from rich.console import RenderableType
from rich.text import Text

from leanplum_sync.operations.drift import WHOLE_USER, Drift, InForce, Moved, Origin
from leanplum_sync.planner.plan import Target
from leanplum_sync.render.document import written
from leanplum_sync.render.documents import DriftDocument, MovedEntry, SpecEntry
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BLANK, CARE, GOOD, faint, grid, heading, paint
from leanplum_sync.render.plan_words import target_words
from leanplum_sync.render.values import cut, escaped, subject_words
from leanplum_sync.render.words import amount, moment, timestamp

TITLES: Final = {
    Origin.OTHERS: "Changed by others since the last apply",
    Origin.BOTH: "Changed by others since the last apply, and by the spec",
    Origin.OURS: "Changed by the spec since the last apply",
    Origin.NEW: "Never applied",
}
USER_GONE: Final = "user no longer exists"
_ROWS_SHOWN: Final = 10
_CELLS: Final = 40


def drift_text(drift: Drift, target: Target, page: Page) -> str:
    lines: list[RenderableType] = [heading(f"Drift in {target_words(target)}"), BLANK]
    lines.append(Text(drift_words(drift), CARE if drift.has_drifted else GOOD))
    lines.append(Text(in_step_words(drift)))
    if drift.unreadable:
        lines.append(Text(f"{amount(drift.unreadable, 'user')} could not be read.", CARE))
    for origin, title in TITLES.items():
        groups = [each for each in drift.moved if each.origin is origin]
        if groups:
            rows = [_row(each) for each in groups[:_ROWS_SHOWN]]
            rest = len(groups) - len(rows)
            more = [faint(f"  and {rest:,} more groups; -o json lists them all")] if rest else []
            lines += [BLANK, heading(title), grid(rows, right=(1,)), *more]
    lines += [BLANK, heading("Last applied"), grid(map(_spec_row, drift.specs))]
    if drift.reads:
        lines += [BLANK, faint(f"Reading live state cost {amount(drift.reads, 'billable lookup')}.")]
    return paint(lines, page)


def drift_words(drift: Drift) -> str:
    if not drift.has_drifted:
        return "No drift detected."
    count = drift.users(Origin.OTHERS) + drift.users(Origin.BOTH)
    return f"{amount(count, 'attribute')} {'has' if count == 1 else 'have'} drifted since the last apply."


def in_step_words(drift: Drift) -> str:
    match = "matches" if drift.in_step == 1 else "match"
    return f"{drift.in_step:,} of {amount(drift.listed, 'listed user')} {match} the specs."


def _row(moved: Moved) -> tuple[Text, ...]:
    what = USER_GONE if moved.field == WHOLE_USER else cut(escaped(moved.field), _CELLS)
    samples = ", ".join(cut(subject_words(each), _CELLS) for each in moved.samples)
    return (
        Text(what),
        Text(amount(moved.subjects, "user")),
        faint(cut(escaped(moved.resource), _CELLS)),
        faint(f"e.g. {samples}"),
    )


def _spec_row(spec: InForce) -> tuple[Text, ...]:
    return Text(cut(escaped(spec.resource), _CELLS)), Text(applied_words(spec))


def applied_words(spec: InForce) -> str:
    if spec.applied is None:
        return "never"
    by = f"by run {spec.applied.run}" if spec.applied.run else "without changes"
    changed = "; the spec has changed since" if spec.changed else ""
    return f"{moment(spec.applied.applied_at)} {by}{changed}"


def drift_json(drift: Drift, target: Target) -> str:
    first, last = drift.observed
    return written(
        DriftDocument(
            environment=target.environment,
            app=target.app_id,
            host=target.host,
            has_drifted=drift.has_drifted,
            listed=drift.listed,
            in_step=drift.in_step,
            unreadable=drift.unreadable,
            reads=drift.reads,
            observed_from=timestamp(first),
            observed_until=timestamp(last),
            fields={origin.value: drift.users(origin) for origin in Origin},
            moved=tuple(map(_moved_entry, drift.moved)),
            specs=tuple(map(_spec_entry, drift.specs)),
        )
    )


def _moved_entry(moved: Moved) -> MovedEntry:
    return MovedEntry(
        origin=moved.origin.value,
        resource=moved.resource,
        kind=moved.kind or "gone",
        field=moved.field,
        users=moved.subjects,
        samples=moved.samples,
    )


def _spec_entry(spec: InForce) -> SpecEntry:
    applied = spec.applied
    return SpecEntry(
        resource=spec.resource,
        applied_at=timestamp(applied.applied_at) if applied else None,
        run=applied.run if applied else None,
        plan_digest=applied.plan_digest if applied else None,
        changed_since=spec.changed,
    )
