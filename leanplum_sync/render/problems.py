"""Problems in specs and data files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from leanplum_sync.address import SubjectKind, noun_of
from leanplum_sync.problem import SHOWN, Problem, Remark
from leanplum_sync.render.markdown.writing import Rows, code, fitted, marker, prose
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BAD, BLANK, FAINT, GOOD, paint
from leanplum_sync.render.values import amount, cut, escaped

_WIDEST: Final = 10_000  # away from a terminal each problem is one line, for editors and grep
_LONGEST_SENTENCE: Final = 600  # cells of a sentence
_LONGEST_EXCERPT: Final = 160
_ALL: Final = "`leanplum-sync validate` lists all of them"


@dataclass(frozen=True, slots=True)
class Checked:
    """
    The result of a check.

    *problems* may be cut; *total* counts all of them, and *listed* names a file that has them all, if there is one.
    *rows*, *users* and *things* of the app count the valid ones. *remarks* don't make it invalid. *is_connected* says that databases checked queries.
    """

    problems: Sequence[Problem]
    total: int
    resources: int
    rows: int
    users: int
    listed: str = ""
    remarks: Sequence[Remark] = ()
    is_connected: bool = False
    things: int = 0
    thing_kinds: frozenset[SubjectKind] = frozenset()


def checked_text(checked: Checked, page: Page) -> str:
    if checked.total:
        return problems_text(checked.problems, checked.total, page, checked.listed)
    return paint([Text.assemble(("Valid: ", GOOD), found_words(checked))], page)


def found_words(checked: Checked) -> str:
    """Return how much was checked and found valid."""
    rows = f", {amount(checked.rows, 'row')} for {amount(checked.users, 'user')}"
    things = f", {amount(checked.things, noun_of(checked.thing_kinds))}" if checked.things else ""
    how = "Query columns checked against the databases." if checked.is_connected else "Checked offline."
    counted = things if checked.things and not checked.rows else rows + things
    return f"{amount(checked.resources, 'spec')}{counted}. {how}"


def checked_json(checked: Checked) -> str:
    from leanplum_sync.render.documents import (  # noqa: PLC0415 - its classes take longer to create than a text to render
        CheckedCounts,
        Problems,
        entry,
        written,
    )

    return written(
        Problems(
            total=checked.total,
            problems=tuple(problem.entry() for problem in checked.problems),
            remarks=tuple(remark.entry() for remark in checked.remarks),
            listed=checked.listed or None,
            checked=entry(CheckedCounts, checked),
        )
    )


def problems_text(problems: Sequence[Problem], total: int, page: Page, listed: str = "") -> str:
    """Return the first hundred problems, their total, and the file that has *listed* them all."""
    shown = problems[:SHOWN]
    lines: list[Text] = []
    for problem in shown:
        lines += [_sentence(problem), *_pointer(problem), BLANK]
    wide = page if page.is_terminal else replace(page, width=_WIDEST)
    return paint([*lines, Text(headline(shown, total, listed), BAD)], wide)


def headline(shown: Sequence[Problem], total: int, listed: str = "") -> str:
    everything = f" {escaped(listed)} lists all of them." if listed else ""
    if total > len(shown):
        return f"{amount(total, 'problem')}; the first {len(shown):,} are shown.{everything}"
    files = len({problem.place.file for problem in shown})
    return f"{amount(total, 'problem')} in {amount(files, 'file')}.{everything}"


def _sentence(problem: Problem) -> Text:
    place = escaped(str(problem.place))
    return Text.assemble((place, "bold"), escaped(str(problem))[len(place) :])


def _pointer(problem: Problem) -> list[Text]:
    if not problem.excerpt:
        return []
    number = str(problem.place.line or "")
    margin = " " * len(number)
    source = escaped(problem.excerpt.rstrip("\n"))
    lines = [Text.assemble((f"  {number} | ", FAINT), source, no_wrap=True, overflow="ignore")]
    if problem.place.column is not None:
        # Escapes before the column push it to the right.
        before = cell_len(escaped(problem.excerpt[: problem.place.column - 1]))
        lines.append(Text.assemble((f"  {margin} | ", FAINT), " " * before, ("^", BAD), no_wrap=True))
    return lines


def problems_markdown(
    checked: Checked, limit: int, *, document: str = "problems", environment: str = ""
) -> str:
    """*document* names the comment to replace: problems take the place of the plan that could not be made."""
    mark = marker(document, environment)
    if not checked.total:
        return fitted([mark, f"### Valid\n\n{prose(found_words(checked))}", *_remarks(checked)], limit)
    nothing = [] if document == "problems" else ["No plan was made."]
    shown = checked.problems[:SHOWN]
    problems = Rows("", list(map(_problem_line, shown)), "problem", _ALL)
    return fitted(
        [
            mark,
            f"### {headline(shown, checked.total, checked.listed)}",
            *nothing,
            problems,
            *_remarks(checked),
        ],
        limit,
    )


def _remarks(checked: Checked) -> list[Rows]:
    lines = [_problem_line(remark.problem) for remark in checked.remarks]
    return [Rows("**Remarks**\n", lines, "problem", _ALL)] if lines else []


def _problem_line(problem: Problem) -> str:
    place = code(cut(escaped(str(problem.place)), _LONGEST_EXCERPT))
    sentence = prose(
        cut(escaped(str(problem).removeprefix(str(problem.place)).lstrip(": ")), _LONGEST_SENTENCE)
    )
    source = problem.excerpt.strip()
    excerpt = f"<br>{code(cut(escaped(source), _LONGEST_EXCERPT))}" if source else ""
    return f"- {place} {sentence}{excerpt}"
