"""Problems in every format. A renderer is imported only if its format is requested."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.outputs import Output, deliver
from leanplum_sync.cli.shell import shortest
from leanplum_sync.errors import SpecError
from leanplum_sync.render.problems import Checked, checked_json, checked_text


def show_problems(
    checked: Checked,
    console: Console,
    outputs: Sequence[Output],
    root: Path,
    *,
    document: str = "problems",
    environment: str = "",
) -> None:
    """*root* is the project's folder. *document* names what would have been made without problems."""
    folder = in_repository(root)
    deliver(
        console,
        outputs,
        text=lambda page: checked_text(checked, page),
        json=lambda: checked_json(checked),
        markdown=lambda limit: _markdown(checked, limit, document, environment),
        html=lambda: _html(checked),
        sarif=lambda: _sarif(checked, folder),
        github=lambda: _annotations(checked, folder),
        junit=lambda: _junit(checked),
    )


def checked_of(error: SpecError) -> Checked:
    """Return the problems of *error* as the result of a check."""
    return Checked(error.problems, error.total, 0, 0, 0, listed_words(error.listed))


def _markdown(checked: Checked, limit: int, document: str, environment: str) -> str:
    from leanplum_sync.render.markdown import problems_markdown  # noqa: PLC0415 - see above

    return problems_markdown(checked, limit, document=document, environment=environment)


def _html(checked: Checked) -> str:
    from leanplum_sync.render.html import problems_html  # noqa: PLC0415 - see above

    return problems_html(checked)


def _sarif(checked: Checked, folder: str) -> str:
    from leanplum_sync.render.pipelines import problems_sarif  # noqa: PLC0415 - see above

    return problems_sarif(checked, folder)


def _annotations(checked: Checked, folder: str) -> str:
    from leanplum_sync.render.pipelines import problems_annotations  # noqa: PLC0415 - see above

    return problems_annotations(checked, folder)


def _junit(checked: Checked) -> str:
    from leanplum_sync.render.junit import problems_junit  # noqa: PLC0415 - see above

    return problems_junit(checked)


def listed_words(file: Path | None) -> str:
    """Return the name of the file that lists all problems, empty if there is none."""
    return str(shortest(file)) if file else ""


def in_repository(root: Path) -> str:
    """Return the path of *root* in its git repository, empty if it is the top folder or in no repository."""
    root = root.absolute()
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    found = root.relative_to(top).as_posix()
    return "" if found == "." else found
