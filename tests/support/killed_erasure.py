"""
Applies a plan as the command would, and kills its own process at a moment of finishing the erasures.

Run as a script: ``killed_erasure.py MOMENT PLAN ...``: the options of ``apply`` follow.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from leanplum_sync.__main__ import main
from leanplum_sync.journal import erasing
from leanplum_sync.library.erasing import cleaning, finishing, searching

# What is killed before it begins, at the first call that the condition holds for, or after so many calls.
MOMENTS: dict[str, tuple[ModuleType, str, int | Callable[..., bool]]] = {
    "proof": (finishing, "_absent", 0),
    "baselines": (cleaning, "discard_baselines", 0),
    "files": (cleaning, "delete_files", 0),
    "journal": (erasing, "erase", 0),
    "search": (searching, "search_folder", 0),
    "in search": (searching, "_search_one", 5),
    "receipts": (finishing, "write_receipts", 0),
    "entry": (erasing, "store", lambda *args: any(entry.erased_at for entry in args[2])),
    "snapshot": (cleaning, "_delete_last", lambda path: ".snapshot." in path.name),
    "copy of the plan": (cleaning, "_delete_last", lambda path: path.parent.name == "applied"),
    "plan": (cleaning, "_delete_last", lambda path: path.name == "erase.lpplan"),
}


def dying(function: Callable[..., Any], when: int | Callable[..., bool]) -> Callable[..., Any]:
    calls = itertools.count()

    def call_or_die(*args: Any, **options: Any) -> Any:
        if when(*args) if callable(when) else next(calls) == when:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **options)

    return call_or_die


if __name__ == "__main__":
    module, name, when = MOMENTS[sys.argv[1]]
    setattr(module, name, dying(getattr(module, name), when))
    sys.argv = ["leanplum-sync", "apply", *sys.argv[2:]]
    main()
