"""
Shell completion of environments, plan files and actions. Completion runs while someone types, so if a
project is invalid, nothing is offered and nothing is printed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click
from click.shell_completion import CompletionItem

PROJECT: Final = "leanplum_sync.cli.project"  # where the value of --project is remembered
_PLANS: Final = "*.lpplan"


def starting(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def environments(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from leanplum_sync.errors import LeanplumSyncError  # noqa: PLC0415 - only needed for completion
    from leanplum_sync.specs import find_project, load_project  # noqa: PLC0415 - as above

    named = ctx.meta.get(PROJECT)
    try:
        project = load_project(Path(named) if named else find_project(Path.cwd()))
    except (LeanplumSyncError, OSError):
        return []
    return starting(project.environments, incomplete)


def plans(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return plan files in the working folder, the folder being typed and .leanplum-sync; any file if there are none."""
    folders = {Path(incomplete).parent, Path(), Path(".leanplum-sync")}
    found = sorted({path.as_posix() for folder in folders for path in folder.glob(_PLANS)})
    return starting(found, incomplete) or [CompletionItem(incomplete, type="file")]


def actions(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from leanplum_sync.wire.catalogue import ACTIONS  # noqa: PLC0415 - as above

    return starting(ACTIONS, incomplete)
