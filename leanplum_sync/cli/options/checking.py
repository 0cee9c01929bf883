"""``--memory`` and ``--problems``, of commands that check all specs and data."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from leanplum_sync.cli.output.outputs import Decorated
from leanplum_sync.operations.problem_list import ListingFile
from leanplum_sync.problem import SHOWN
from leanplum_sync.project.settings import STATE_FOLDER
from leanplum_sync.staging import LEAST_MEMORY_MB

_SIZE: Final = re.compile(r"(\d+) ?(MB|GB)", re.IGNORECASE)
_MEGABYTES: Final = {"MB": 1, "GB": 1000}


class SizeType(click.ParamType[int]):
    """``512MB`` or ``2GB``, as megabytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} is not a size, such as 512MB or 2GB.", param, ctx)
        size = int(match[1]) * _MEGABYTES[match[2].upper()]
        if size < LEAST_MEMORY_MB:
            self.fail(f"{value!r} is too little: at least {LEAST_MEMORY_MB}MB is needed.", param, ctx)
        return size


def memory_option(default_mb: int) -> Callable[[Decorated], Decorated]:
    return click.option(
        "--memory",
        type=SizeType(),
        default=default_mb,
        metavar="SIZE",
        help=f"Memory for tables of rows and users, such as 512MB or 2GB; larger tables spill to disk. The program itself needs about 100MB on top. With more memory, it can use more cores. Default: {default_mb}MB.",
    )


problems_option: Final = click.option(
    "--problems",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write all problems to FILE, one JSON object per line. Default: .leanplum-sync/problems.ndjson, if there are more"
    f" than the {SHOWN} shown.",
)


def listing_file(root: Path, asked_for: Path | None = None) -> ListingFile:
    """*root* is the project's folder."""
    if asked_for is not None:
        return ListingFile(asked_for, is_asked_for=True)
    return ListingFile(root / STATE_FOLDER / "problems.ndjson")
