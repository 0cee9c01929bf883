"""
Lists what mypy finds to be done when a union, an enum or ``Kind`` gets one member more.

``python tests/support/missing_cases.py`` prints it: by what was added, the places that need a case.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
# What is added, by its name in mypy's messages: the file, a piece of its text, and that piece with one member more.
ADDED: Final[Mapping[str, Sequence[tuple[str, str, str]]]] = {
    "MadeUpDesire": [
        (
            "kinds/rows/desires.py",
            "Desire: TypeAlias = (\n",
            (
                "@dataclass(frozen=True, slots=True)\nclass MadeUpDesire:\n    asked_at: Place\n\n\n"
                "Desire: TypeAlias = (\n    MadeUpDesire |\n"
            ),
        )
    ],
    "MadeUpPart": [
        (
            "kinds/rows/parts.py",
            "Part: TypeAlias = (\n",
            (
                "class MadeUpPart:\n    columns: tuple[NeededColumn, ...] = ()\n\n"
                "    def desire(self, values: Mapping[str, Json], row_id: str) -> Desire | None: ...\n"
                "    def readers(self) -> Iterator[tuple[Place, Reader]]: ...\n\n\n"
                "Part: TypeAlias = (\n    MadeUpPart |\n"
            ),
        )
    ],
    **{
        member: [(file, f"class {name}({base}):\n", f'class {name}({base}):\n    {member} = "made up"\n')]
        for member, name, base, file in (
            ("MADE_UP_CHANGE", "ChangeKind", "StrEnum", "planner/change.py"),
            ("MADE_UP_SUBJECT", "SubjectKind", "StrEnum", "address.py"),
            ("MADE_UP_FATE", "Fate", "StrEnum", "journal/entry.py"),
            ("MADE_UP_RUN_STATE", "RunState", "StrEnum", "journal/entry.py"),
            ("MADE_UP_RESOLUTION", "Resolution", "StrEnum", "journal/entry.py"),
            ("MADE_UP_STOP", "StopReason", "StrEnum", "applier/receipt.py"),
            ("MADE_UP_REASON", "Reason", "StrEnum", "planner/decide.py"),
            ("MADE_UP_STANDING", "Standing", "Enum", "planner/standing.py"),
            ("MADE_UP_ORIGIN", "Origin", "StrEnum", "operations/drift.py"),
            ("MADE_UP_KEY", "KeyClass", "StrEnum", "wire/catalogue.py"),
        )
    },
    "MADE_UP_EFFECT": [
        (
            "planner/change.py",
            "    EXISTENCE = auto()",
            "    MADE_UP_EFFECT = auto()\n    EXISTENCE = auto()",
        )
    ],
    "made_up_member": [
        ("kinds/kind.py", "    name: str  #", "    made_up_member: str\n    name: str  #"),
    ],
}
_ERROR: Final = re.compile(r"leanplum_sync/(\S+?):(\d+): error: (.*)")


def missing_cases(folder: Path) -> Mapping[str, Sequence[str]]:
    """Return, for each of ``ADDED``, the places as ``file:line`` that mypy names, in a copy of the package in *folder*."""
    shutil.copytree(
        ROOT / "leanplum_sync", folder / "leanplum_sync", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", folder)
    if (ROOT / ".mypy_cache").exists():
        shutil.copytree(ROOT / ".mypy_cache", folder / ".mypy_cache")
    for changes in ADDED.values():
        for name, old, new in changes:
            file = folder / "leanplum_sync" / name
            text = file.read_text()
            assert text.count(old) == 1, (name, old)
            file.write_text(text.replace(old, new))
    command = [sys.executable, "-m", "mypy", "--no-pretty", "--no-error-summary"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found: defaultdict[str, list[str]] = defaultdict(list)
    for file, line, message in _ERROR.findall(run.stdout):
        for name in ADDED:
            if name in message:
                found[name].append(f"{file}:{line}")
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        for added, places in missing_cases(Path(made)).items():
            sys.stdout.write(f"{added}: {len(places)} places\n")
            for place in places:
                sys.stdout.write(f"  {place}\n")
