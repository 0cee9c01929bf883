"""Plans and problems in every format. A renderer that is slow to import is imported only if its format is requested."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.outputs import Output, deliver
from leanplum_sync.cli.shell import shortest
from leanplum_sync.errors import SpecError
from leanplum_sync.planfile import PlanFile
from leanplum_sync.planner.plan import REMARK
from leanplum_sync.problem import Place, Problem, Remark
from leanplum_sync.render.markdown.plan import plan_markdown
from leanplum_sync.render.pipelines import problems_annotations, problems_sarif
from leanplum_sync.render.plan import plan_json, plan_text
from leanplum_sync.render.problems import Checked, checked_json, checked_text, problems_markdown
from leanplum_sync.render.values import escaped

all_groups_option = click.option(
    "--all",
    "all_groups",
    is_flag=True,
    help="In text output, show every group of changes, not just the ones that fit the terminal.",
)


def show_plan(
    plan: PlanFile, console: Console, root: Path | None = None, *, all_groups: bool = False
) -> None:
    """*root* is the folder of the project whose specs the plan is about."""
    folder = _in_repository(root) if root else ""
    deliver(
        console,
        None,
        console.progress(),
        text=lambda page: plan_text(plan, page, all_groups=all_groups),
        json=lambda: plan_json(plan),
        markdown=lambda limit: plan_markdown(plan, limit),
        html=lambda: _plan_html(plan),
        junit=lambda: _plan_junit(plan),
        sarif=lambda: problems_sarif(_remarks(plan), folder),
        github=lambda: problems_annotations(_remarks(plan), folder),
    )


def show_problems(
    checked: Checked,
    console: Console,
    root: Path,
    outputs: Sequence[Output] | None = None,
    *,
    document: str = "problems",
    environment: str = "",
) -> None:
    """*root* is the project's folder. *document* names what would have been made without problems."""
    folder = _in_repository(root)
    deliver(
        console,
        outputs,
        text=lambda page: checked_text(checked, page),
        json=lambda: checked_json(checked),
        markdown=lambda limit: problems_markdown(checked, limit, document=document, environment=environment),
        html=lambda: _problems_html(checked),
        junit=lambda: _problems_junit(checked),
        sarif=lambda: problems_sarif(checked, folder),
        github=lambda: problems_annotations(checked, folder),
    )


def checked_of(error: SpecError) -> Checked:
    return Checked(error.problems, error.total, 0, 0, 0, listed_words(error.listed))


def listed_words(file: Path | None) -> str:
    """Return the name of the file that lists all problems, empty if there is none."""
    return str(shortest(file)) if file else ""


def advise(remarks: Iterable[Problem | Remark], console: Console) -> None:
    for remark in remarks:
        console.say(escaped(f"Note: {remark}"))


def _remarks(plan: PlanFile) -> Checked:
    """Return a check that found no problems, with the plan's remarks on specs and data."""
    remarks = [
        Remark(Problem(Place.parse(note.samples[0]), note.sentence, address=note.resource), note.count)
        for note in plan.notes()
        if note.code == REMARK
    ]
    return Checked((), 0, 0, 0, 0, remarks=remarks)


def _in_repository(root: Path) -> str:
    """Return the path of *root* in its git repository, empty if it is the top folder or in no repository."""
    root = root.absolute()
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    found = root.relative_to(top).as_posix()
    return "" if found == "." else found


def _plan_html(plan: PlanFile) -> str:
    from leanplum_sync.render.html.plan import plan_html  # noqa: PLC0415 - see above

    return plan_html(plan)


def _plan_junit(plan: PlanFile) -> str:
    from leanplum_sync.render.junit import plan_junit  # noqa: PLC0415 - see above

    return plan_junit(plan)


def _problems_html(checked: Checked) -> str:
    from leanplum_sync.render.html.pages import problems_html  # noqa: PLC0415 - see above

    return problems_html(checked)


def _problems_junit(checked: Checked) -> str:
    from leanplum_sync.render.junit import problems_junit  # noqa: PLC0415 - see above

    return problems_junit(checked)
