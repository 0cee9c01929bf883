"""
Applies a plan as the command would, and kills its own process at a moment of finishing the erasures.

Run as a script: ``killed_erasure.py MOMENT PLAN ...``: the options of ``apply`` follow.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from leanplum_sync.__main__ import main
from leanplum_sync.journal import erasing
from leanplum_sync.library.erasing import cleaning, finishing, searching

# What is killed before it begins, after so many calls of it.
MOMENTS = {
    "proof": (finishing, "_absent", 0),
    "baselines": (cleaning, "discard_baselines", 0),
    "files": (cleaning, "delete_files", 0),
    "journal": (erasing, "erase", 0),
    "search": (searching, "search_folder", 0),
    "in search": (searching, "_search_one", 5),
    "receipts": (finishing, "write_receipts", 0),
    "entry": (erasing, "store", 1),  # the first call records that the erasure begins
    "snapshot": (cleaning, "_delete_last", 0),
    "copy of the plan": (cleaning, "_delete_last", 1),
    "plan": (cleaning, "_delete_last", 2),
}


def dying(function: Callable[..., Any], calls: int) -> Callable[..., Any]:
    left = [None] * calls

    def call_or_die(*args: Any, **options: Any) -> Any:
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left.pop()
        return function(*args, **options)

    return call_or_die


if __name__ == "__main__":
    module, name, calls = MOMENTS[sys.argv[1]]
    setattr(module, name, dying(getattr(module, name), calls))
    sys.argv = ["leanplum-sync", "apply", *sys.argv[2:]]
    main()
