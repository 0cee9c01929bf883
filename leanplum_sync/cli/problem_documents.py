"""Problems in every format there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from leanplum_sync.cli.console import Console
from leanplum_sync.cli.outputs import Output, deliver
from leanplum_sync.cli.shell import shortest
from leanplum_sync.render.html import problems_html
from leanplum_sync.render.junit import problems_junit
from leanplum_sync.render.markdown import problems_markdown
from leanplum_sync.render.page import Page
from leanplum_sync.render.pipelines import problems_annotations, problems_sarif
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
    """*root* is the project's folder. *document* is what should have been made, had there been no problems."""

    def text(page: Page) -> str:
        return checked_text(checked, page)

    folder = in_repository(root)
    formats: dict[str, Callable[[], str]] = {
        "html": lambda: problems_html(checked),
        "sarif": lambda: problems_sarif(checked, folder),
        "github": lambda: problems_annotations(checked, folder),
        "junit": lambda: problems_junit(checked),
    }
    deliver(
        console,
        outputs,
        text=text,
        json=lambda: checked_json(checked),
        markdown=lambda limit: problems_markdown(checked, limit, document=document, environment=environment),
        **formats,
    )


def listed_words(file: Path | None) -> str:
    """Return the name of the file that lists all problems, empty if there is none."""
    return str(shortest(file)) if file else ""


def in_repository(root: Path) -> str:
    """Return where *root* is in its git repository, empty where it is the top of it, or in none."""
    root = root.absolute()
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    found = root.relative_to(top).as_posix()
    return "" if found == "." else found
