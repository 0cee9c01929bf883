"""
Keep an app's users in line with reviewed specs: ``plan`` what would change, ``apply`` exactly that, ``verify`` it.

The names below are the public interface. Each is imported when it is first used, so that ``import leanplum_sync`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from leanplum_sync.applier.receipt import Receipt as Receipt
    from leanplum_sync.applier.settings import Recheck as Recheck
    from leanplum_sync.errors import ExpiredPlanError as ExpiredPlanError
    from leanplum_sync.errors import HazardNotAllowedError as HazardNotAllowedError
    from leanplum_sync.errors import LeanplumSyncError as LeanplumSyncError
    from leanplum_sync.errors import PlanMismatchError as PlanMismatchError
    from leanplum_sync.errors import SpecError as SpecError
    from leanplum_sync.errors import StalePlanError as StalePlanError
    from leanplum_sync.library.applying import apply as apply
    from leanplum_sync.library.planning import Plan as Plan
    from leanplum_sync.library.planning import plan as plan
    from leanplum_sync.library.progress import Step as Step
    from leanplum_sync.library.project import Project as Project
    from leanplum_sync.library.verifying import verify as verify
    from leanplum_sync.operations.verify import Verification as Verification

_HOMES: Final = {
    "ExpiredPlanError": "errors",
    "HazardNotAllowedError": "errors",
    "LeanplumSyncError": "errors",
    "Plan": "library.planning",
    "PlanMismatchError": "errors",
    "Project": "library.project",
    "Receipt": "applier.receipt",
    "Recheck": "applier.settings",
    "SpecError": "errors",
    "StalePlanError": "errors",
    "Step": "library.progress",
    "Verification": "operations.verify",
    "apply": "library.applying",
    "plan": "library.planning",
    "verify": "library.verifying",
}

__all__ = [  # noqa: PLE0604 - the names are those of the table
    *_HOMES
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
