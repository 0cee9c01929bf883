"""A plan in every format there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from leanplum_sync.cli.console import Console
from leanplum_sync.cli.outputs import Output, deliver
from leanplum_sync.planfile import PlanFile
from leanplum_sync.render.html import plan_html
from leanplum_sync.render.junit import plan_junit
from leanplum_sync.render.markdown import plan_markdown
from leanplum_sync.render.pipelines import problems_sarif
from leanplum_sync.render.plan import plan_json, plan_text
from leanplum_sync.render.problems import Checked

_NO_PROBLEMS: Final = Checked((), 0, 0, 0, 0)


def show_plan(plan: PlanFile, console: Console, outputs: Sequence[Output]) -> None:
    deliver(
        console,
        outputs,
        text=lambda page: plan_text(plan, page),
        json=lambda: plan_json(plan),
        markdown=lambda limit: plan_markdown(plan, limit),
        html=lambda: plan_html(plan),
        sarif=lambda: problems_sarif(_NO_PROBLEMS, ""),
        github=lambda: "",
        junit=lambda: plan_junit(plan),
    )
