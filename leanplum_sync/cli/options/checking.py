"""Options of the commands that read specs, data files and users."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from leanplum_sync.cli.command import Decorated
from leanplum_sync.cli.options.basic import Parsed
from leanplum_sync.cli.options.written import PROBLEMS, written_option
from leanplum_sync.clock import SystemClock
from leanplum_sync.operations.problem_list import ListingFile
from leanplum_sync.operations.read_rows import Reading, ReadsAudiences
from leanplum_sync.planner.parts import SHARDS, Part
from leanplum_sync.problem import SHOWN
from leanplum_sync.progress import Progress
from leanplum_sync.project.model import Observe
from leanplum_sync.project.settings import STATE_FOLDER
from leanplum_sync.staging import LEAST_MEMORY_MB

LIVE: Final = "live"
_SIZE: Final = re.compile(r"(\d+) ?(MB|GB)", re.IGNORECASE)
_MEGABYTES: Final = {"MB": 1, "GB": 1000}

observed_option: Final = click.option(
    "--observed",
    default=LIVE,
    metavar="live|FILE",
    help="Read users live from the app, or from a snapshot FILE written by pull. Default: live.",
)
plan_observed_option: Final = click.option(
    "--observed",
    metavar="live|journal|export|FILE",
    help="Read all users live from the app; with journal, only users who would change, or whom the baseline doesn't know; with export, only users who would change, or whom an export doesn't show exactly; or from a snapshot FILE written by pull. Default: the project's observe, or live.",
)
problems_option: Final = written_option(
    "--problems",
    written=PROBLEMS,
    help="Write all problems to FILE, one JSON object per line. Default: .leanplum-sync/problems.ndjson, if there are more"
    f" than the {SHOWN} shown.",
)
parts_option: Final = click.option(
    "--parts",
    type=click.IntRange(1, SHARDS),
    default=1,
    metavar="M",
    help="Split the plan into M parts, so that M processes can apply one part each with --shard N/M. Adds up to M requests per kind of batch. Default: 1.",
)


def observed_as(given: str | None) -> Path | Observe | None:
    """Return what ``--observed`` of plan says: a snapshot, or a way to observe; None if it is not given."""
    if given is None:
        return None
    return Observe(given) if given in set(Observe) else Path(given)


def shard_option(what: str) -> Callable[[Decorated], Decorated]:
    return click.option("--shard", type=Parsed("shard", Part.parse), metavar="N/M", help=what)


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"{text!r} is not NAME=VALUE, such as since=2026-11-01")
    return name, value


set_option: Final = click.option(
    "--set",
    "given",
    type=Parsed("parameter", _parameter),
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a parameter of queries, instead of its value in the spec; may be repeated. Default: the values in the specs.",
)


def reading_of(
    given: tuple[tuple[str, str], ...], progress: Progress, audiences: ReadsAudiences | None = None
) -> Reading:
    return Reading(os.environ, SystemClock(), progress, dict(given), audiences=audiences)


def _megabytes(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size, such as 512MB or 2GB")
    size = int(match[1]) * _MEGABYTES[match[2].upper()]
    if size < LEAST_MEMORY_MB:
        raise ValueError(f"{text!r} is too little: at least {LEAST_MEMORY_MB}MB is needed")
    return size


def memory_option(default_mb: int) -> Callable[[Decorated], Decorated]:
    return click.option(
        "--memory",
        type=Parsed("size", _megabytes),
        default=default_mb,
        metavar="SIZE",
        help=f"Memory for tables of rows and users, such as 512MB or 2GB; larger tables spill to disk. The program itself needs about 100MB more. With more memory, it can use more cores. Default: {default_mb}MB.",
    )


def listing_file(root: Path, asked_for: Path | None = None) -> ListingFile:
    """*root* is the project's folder."""
    if asked_for is not None:
        return ListingFile(asked_for, is_asked_for=True)
    return ListingFile(root / STATE_FOLDER / "problems.ndjson")
