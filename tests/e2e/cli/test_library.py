"""The library does what its page says, and exports these names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import leanplum_sync

PAGE = Path(__file__).parents[3] / "docs" / "library.md"


def test_the_python_of_the_page_prints_what_it_says(shop: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    expected = [line for block in blocks for line in re.findall(r"print\(.*\)  # (.*)", block)]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)], cwd=shop, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.splitlines()) == (0, expected), done.stderr


def test_the_library_exports_these_names_and_each_can_be_imported() -> None:
    assert sorted(leanplum_sync.__all__) == [
        "ExpiredPlanError",
        "HazardNotAllowedError",
        "LeanplumSyncError",
        "Plan",
        "PlanMismatchError",
        "Project",
        "Receipt",
        "Recheck",
        "SpecError",
        "StalePlanError",
        "Step",
        "Verification",
        "apply",
        "plan",
        "verify",
    ]
    for name in leanplum_sync.__all__:
        assert getattr(leanplum_sync, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'undo'"):
        leanplum_sync.undo  # type: ignore[attr-defined]  # noqa: B018 - it is the access that fails


def test_type_checkers_are_told_the_same_names() -> None:
    (block,) = (
        node for node in ast.parse(Path(leanplum_sync.__file__).read_text()).body if isinstance(node, ast.If)
    )
    told = {alias.asname for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert told == set(leanplum_sync.__all__)


def test_importing_the_package_imports_nothing_of_it() -> None:
    script = "import sys, leanplum_sync; print([name for name in sys.modules if name.startswith('leanplum_sync.')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_library_imports_neither_the_command_line_nor_what_it_is_made_with() -> None:
    script = (
        "import sys; from leanplum_sync import Plan, Project, apply, plan, verify;"
        "print(sorted({'click', 'rich', 'leanplum_sync.cli', 'leanplum_sync.render'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
