"""Drift, for an issue, a comment or the summary of a pipeline: changes by others come first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from leanplum_sync.operations.drift import WHOLE_USER, Drift, InForce, Moved
from leanplum_sync.planner.plan import Target
from leanplum_sync.render.drift import (
    TITLES,
    USER_GONE,
    applied_words,
    drift_words,
    in_step_words,
    masked_moved,
    value_words,
)
from leanplum_sync.render.markdown.plan import place
from leanplum_sync.render.markdown.writing import Rows, code, fitted, marker, prose, row, table
from leanplum_sync.render.values import Mask, cut, escaped, subject_words
from leanplum_sync.render.words import amount, moment

_CELLS: Final = 40


def drift_markdown(drift: Drift, target: Target, mask: Mask, limit: int) -> str:
    head: list[str | Rows] = [
        marker("drift", target.environment, target.app_id),
        f"### Drift in {place(target)}",
        _verdict(drift),
        in_step_words(drift),
    ]
    if drift.unreadable:
        head.append(f"> [!WARNING]\n> {amount(drift.unreadable, 'user')} could not be read.")
    return fitted([*head, *_moved(masked_moved(drift.moved, mask)), _specs(drift), _footer(drift)], limit)


def _verdict(drift: Drift) -> str:
    if not drift.has_drifted:
        return f"**{prose(drift_words(drift))}**"
    return (
        f"> [!CAUTION]\n> **{prose(drift_words(drift))}** Applying the specs as they are would revert these changes."
        " First find out who made them, and why."
    )


def _moved(moved: Sequence[Moved]) -> Iterable[str | Rows]:
    for origin, title in TITLES.items():
        lines = [_row(each) for each in moved if each.origin is origin]
        yield Rows(
            f"**{title}**\n\n{table('Field', 'Live', 'Desired', 'Users:', 'Spec', 'Examples')}",
            lines,
            _left_out,
        )


def _left_out(count: int) -> str:
    return f"_{amount(count, 'group')} omitted here: `leanplum-sync drift -o json` lists all of them._"


def _row(moved: Moved) -> str:
    return row(
        USER_GONE if moved.field == WHOLE_USER else code(cut(escaped(moved.field), _CELLS)),
        *map(code, value_words(moved, _CELLS)),
        f"**{moved.users:,}**",
        code(cut(escaped(moved.resource), _CELLS)),
        ", ".join(code(cut(subject_words(each), _CELLS)) for each in moved.samples),
    )


def _specs(drift: Drift) -> Rows:
    return Rows(
        f"<details><summary>Last applied</summary>\n\n{table('Spec', 'When')}",
        list(map(_spec, drift.specs)),
        lambda count: (
            f"_{amount(count, 'spec')} omitted here: `leanplum-sync drift -o json` lists all of them._"
        ),
        "</details>",
    )


def _spec(spec: InForce) -> str:
    return row(code(cut(escaped(spec.resource), _CELLS)), applied_words(spec))


def _footer(drift: Drift) -> str:
    reads = f"Reading live state cost {amount(drift.reads, 'billable lookup')}." if drift.reads else ""
    until = drift.observed[1]
    return f"<sub>{' '.join(filter(None, [reads, f'Based on live state read at {moment(until)}.' if until else '']))}</sub>"
