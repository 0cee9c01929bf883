"""
Fixtures of all tests, and how long their searches are: ``HYPOTHESIS_PROFILE=campaign``, which ``make campaign`` sets, makes each
longer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from postgresql import Server, serving

# No deadlines: what is slow here may be the machine.
settings.register_profile("ordinary", deadline=None)
settings.register_profile("campaign", max_examples=500, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ordinary"))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL of this session's own, started by the first test that asks for it."""
    if sys.version_info >= (3, 13):
        pytest.skip("pgserver, which brings PostgreSQL, has no build for this Python")
    with serving() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def backend(request: Any) -> str:
    return request.param


@pytest.fixture
def journal_location(request: Any, backend: str, tmp_path: Path) -> str | Path:
    """Where a new journal may be made: in a file, or in a database of its own."""
    if backend == "sqlite":
        return tmp_path / "deep" / "journal.db"
    return request.getfixturevalue("postgresql").new_database()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many schedules were gone through, wherever they were."""
    ran = sum(
        int(value)
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "schedules"
    )
    if ran:
        terminalreporter.write_line(f"{ran} schedules")
