"""Problems in specs and data files, as a page."""

from __future__ import annotations

from collections.abc import Sequence

from leanplum_sync.problem import Problem, Remark
from leanplum_sync.render.html.parts import code, main, masthead, section
from leanplum_sync.render.html.writing import NOTHING, Html, page, tag
from leanplum_sync.render.problems import Checked, found_words, headline


def problems_html(checked: Checked) -> str:
    if not checked.total:
        return page(
            "Valid",
            main(masthead("Validation", None, "Valid", found_words(checked)), _remarks(checked.remarks)),
        )
    head = headline(checked.problems, checked.total, checked.listed)
    listed = tag("ol", *map(_problem, checked.problems), class_="problems")
    return page(
        head, main(masthead("Validation", None, head), section("Problems", listed), _remarks(checked.remarks))
    )


def _remarks(remarks: Sequence[Remark]) -> Html:
    listed = tag("ul", *(_problem(remark.problem) for remark in remarks), class_="problems")
    return section("Remarks", listed) if remarks else NOTHING


def _problem(problem: Problem) -> Html:
    sentence = str(problem).removeprefix(str(problem.place)).lstrip(": ")
    source = problem.excerpt.strip()
    return tag(
        "li",
        code(str(problem.place)),
        tag("p", sentence),
        tag("pre", tag("code", source), tabindex="0") if source else NOTHING,
    )
