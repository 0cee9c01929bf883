"""Sends are grouped by what they carry, in a real plan file."""

from __future__ import annotations

from pathlib import Path

from sample_plans import write_plan

from leanplum_sync.planner.plan import Shape
from leanplum_sync.render.html.plan import plan_html
from leanplum_sync.render.markdown.plan import plan_markdown


def test_what_sends_carry_is_named_without_anybody_s_values(tmp_path: Path) -> None:
    with write_plan(tmp_path / "plan", 1000) as plan:
        sends = plan.cohorts()[0]
        assert sends.shapes == (Shape(("first_name", "order"), sends.users),)
        assert "`with first_name and order`" in plan_markdown(plan, 59_000)
        assert "<code>with first_name and order</code>" in plan_html(plan)
