"""Errors as people read them, without values of users."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import assert_never

import click

import leanplum_sync
from leanplum_sync.cli.context import PREFIX
from leanplum_sync.errors import (
    ExpiredPlanError,
    HazardNotAllowedError,
    LeanplumSyncError,
    PlanMismatchError,
    SpecError,
)


def sentence_of(error: BaseException) -> str:
    match error:
        case click.Abort() | KeyboardInterrupt() | SystemExit():
            return "Interrupted."
        case SpecError():
            return _problems(error)
        case click.ClickException():
            return f"Error: {_escaped(error.format_message())}"
        case PlanMismatchError() | ExpiredPlanError() | HazardNotAllowedError():
            return f"Error: {_escaped(_refusal(error))}"
        case LeanplumSyncError():
            return f"Error: {_escaped(str(error))}"
        case OSError():
            file = f"{error.filename}: " if error.filename else ""
            return f"Error: {_escaped(file)}{error.strerror or type(error).__name__}."
        case _:
            # Message and traceback may hold values of users.
            return f"Error: unexpected {type(error).__name__} in {_origin(error)}. This is a bug in leanplum-sync: please report it. {PREFIX}_DEBUG=1 shows the traceback, which may contain users' values."


def _escaped(text: str) -> str:
    """File names, arguments and API responses may hold terminal control codes."""
    from leanplum_sync.render.values import escaped  # noqa: PLC0415 - imports rich, which --help does not need

    return escaped(text)


def _refusal(error: PlanMismatchError | ExpiredPlanError | HazardNotAllowedError) -> str:
    from leanplum_sync.cli.shell import quoted  # noqa: PLC0415 - needed here only
    from leanplum_sync.render import refusal  # noqa: PLC0415 - as above

    match error:
        case PlanMismatchError():
            return refusal.mismatch_sentence(error)
        case ExpiredPlanError():
            return refusal.expired_sentence(error, quoted)
        case HazardNotAllowedError():
            return refusal.consent_sentence(error)
        case _:
            assert_never(error)


def _problems(error: SpecError) -> str:
    from leanplum_sync.cli.shell import shortest  # noqa: PLC0415 - needed here only
    from leanplum_sync.render.page import Page  # noqa: PLC0415 - as above
    from leanplum_sync.render.problems import problems_text  # noqa: PLC0415 - as above

    listed = str(shortest(error.listed)) if error.listed else ""
    return problems_text(error.problems, error.total, Page(), listed).rstrip()


def _origin(error: BaseException) -> str:
    """Return the innermost place in this package, such as ``planner/subject.py:12``."""
    package = Path(leanplum_sync.__file__).parent
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(package)
    ]
    if not frames:
        return "an unknown place"
    return f"{Path(frames[-1].filename).relative_to(package).as_posix()}:{frames[-1].lineno}"
