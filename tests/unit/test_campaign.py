"""`make campaign` covers every random test."""

from __future__ import annotations

import runpy
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_each_file_of_random_tests_belongs_to_a_law() -> None:
    laws = runpy.run_path(str(TESTS / "campaign.py"))["LAWS"]
    listed = {test.partition("::")[0] for law in laws for test in law.tests}
    assert all((TESTS / name).exists() for name in listed)
    files = {path.relative_to(TESTS).as_posix() for path in (TESTS / "property").rglob("test_*.py")}
    assert {name for name in files if not any(name.startswith(each) for each in listed)} == set()
