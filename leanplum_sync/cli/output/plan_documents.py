"""A plan in every format. A renderer is imported only if its format is requested."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.outputs import Output, deliver
from leanplum_sync.cli.output.problem_documents import in_repository
from leanplum_sync.planfile import PlanFile
from leanplum_sync.planner.plan import REMARK
from leanplum_sync.problem import Place, Problem, Remark
from leanplum_sync.render.plan import plan_json, plan_text
from leanplum_sync.render.problems import Checked

all_groups_option = click.option(
    "--all",
    "all_groups",
    is_flag=True,
    help="In text output, show every group of changes, not just the ones that fit the terminal.",
)


def show_plan(
    plan: PlanFile,
    console: Console,
    outputs: Sequence[Output],
    root: Path | None = None,
    *,
    all_groups: bool = False,
) -> None:
    """*root* is the folder of the project whose specs the plan is about."""
    folder = in_repository(root) if root else ""
    deliver(
        console,
        outputs,
        console.progress(),
        text=lambda page: plan_text(plan, page, all_groups=all_groups),
        json=lambda: plan_json(plan),
        markdown=lambda limit: _markdown(plan, limit),
        html=lambda: _html(plan),
        sarif=lambda: _sarif(plan, folder),
        github=lambda: _annotations(plan, folder),
        junit=lambda: _junit(plan),
    )


def _markdown(plan: PlanFile, limit: int) -> str:
    from leanplum_sync.render.markdown import plan_markdown  # noqa: PLC0415 - see above

    return plan_markdown(plan, limit)


def _html(plan: PlanFile) -> str:
    from leanplum_sync.render.html import plan_html  # noqa: PLC0415 - see above

    return plan_html(plan)


def _sarif(plan: PlanFile, folder: str) -> str:
    from leanplum_sync.render.pipelines import problems_sarif  # noqa: PLC0415 - see above

    return problems_sarif(_remarks(plan), folder)


def _annotations(plan: PlanFile, folder: str) -> str:
    from leanplum_sync.render.pipelines import problems_annotations  # noqa: PLC0415 - see above

    return problems_annotations(_remarks(plan), folder)


def _remarks(plan: PlanFile) -> Checked:
    """Return a check that found no problems, with the plan's remarks on specs and data."""
    remarks = [
        Remark(Problem(Place.parse(note.samples[0]), note.sentence, address=note.resource), note.count)
        for note in plan.notes()
        if note.code == REMARK
    ]
    return Checked((), 0, 0, 0, 0, remarks=remarks)


def _junit(plan: PlanFile) -> str:
    from leanplum_sync.render.junit import plan_junit  # noqa: PLC0415 - see above

    return plan_junit(plan)
