"""
Applies a plan as the command would, and kills its own process at a moment of finishing the erasures.

Run as a script: ``killed_erasure.py MOMENT PLAN ...``: the options of ``apply`` follow.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from leanplum_sync.__main__ import main
from leanplum_sync.journal import erasing
from leanplum_sync.library.erasing import cleaning, finishing, searching

# What is killed before it begins.
MOMENTS = {
    "proof": (finishing, "_absent"),
    "baselines": (cleaning, "discard_baselines"),
    "files": (cleaning, "delete_files"),
    "journal": (erasing, "erase"),
    "plan": (cleaning, "delete_plan"),
    "search": (searching, "search_folder"),
    "receipts": (finishing, "write_receipts"),
}


def die(*_args: Any, **_options: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    module, name = MOMENTS[sys.argv[1]]
    setattr(module, name, die)
    sys.argv = ["leanplum-sync", "apply", *sys.argv[2:]]
    main()
