"""Whatever other people write, no rendering lets it do anything: not to a terminal, a page, a comment, a log or a parser."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from document_schemas import check_document, check_sarif
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from sample_plans import HOSTILE
from sample_renderings import ALL_DONE, HELD, LOCK, NO_PROOF, REAL, RUN, SomePlan, cohort
from searching import examples

from leanplum_sync.address import Subject
from leanplum_sync.journal.entry import ExceptionEntry, Fate
from leanplum_sync.operations.drift import Drift, InForce, Moved, Origin
from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.planner.differences import differences
from leanplum_sync.planner.plan import Note, ValuePair
from leanplum_sync.problem import Place, Problem
from leanplum_sync.render.drift import drift_json, drift_markdown, drift_text
from leanplum_sync.render.failure import (
    Failure,
    failure_annotation,
    failure_html,
    failure_json,
    failure_junit,
    failure_markdown,
    failure_sarif,
)
from leanplum_sync.render.html.pages import problems_html, receipt_html, status_html
from leanplum_sync.render.html.plan import plan_html
from leanplum_sync.render.junit import problems_junit, receipt_junit
from leanplum_sync.render.markdown.plan import plan_markdown
from leanplum_sync.render.page import Page
from leanplum_sync.render.pipelines import problems_annotations, problems_sarif
from leanplum_sync.render.plan import plan_json, plan_text
from leanplum_sync.render.plan_diff import PlanDiff, plan_diff_json, plan_diff_markdown, plan_diff_text
from leanplum_sync.render.problems import Checked, checked_json, checked_text, problems_markdown
from leanplum_sync.render.receipt import receipt_document, receipt_markdown, receipt_text
from leanplum_sync.render.status import Status, status_json, status_markdown, status_text
from leanplum_sync.render.values import Mask

LIMIT = 6_000
PAGE = Page(width=100, height=40)
MASK = Mask(frozenset(), b"key")
SPECIAL = "<>&\"'`|\\*_[](){}#@!:%,;/=- \n\r\t\x1b\x07\x00\u202e\u2066\u200f\u2028\ufeff\u0301é北"
words = st.text(max_size=30) | st.text(alphabet=SPECIAL, max_size=40) | st.sampled_from(HOSTILE)


@dataclass(frozen=True)
class PlanOf(SomePlan):
    """A plan whose names, ids and values are all one hostile text."""

    text: str = ""

    def members(self, limit: int) -> Mapping[tuple[str, str, str], Sequence[Change]]:
        (group, *_) = self.cohorts()
        return {(group.resource, group.kind.value, group.field): self.changes()[:limit]}

    def changes(self) -> Sequence[Change]:
        place = Place(self.text, 1)
        return [
            Change(
                Subject.user(self.text),
                self.text,
                ChangeKind.SET,
                self.text,
                self.text,
                [self.text],
                place,
                place,
            )
        ]


def plan_of(text: str) -> PlanOf:
    cohorts = tuple(
        replace(
            cohort(kind, text, text, {text: [text]}, asked_at=text), resource=text, samples=(f"user:{text}",)
        )
        for kind in ChangeKind
    )
    notes = (Note("code", text, f"have {text}", 3, (f"user:{text}",)),)
    target = replace(REAL, environment=text, host=text, app_id=text)
    return PlanOf(target=target, notes_=notes, cohorts_=cohorts, text=text)


def problems_of(text: str) -> Checked:
    return Checked([Problem(Place(text or "x", 3, 5), text, text, text, text, Place(text, 1))], 2, 0, 0, 0)


def renderings(text: str) -> Mapping[str, Sequence[Callable[[], str]]]:
    plan, checked = plan_of(text), problems_of(text)
    target = plan.header.target
    entry = ExceptionEntry(7, 1, 3, Subject.user(text), Fate.REJECTED, text)
    receipt = replace(ALL_DONE, actions={Fate.REJECTED: 12}, exceptions=(entry,), exceptions_total=40)
    differing = replace(NO_PROOF.differing[0], subject=Subject.user(text), fields=(text,))
    verified = replace(NO_PROOF, differing=(differing,))
    held = replace(HELD, key=replace(HELD.key, resource=text, name=text, subject=Subject.user(text)))
    status = Status(
        text, 1.8e9, (replace(LOCK, environment=text, host=text),), (replace(RUN, environment=text),), (held,)
    )
    diff = PlanDiff(plan, replace(plan, text="other"), differences(plan.changes(), ()))
    values = (ValuePair(text, [text], 3),)
    moved = tuple(
        Moved(origin, text, ChangeKind.SET, text, 4, (f"user:{text}",), values, 1) for origin in Origin
    )
    drift = Drift(9, 5, 1, 1, 9, (1.8e9, 1.8e9), (InForce(text, None, changed=True),), moved)
    failed = Failure("plan", 9, text or "x", {"sends": 2}, text)
    return {
        "text": [
            lambda: plan_text(plan, PAGE),
            lambda: receipt_text(receipt, target, verified, PAGE),
            lambda: checked_text(checked, PAGE),
            lambda: status_text(status, PAGE),
            lambda: plan_diff_text(diff, PAGE),
            lambda: drift_text(drift, target, MASK, PAGE),
        ],
        "json": [
            lambda: plan_json(plan),
            lambda: receipt_document(receipt, target, verified, [text]),
            lambda: checked_json(checked),
            lambda: status_json(status),
            lambda: plan_diff_json(diff),
            lambda: drift_json(drift, target, MASK),
            lambda: failure_json(failed),
        ],
        "markdown": [
            lambda: plan_markdown(plan, LIMIT),
            lambda: receipt_markdown(receipt, target, verified, [text], LIMIT),
            lambda: problems_markdown(checked, LIMIT, environment=text),
            lambda: status_markdown(status, LIMIT),
            lambda: plan_diff_markdown(diff, LIMIT),
            lambda: drift_markdown(drift, target, MASK, LIMIT),
            lambda: failure_markdown(failed, LIMIT),
        ],
        "html": [
            lambda: plan_html(plan),
            lambda: receipt_html(receipt, target, verified, [text]),
            lambda: problems_html(checked),
            lambda: status_html(status),
            lambda: failure_html(failed),
        ],
        "junit": [
            lambda: problems_junit(checked),
            lambda: receipt_junit(receipt, target, verified),
            lambda: failure_junit(failed),
        ],
        "sarif": [lambda: problems_sarif(checked, ""), lambda: failure_sarif(failed)],
        "github": [lambda: problems_annotations(checked, ""), lambda: failure_annotation(failed)],
    }


def is_calm(text: str) -> bool:
    """Nothing in it moves a cursor, hides, or turns a line around; only line ends and what stands in lines."""
    hidden = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"}
    return all(character == "\n" or unicodedata.category(character) not in hidden for character in text)


class Elements(HTMLParser):
    """Counts elements and their attributes that could do something."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


