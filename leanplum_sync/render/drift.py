"""Drift: which fields changed since the last apply, and who changed them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from leanplum_sync.operations.drift import WHOLE_USER, Drift, InForce, Moved, Origin
from leanplum_sync.planner.plan import Target
from leanplum_sync.render.documents import DriftDocument, MovedEntry, SpecEntry, entry, written
from leanplum_sync.render.markdown.writing import Rows, code, fitted, marker, place, prose, row, table
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BLANK, CARE, GOOD, faint, grid, heading, paint
from leanplum_sync.render.plan_words import masked, sides, target_words, users_words
from leanplum_sync.render.values import (
    Mask,
    amount,
    cut,
    escaped,
    moment,
    noun_for,
    subject_words,
    timestamp,
)

USER_GONE: Final = "user no longer exists"
USER_BACK: Final = "user exists, but is to be erased"
_ROWS_SHOWN: Final = 10
_CELLS: Final = 40
_FIELD_CELLS: Final = 24
_VALUE_CELLS: Final = 16
_SAMPLE_CELLS: Final = 20
_COMMENT_CELLS: Final = 40
_ALL: Final = "`leanplum-sync drift -o json` lists all of them"


def drift_text(drift: Drift, target: Target, mask: Mask, page: Page) -> str:
    lines: list[RenderableType] = [heading(f"Drift in {target_words(target)}"), BLANK]
    lines.append(Text(drift_words(drift), CARE if drift.has_drifted else GOOD))
    lines.append(Text(in_step_words(drift)))
    if drift.unreadable:
        lines.append(Text(f"{amount(drift.unreadable, 'user')} could not be read.", CARE))
    moved = masked_moved(drift, mask)
    for origin in Origin:
        groups = [each for each in moved if each.origin is origin]
        if groups:
            rest = len(groups) - _ROWS_SHOWN
            more = [faint(f"  and {rest:,} more groups; -o json lists them all")] if rest > 0 else []
            lines += [BLANK, heading(title_of(origin)), _table(groups[:_ROWS_SHOWN]), *more]
    specs = [(Text(cut(escaped(each.resource), _CELLS)), Text(applied_words(each))) for each in drift.specs]
    lines += [BLANK, heading("Last applied"), grid(specs)]
    if drift.reads:
        lines += [BLANK, faint(f"Reading live state cost {amount(drift.reads, 'billable lookup')}.")]
    return paint(lines, page)


def title_of(origin: Origin) -> str:
    match origin:
        case Origin.OTHERS:
            return "Changed by others since the last apply"
        case Origin.BOTH:
            return "Changed by others since the last apply, and by the spec"
        case Origin.OURS:
            return "Changed by the spec since the last apply"
        case Origin.NEW:
            return "Never applied"


def drift_words(drift: Drift) -> str:
    if not drift.has_drifted:
        return "No drift detected."
    count = sum(drift.users(origin) for origin in Origin if origin.is_drift)
    return f"{amount(count, 'value' if drift.things else 'attribute')} {'has' if count == 1 else 'have'} drifted since the last apply."


def in_step_words(drift: Drift) -> str:
    what = noun_for(drift.thing_kinds, with_users=drift.listed > drift.things)
    match = "matches" if drift.in_step == 1 else "match"
    gone = f"; {drift.missing:,} {'does' if drift.missing == 1 else 'do'} not exist" if drift.missing else ""
    return f"{drift.in_step:,} of {amount(drift.listed, f'listed {what}')} {match} the specs{gone}."


def masked_moved(drift: Drift, mask: Mask) -> tuple[Moved, ...]:
    """Return what moved, with sensitive values masked: where a spec renames a sensitive name, the values of all its renames."""
    return masked(drift.moved, mask, attrgetter("resource"))


def value_words(moved: Moved, cells: int) -> tuple[str, str]:
    """Return the most frequent values, live and desired; and how many users have others."""
    if moved.kind is None or not moved.values:
        return "", ""
    pair, *others = moved.values
    live, desired = sides(moved.kind, moved.field, pair.before, pair.after, cells)
    rest = moved.others + sum(each.users for each in others)
    return live, desired + (f" (others: {rest:,})" if rest else "")


def _table(groups: Sequence[Moved]) -> RenderableType:
    header = tuple(map(faint, ("field", "users", "live", "desired", "examples")))
    specs: dict[str, list[Moved]] = {}
    for each in groups:
        specs.setdefault(each.resource, []).append(each)
    rows = [
        row
        for spec, found in specs.items()
        for row in ((Text(f"  {cut(escaped(spec), _CELLS)}"),), *map(_row, found))
    ]
    return grid([header, *rows], right=(1,))


def _row(moved: Moved) -> tuple[Text, ...]:
    what = _whole_user(moved) if moved.field == WHOLE_USER else cut(escaped(moved.field), _FIELD_CELLS)
    live, desired = value_words(moved, _VALUE_CELLS)
    samples = ", ".join(cut(subject_words(each), _SAMPLE_CELLS) for each in moved.samples)
    return Text(what), Text(users_words(moved.kind, moved.users)), Text(live), Text(desired), faint(samples)


def _whole_user(moved: Moved) -> str:
    return USER_GONE if moved.kind is None else USER_BACK


def applied_words(spec: InForce) -> str:
    if spec.applied is None:
        return "never"
    by = f"by run {spec.applied.run}" if spec.applied.run else "without changes"
    changed = "; the spec has changed since" if spec.changed else ""
    return f"{moment(spec.applied.applied_at)} {by}{changed}"


def drift_json(drift: Drift, target: Target, mask: Mask) -> str:
    first, last = drift.observed
    return written(
        entry(
            DriftDocument,
            drift,
            target,
            app=target.app_id,
            observed_from=timestamp(first),
            observed_until=timestamp(last),
            fields={origin.value: drift.users(origin) for origin in Origin},
            moved=tuple(
                entry(MovedEntry, each, kind=each.kind or "gone") for each in masked_moved(drift, mask)
            ),
            specs=tuple(map(_spec_entry, drift.specs)),
        )
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


def drift_markdown(drift: Drift, target: Target, mask: Mask, limit: int) -> str:
    head: list[str | Rows] = [
        marker("drift", target.environment, target.app_id),
        f"### Drift in {place(target)}",
        _verdict(drift),
        in_step_words(drift),
    ]
    if drift.unreadable:
        head.append(f"> [!WARNING]\n> {amount(drift.unreadable, 'user')} could not be read.")
    return fitted(
        [*head, *_markdown_moved(masked_moved(drift, mask)), _markdown_specs(drift), _footer(drift)], limit
    )


def _verdict(drift: Drift) -> str:
    if not drift.has_drifted:
        return f"**{prose(drift_words(drift))}**"
    return (
        f"> [!CAUTION]\n> **{prose(drift_words(drift))}** Applying the specs as they are would revert these changes."
        " First find out who made them, and why."
    )


def _markdown_moved(moved: Sequence[Moved]) -> Iterable[str | Rows]:
    for origin in Origin:
        head = f"**{title_of(origin)}**\n\n{table('Field', 'Live', 'Desired', 'Users:', 'Spec', 'Examples')}"
        yield Rows(head, [_markdown_row(each) for each in moved if each.origin is origin], "group", _ALL)


def _markdown_row(moved: Moved) -> str:
    return row(
        _whole_user(moved) if moved.field == WHOLE_USER else code(cut(escaped(moved.field), _COMMENT_CELLS)),
        *map(code, value_words(moved, _COMMENT_CELLS)),
        f"**{users_words(moved.kind, moved.users)}**",
        code(cut(escaped(moved.resource), _COMMENT_CELLS)),
        ", ".join(code(cut(subject_words(each), _COMMENT_CELLS)) for each in moved.samples),
    )


def _markdown_specs(drift: Drift) -> Rows:
    head = f"<details><summary>Last applied</summary>\n\n{table('Spec', 'When')}"
    lines = [
        row(code(cut(escaped(each.resource), _COMMENT_CELLS)), applied_words(each)) for each in drift.specs
    ]
    return Rows(head, lines, "spec", _ALL, "</details>")


def _footer(drift: Drift) -> str:
    reads = f"Reading live state cost {amount(drift.reads, 'billable lookup')}." if drift.reads else ""
    until = drift.observed[1]
    return f"<sub>{' '.join(filter(None, [reads, f'Based on live state read at {moment(until)}.' if until else '']))}</sub>"
