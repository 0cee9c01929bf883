"""Markdown holds what other people wrote, and none of it is Markdown; it fits, and is never cut inside of a line."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from leanplum_sync.render.markdown.writing import Rows, code, fitted, marker, prose, row, table
from leanplum_sync.render.values import escaped

RENDER = MarkdownIt("commonmark").enable("table").render
SPECIAL = st.text(alphabet="`|\\<>&*_[]()!#@~$:-+=. \n\taé\u202e\x1b\u0301", max_size=30)
texts = st.text(max_size=30) | SPECIAL


class Seen(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(texts)
def test_a_value_as_code_in_a_table_is_shown_as_it_is_and_is_nothing_but_code(text: str) -> None:
    html = Seen(RENDER(f"{table('a', 'b')}\n{row(code(text), 'end')}\n"))
    assert set(html.tags) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert html.tags.count("td") == 2
    shown = html.text.replace("\n", "").removeprefix("ab").removesuffix("end")
    assert shown.strip() == escaped(text).strip() or not escaped(text).strip()


@given(texts)
def test_prose_is_text_and_nothing_else(text: str) -> None:
    html = Seen(RENDER(f"It says {prose(text)}."))
    assert html.tags == ["p"]
    assert html.text == f"It says {escaped(text)}.\n"


def test_nobody_is_mentioned_and_nothing_is_linked() -> None:
    assert (
        code("@all #12 www.example.com") == "`@all #12 www.example.com`"
    )  # code has no mentions and no links
    assert prose("@all") == "&#64;<!-- -->all"
    assert prose("#12 www.example.com http://x") == "&#35;<!-- -->12 www&#46;example.com http&#58;//x"


def test_a_marker_is_one_hidden_line_whatever_the_names() -> None:
    assert marker("plan", "production", "app_1") == "<!-- leanplum-sync plan production app_1 -->"
    assert marker("plan", "--> <script>", "") == "<!-- leanplum-sync plan script -->"
    assert len(marker("plan", "x" * 1000)) < 100


LINES = st.lists(st.text("abcé", max_size=20), max_size=40)


@given(LINES, LINES, st.integers(200, 2000))
def test_a_document_fits_and_only_whole_lines_are_left_out_and_counted(
    first: list[str], second: list[str], limit: int
) -> None:
    def block(name: str, lines: list[str]) -> Rows:
        return Rows(f"{name}:", [f"- {line}!" for line in lines], "line", name)

    text = fitted(["head", block("A", first), block("B", second), "foot"], limit)
    assert len(text.encode()) <= limit
    assert text.startswith("head\n")
    assert text.endswith("foot\n")
    for name, lines in (("A", first), ("B", second)):
        left_out = [
            int(line.split()[0].lstrip("_"))
            for line in text.splitlines()
            if line.endswith(f"omitted here: {name}._")
        ]
        kept = len(lines) - sum(left_out)
        assert left_out in ([], [len(lines) - kept])
        assert "\n".join(f"- {line}!" for line in lines[:kept]) in text


def test_what_is_left_out_comes_from_the_end() -> None:
    parts = [Rows(name, ["x" * 80] * 10, "line", "elsewhere") for name in ("first", "second")]
    text = fitted(parts, 1000)
    assert text.count("x" * 80) == 11
    assert text.endswith("second\n" + "x" * 80 + "\n\n_9 lines omitted here: elsewhere._\n")


@pytest.mark.parametrize("text", ["a`b", "a|b", "``", "|"])
def test_what_ends_code_or_a_cell_is_written_as_entities(text: str) -> None:
    assert "|" not in code(text)
    assert "`" not in code(text)
