"""A plan in every format. A renderer is imported only if its format is requested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.outputs import Output, deliver
from leanplum_sync.planfile import PlanFile
from leanplum_sync.render.plan import plan_json, plan_text
from leanplum_sync.render.problems import Checked

_NO_PROBLEMS: Final = Checked((), 0, 0, 0, 0)


def show_plan(plan: PlanFile, console: Console, outputs: Sequence[Output]) -> None:
    deliver(
        console,
        outputs,
        console.progress(),
        text=lambda page: plan_text(plan, page),
        json=lambda: plan_json(plan),
        markdown=lambda limit: _markdown(plan, limit),
        html=lambda: _html(plan),
        sarif=_sarif,
        github=lambda: "",
        junit=lambda: _junit(plan),
    )


def _markdown(plan: PlanFile, limit: int) -> str:
    from leanplum_sync.render.markdown import plan_markdown  # noqa: PLC0415 - see above

    return plan_markdown(plan, limit)


def _html(plan: PlanFile) -> str:
    from leanplum_sync.render.html import plan_html  # noqa: PLC0415 - see above

    return plan_html(plan)


def _sarif() -> str:
    from leanplum_sync.render.pipelines import problems_sarif  # noqa: PLC0415 - see above

    return problems_sarif(_NO_PROBLEMS, "")


def _junit(plan: PlanFile) -> str:
    from leanplum_sync.render.junit import plan_junit  # noqa: PLC0415 - see above

    return plan_junit(plan)
