"""How long the documents of a large plan get: a page that opens, a comment that is accepted."""

from __future__ import annotations

from pathlib import Path

from ratios import IS_QUICK, report
from sample_plans import write_plan

from leanplum_sync.render.html.plan import plan_html
from leanplum_sync.render.markdown.plan import plan_markdown
from leanplum_sync.render.page import Page
from leanplum_sync.render.plan import plan_text

CHANGES = 40_000 if IS_QUICK else 1_000_000
COMMENT_BYTES = 60_000
PAGE_BYTES_TARGET = 5_000_000


def test_a_million_changes_make_documents_that_people_can_open(tmp_path: Path) -> None:
    with write_plan(tmp_path / "many.lpplan", CHANGES) as plan:
        page, comment = len(plan_html(plan).encode()), len(plan_markdown(plan, 59_000).encode())
        height = plan_text(plan, Page()).count("\n")
    report(
        f"The page of {CHANGES:,} changes, in MB",
        page / 1e6,
        f"at most {PAGE_BYTES_TARGET / 1e6:g}",
        detail=f"the comment has {comment:,} bytes, the text {height} lines",
    )
    assert page <= PAGE_BYTES_TARGET
    assert comment < COMMENT_BYTES
    assert height < 60
