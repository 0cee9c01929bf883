"""From specs to a plan file: check what is written, observe what is live, decide, pack."""

from leanplum_sync.planning.check import Findings, check
from leanplum_sync.planning.explain import Explained, Explanation, explain
from leanplum_sync.planning.make import (
    Live,
    MadePlan,
    PlanRequest,
    ReadsLiveState,
    Recorded,
    make_plan,
)
from leanplum_sync.planning.problem_list import ListingFile

__all__ = [
    "Explained",
    "Explanation",
    "Findings",
    "ListingFile",
    "Live",
    "MadePlan",
    "PlanRequest",
    "ReadsLiveState",
    "Recorded",
    "check",
    "explain",
    "make_plan",
]
