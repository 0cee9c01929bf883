"""Problems in specs and data files, as a comment on a pull request."""

from __future__ import annotations

from typing import Final

from leanplum_sync.problem import SHOWN, Problem
from leanplum_sync.render.markdown.writing import Rows, code, fitted, marker, prose
from leanplum_sync.render.problems import Checked, found_words, headline
from leanplum_sync.render.values import cut, escaped
from leanplum_sync.render.words import amount

_LONGEST: Final = 600  # cells of a sentence
_EXCERPT: Final = 160


def problems_markdown(
    checked: Checked, limit: int, *, document: str = "problems", environment: str = ""
) -> str:
    """*document* names the comment to replace: problems take the place of the plan that could not be made."""
    mark = marker(document, environment)
    if not checked.total:
        return fitted([mark, f"### Valid\n\n{prose(found_words(checked))}", *_remarks(checked)], limit)
    nothing = [] if document == "problems" else ["No plan was made."]
    shown = checked.problems[:SHOWN]
    problems = Rows("", list(map(_problem, shown)), _left_out)
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
    lines = [_problem(remark.problem) for remark in checked.remarks]
    return [Rows("**Remarks**\n", lines, _left_out)] if lines else []


def _problem(problem: Problem) -> str:
    place = code(cut(escaped(str(problem.place)), _EXCERPT))
    sentence = prose(cut(escaped(str(problem).removeprefix(str(problem.place)).lstrip(": ")), _LONGEST))
    source = problem.excerpt.strip()
    excerpt = f"<br>{code(cut(escaped(source), _EXCERPT))}" if source else ""
    return f"- {place} {sentence}{excerpt}"


def _left_out(count: int) -> str:
    return f"_{amount(count, 'problem')} omitted here: `leanplum-sync validate` lists all of them._"
