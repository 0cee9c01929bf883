"""The findings of `doctor`, with advice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rich.text import Text

from leanplum_sync.observed.export_shape import ExportShape
from leanplum_sync.planner.plan import Target
from leanplum_sync.render.documents import FindingEntry, Findings, entry, written
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BAD, BLANK, CARE, FAINT, GOOD, grid, paint
from leanplum_sync.render.plan_words import target_words
from leanplum_sync.render.values import amount, escaped


class Level(StrEnum):
    GOOD = "ok"
    NOTE = "note"  # needs no action
    BAD = "bad"


_STYLES: Final = {Level.GOOD: GOOD, Level.NOTE: CARE, Level.BAD: BAD}


@dataclass(frozen=True, slots=True)
class Finding:
    """*advice* says what to do. *actions* are the API methods a key permits. *exit_code* applies if the level is bad."""

    level: Level
    about: str
    sentence: str
    advice: str = ""
    actions: Sequence[str] = ()
    exit_code: int = 1


def findings_text(target: Target | None, environment: str, findings: Sequence[Finding], page: Page) -> str:
    """*target* is None if the environment doesn't name its app."""
    title = Text(target_words(target) if target else escaped(environment), "bold")
    return paint([title, BLANK, grid(map(_row, findings), indent=0)], page)


def shape_words(attribute: str, shape: ExportShape) -> str:
    """Describe the file of an export of *attribute*."""
    rows = f"exportUsers wrote {amount(shape.rows, 'row')} for attribute {attribute}"
    if not shape.rows:
        return f"{rows}."
    quotes = "all rows" if shape.quoted == shape.rows else amount(shape.quoted, "row")
    order = "sorted by user" if shape.is_sorted else "not sorted"
    repeated = f"{amount(shape.repeated, 'user')} in several rows"
    if shape.repeated:
        repeated += f", {shape.contradicting:,} of them with different values"
    return (
        f"{rows}, {order}: quotes in {quotes}, backslashes in {shape.escaped:,}, {amount(shape.empty, 'empty value')}, {repeated}."
        f" {shape.certain:,} of {shape.rows:,} rows show their value for certain."
    )


def _row(finding: Finding) -> tuple[Text, ...]:
    words = Text(escaped(finding.sentence))
    if finding.advice:
        words.append(f" {escaped(finding.advice)}", FAINT if finding.level is Level.NOTE else "")
    return Text(finding.level.value, _STYLES[finding.level]), Text(finding.about), words


def findings_json(target: Target | None, environment: str, findings: Sequence[Finding]) -> str:
    listed = tuple(entry(FindingEntry, each) for each in findings)
    return written(Findings(environment, target, listed))
