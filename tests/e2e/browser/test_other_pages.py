"""The pages of problems, receipts and the journal: still, and fit to be read by anybody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from sample_renderings import HELD, LOCK, NO_PROOF, REAL, RUN, SOME_DONE

from leanplum_sync.problem import Place, Problem
from leanplum_sync.render.html.pages import problems_html, receipt_html, status_html
from leanplum_sync.render.problems import Checked
from leanplum_sync.render.status import Status

PROBLEM = Problem(
    Place("specs/a.yaml", 12, 5),
    "unknown key `typ`",
    "Did you mean type?",
    "a/b",
    "    typ: " + "x" * 300,
)
PAGES = {
    "problems": problems_html(Checked([PROBLEM], 1, 0, 0, 0)),
    "valid": problems_html(Checked([], 0, 2, 10, 9)),
    "receipt": receipt_html(
        SOME_DONE, REAL, NO_PROOF, ["To continue with the rest: leanplum-sync apply a.lpplan --resume"]
    ),
    "status": status_html(Status("The journal journal.db", 1.8e9, (LOCK,), (RUN,), (HELD,))),
}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_and_the_page_is_no_wider_than_a_telephone(
    name: str, dark: bool, tmp_path: Path, opened: Callable[..., Page]
) -> None:
    path = tmp_path / f"{name}.html"
    path.write_text(PAGES[name])
    page = opened(path, width=380, dark=dark)
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
