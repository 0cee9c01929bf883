"""Problems in specs and data files, for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.text import Text

from leanplum_sync.problem import Place, Problem
from leanplum_sync.render.document import document
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BAD, BLANK, FAINT, GOOD, paint
from leanplum_sync.render.values import escaped
from leanplum_sync.render.words import amount

_WIDEST = 10_000  # off a terminal each problem is one line, for editors and for grep


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. *problems* may be cut; *total* counts them all. *rows* and *users* count what is good."""

    problems: Sequence[Problem]
    total: int
    resources: int
    rows: int
    users: int


def checked_text(checked: Checked, page: Page) -> str:
    if checked.total:
        return problems_text(checked.problems, checked.total, page)
    return paint([Text.assemble(("Valid: ", GOOD), found_words(checked))], page)


def found_words(checked: Checked) -> str:
    """Return what was checked and is good."""
    rows = f"{amount(checked.rows, 'row')} about {amount(checked.users, 'user')}"
    return f"{amount(checked.resources, 'spec')}, {rows}. Leanplum was not asked."


def checked_json(checked: Checked) -> str:
    return document(
        "problems",
        1,
        total=checked.total,
        problems=[_problem(problem) for problem in checked.problems],
        checked={"resources": checked.resources, "rows": checked.rows, "users": checked.users},
    )


def problems_text(problems: Sequence[Problem], total: int, page: Page) -> str:
    lines: list[Text] = []
    for problem in problems:
        lines += [_sentence(problem), *_pointer(problem), BLANK]
    wide = page if page.is_terminal else replace(page, width=_WIDEST)
    return paint([*lines, Text(headline(problems, total), BAD)], wide)


def headline(problems: Sequence[Problem], total: int) -> str:
    files = len({problem.place.file for problem in problems})
    more = f"; the first {len(problems):,} are shown" if total > len(problems) else ""
    return f"{amount(total, 'problem')} in {amount(files, 'file')}{more}."


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
        # What is escaped before the column pushes it to the right.
        before = cell_len(escaped(problem.excerpt[: problem.place.column - 1]))
        lines.append(Text.assemble((f"  {margin} | ", FAINT), " " * before, ("^", BAD), no_wrap=True))
    return lines


def _problem(problem: Problem) -> dict[str, object]:
    return {
        "place": _place(problem.place),
        "resource": problem.address or None,
        "message": problem.message,
        "hint": problem.hint or None,
        "also": _place(problem.also) if problem.also else None,
    }


def _place(place: Place) -> dict[str, object]:
    return {"file": place.file, "line": place.line, "column": place.column, "row": place.row}