@settings(max_examples=examples(12))
@given(words)
@example(":")
def test_in_text_nothing_moves_the_cursor_or_gives_the_runner_a_command(text: str) -> None:
    for make in renderings(text)["text"]:
        made = make()
        assert is_calm(made)
        assert not any(line.lstrip().startswith(("::", "##[")) for line in made.splitlines())


@settings(max_examples=examples(12))
@given(words)
def test_json_is_ascii_and_keeps_to_its_schema(text: str) -> None:
    for make in renderings(text)["json"]:
        made = make()
        assert made.isascii()
        assert is_calm(made)
        check_document(made)


@settings(max_examples=examples(12))
@given(words)
def test_markdown_fits_and_holds_no_html_link_or_image_of_anybody_else(text: str) -> None:
    render = MarkdownIt("commonmark").enable("table").render
    for make in renderings(text)["markdown"]:
        made = make()
        assert is_calm(made)
        assert len(made.encode()) <= LIMIT
        assert made.startswith("<!-- leanplum-sync ")
        page = Elements(render(made))
        assert not {"a", "img", "script", "iframe", "svg", "style", "form"} & set(page.tags)
        assert page.attributes <= {"style"}  # of a table's cells, which Markdown sets


@settings(max_examples=examples(12))
@given(words)
def test_a_page_has_the_same_elements_whatever_the_values(text: str) -> None:
    for make, calm in zip(renderings(text)["html"], renderings("calm")["html"], strict=True):
        made, expected = Elements(make()), Elements(calm())
        assert set(made.tags) <= set(expected.tags)
        assert made.tags.count("script") == expected.tags.count("script")
        assert not any(name.startswith("on") for name in made.attributes)
        assert made.attributes <= expected.attributes


@settings(max_examples=examples(12))
@given(words)
def test_what_machines_read_is_read_as_what_it_is(text: str) -> None:
    found = renderings(text)
    for make in found["junit"]:
        assert ET.fromstring(make()).tag == "testsuites"
    problems, failed = (check_sarif(make()) for make in found["sarif"])
    assert len(problems["results"]) == 1
    assert not failed["invocations"][0]["executionSuccessful"]
    commands = [[line[:8] for line in make().split("\n")] for make in found["github"]]
    assert commands == [["::error ", "::error:", ""], ["::error ", ""]]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:20]))
def test_hundred_kilobytes_of_anything_make_no_long_document_for_people(text: str) -> None:
    found = renderings(text)
    for name in ("text", "markdown"):
        # Problems off a terminal are whole sentences, for grep; they quote no data, and specs have short lines.
        for make in [each for number, each in enumerate(found[name]) if (name, number) != ("text", 2)]:
            assert len(make()) < 50_000, name
