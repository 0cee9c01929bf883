"""Asks the app for what specs expect of it: before planning, and again before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from leanplum_sync.client.reader import Reader
from leanplum_sync.errors import StalePlanError
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.expectation import ExpectedCategory, ExpectedMessage
from leanplum_sync.kinds.registry import KINDS
from leanplum_sync.planfile import PlanFile
from leanplum_sync.planner.expectations import Facts, unmet
from leanplum_sync.problem import Problem
from leanplum_sync.project.model import FILE_NAME
from leanplum_sync.specs import load


def unmet_in_app(resources: Sequence[Resource], reader: Reader) -> tuple[Problem, ...]:
    """
    Return a problem for each expectation of *resources* that the app doesn't meet. Asks only for what they expect.

    Audiences are not counted here: that takes a job of a small daily quota, which can run for hours, and the data export key. So only
    ``plan`` counts them, with the audiences that give rows. What ``apply`` changes doesn't depend on their size by then.

    Raises:
        ApiError, CredentialError: the app can't be asked.
    """
    expected = [each for resource in resources for each in resource.expectations]
    messages = reader.messages() if any(isinstance(each, ExpectedMessage) for each in expected) else None
    categories = reader.categories() if any(isinstance(each, ExpectedCategory) for each in expected) else None
    return unmet(resources, Facts(messages=messages, categories=categories))


def check_still_met(plan: PlanFile, root: Path, reader: Reader) -> None:
    """
    Check the expectations of the specs that *plan* was made from, whose files are as they were.

    Raises:
        StalePlanError: the app doesn't meet one any more.
        ApiError, CredentialError: the app can't be asked.
    """
    planned = plan.resources()
    if all(KINDS[name.partition("/")[0]].writes for name in planned if name.partition("/")[0] in KINDS):
        return
    resources = [each for each in load(root / FILE_NAME).resources if str(each.address) in planned]
    if problems := unmet_in_app(resources, reader):
        raise StalePlanError(
            "The app is no longer as the specs expect, so nothing was sent. "
            + " ".join(str(problem) for problem in problems)
        )
