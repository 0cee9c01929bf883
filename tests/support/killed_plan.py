"""
Plans with the baseline, in a process that is killed: ``python killed_plan.py PROJECT OUT MOMENT`` prints how many moments there were.

A moment is a request, or a file that is touched in the folder with the journal, the baseline, and what is read.
"""

from __future__ import annotations

import sys
from pathlib import Path

from baseline_kills import killing

from leanplum_sync import Project, plan
from leanplum_sync.project.model import Observe


def main(project: Path, out: Path, moment: int) -> None:
    count = killing(project.parent / ".leanplum-sync", moment)
    plan(Project.load(project), observe=Observe.JOURNAL, out=out)
    sys.stdout.write(str(count()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
