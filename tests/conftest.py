"""
Fixtures of all tests, and the length of random searches.

The suite tries a few examples of each law, from a fixed seed (pyproject.toml). ``HYPOTHESIS_PROFILE=campaign``, which
``make campaign`` sets, tries many, and runs the tests marked ``campaign`` as well.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import doubts
import pytest
from hypothesis import HealthCheck, settings
from postgresql import Server, serving
from searching import IS_CAMPAIGN, PROFILE

# No deadlines and no complaint about slow inputs: the machine may be slow.
settings.register_profile(
    "suite", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("campaign", settings.get_profile("suite"), max_examples=500)
settings.load_profile(PROFILE)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--doubts",
        type=int,
        choices=range(len(doubts.rows())),
        metavar="ROW",
        help="run the scenes of tests/e2e under this row of doubts about the API",
    )
    parser.addoption(
        "--install",
        action="store_true",
        help="run the pipelines' jobs on a machine that has only what they install",
    )
    parser.addoption(
        "--doubts-runs",
        type=Path,
        metavar="FOLDER",
        help="with --doubts, leave out the scenes that FOLDER shows to run as they did under another row, and add the others",
    )


@pytest.fixture(scope="session", autouse=True)
def row_of_doubts(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the fixtures of whole modules meet the row, too."""
    row = request.config.getoption("doubts")
    runs = doubts.runs(request.config.getoption("doubts_runs"), row)
    with ExitStack() as stack:
        if runs is not None:
            stack.enter_context(runs.reading(None))
        if row is not None:
            stack.enter_context(doubts.met(doubts.of_scene(row)))
        yield


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """Leave long searches to the campaign."""
    if IS_CAMPAIGN:
        return
    long = [item for item in items if item.get_closest_marker("campaign")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL for this session, started by the first test that needs it."""
    if sys.version_info >= (3, 13):
        pytest.skip("pgserver, which brings PostgreSQL, has no build for this Python")
    with serving() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def backend(request: Any) -> str:
    return request.param


@pytest.fixture
def journal_location(request: Any, backend: str, tmp_path: Path) -> str | Path:
    """Where to create a new journal: in a file, or in a database of its own."""
    if backend == "sqlite":
        return tmp_path / "deep" / "journal.db"
    return request.getfixturevalue("postgresql").new_database()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Report how many schedules ran, in whichever process."""
    ran = sum(
        int(value)
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "schedules"
    )
    if ran:
        terminalreporter.write_line(f"{ran} schedules")
