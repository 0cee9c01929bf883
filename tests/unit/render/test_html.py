"""Pages, as a parser of HTML sees them."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from sample_renderings import cohort

from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.render.html.chart import FAMILIES, chart, family


class Bars(HTMLParser):
    """Collects the parts of each bar, and fails where an element is not closed before its parent."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.bars: list[list[tuple[str, float, float]]] = []
        self.legend: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "svg":
            self.bars.append([])
        if tag == "rect":
            assert self.open[-1] == "svg"
            start, width = (float(found[name].removesuffix("%")) for name in ("x", "width"))
            self.bars[-1].append((found["class"], start, width))
        if "swatch" in found.get("class", ""):
            self.legend.append(found["class"].removeprefix("swatch "))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_parts_of_a_bar_are_siblings_that_add_up_and_each_color_of_the_legend_is_drawn() -> None:
    kinds = (ChangeKind.SET, ChangeKind.REMOVE, ChangeKind.ADD)
    cohorts = [
        replace(cohort(kind, "tier"), users=count) for kind, count in zip(kinds, (5, 1, 4), strict=True)
    ]
    found = Bars(chart([*cohorts, replace(cohort(ChangeKind.SET, "level"), users=5)]).source)
    assert not found.open
    tier, level = found.bars
    assert [sum(width for _, _, width in bar) for bar in (tier, level)] == [100, 50]
    assert [start for _, start, _ in tier] == [0, 10, 60]
    assert {name for name, _, _ in tier} == {family(kind) for kind in kinds} == set(found.legend)


def test_parts_too_thin_to_be_seen_are_widened_within_the_bar() -> None:
    kinds = {ChangeKind.SET: 100_000, ChangeKind.REMOVE: 1, ChangeKind.ADD: 1}
    cohorts = [replace(cohort(kind, "tier"), users=count) for kind, count in kinds.items()]
    [bar] = Bars(chart(cohorts).source).bars
    assert sorted(width for _, _, width in bar) == [0.4, 0.4, 99.2]


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_has_its_color_in_light_dark_and_print(name: str) -> None:
    sheet = (files("leanplum_sync.render.html") / "page.css").read_text()
    assert len(re.findall(rf"--{name}: #[0-9a-f]{{6}};", sheet)) == 3
    assert f"rect.{name} {{ fill: var(--{name}); }}" in sheet
    assert f".swatch.{name} {{ background: var(--{name}); }}" in sheet
