"""Copies of the examples, and emulators that a test serves."""

from __future__ import annotations

import shutil
import signal
from collections import ChainMap
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import doubts
import pytest
from files import ndjson
from machine import Machine, bare, ready
from shell import ROOT, Example, Process, Serve, Served, Shell, Start

from leanplum_sync import emulator


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the scenes marked ``sampled`` under a row of doubts as well; with ``--doubts``, each runs under that row alone."""
    if metafunc.definition.get_closest_marker("sampled") and metafunc.config.getoption("doubts") is None:
        row = doubts.drawn(metafunc.function.__name__)
        metafunc.parametrize("answers", [None, row], ids=["defaults", f"doubts {row}"], indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what depends on no row."""
    if config.getoption("doubts") is None:
        return
    runs = _runs(config)
    left_out = [
        item
        for item in items
        if not has_scenes(item.path) or (runs is not None and runs.stands_for(item.nodeid, _declared(item)))
    ]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" and report.passed and (runs := _runs(item.config)) is not None:
        runs.was_right(item.nodeid)
    return report


def _runs(config: pytest.Config) -> doubts.Runs | None:
    return doubts.runs(config.getoption("doubts_runs"), config.getoption("doubts"))


def _declared(item: pytest.Item) -> Mapping[str, Any]:
    """Return the answers that the test declares."""
    return ChainMap(*(dict(mark.kwargs) for mark in item.iter_markers("doubt")))  # the closest first


@pytest.fixture(scope="session")
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    folder = tmp_path_factory.mktemp("machine")
    return bare(folder) if request.config.getoption("install") else ready(folder)


def has_scenes(path: Path) -> bool:
    folder = Path(__file__).parent
    return path.is_relative_to(folder) and not path.relative_to(folder).as_posix().startswith(
        doubts.WITHOUT_SCENES
    )


@pytest.fixture(autouse=True)
def answers(request: pytest.FixtureRequest) -> Iterator[None]:
    """What the API answers to open questions: as the row of doubts has it, but for what the test declares."""
    row = getattr(request, "param", None)
    if row is None:
        row = request.config.getoption("doubts")
    declared = _declared(request.node)
    runs = _runs(request.config)
    with ExitStack() as stack:
        if runs is not None:
            stack.enter_context(runs.reading(request.node.nodeid))
        if declared or row is not None:
            base = {} if row is None else doubts.of_scene(row)
            stack.enter_context(doubts.met({**base, **declared}))
        yield


@pytest.fixture(autouse=True)
def interrupts_are_heeded() -> Iterator[None]:
    """A suite in the background of a shell is handed down that SIGINT is ignored, and would hand it on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start an emulator with these elements of a seed, or with what is in *seeds*."""
    # The real API may know a batch that is sent again, or may not; here it must not help us.
    switches = doubts.current(duplicates="carry_out")
    with ExitStack() as stack:

        def begin(*elements: Mapping[str, Any], seeds: Sequence[Path] = (), **options: Any) -> Served:
            if elements:
                seed = tmp_path / "elements.ndjson"
                seed.write_text(ndjson(*elements))
                seeds = [*seeds, seed]
            running = stack.enter_context(emulator.running(seeds=seeds, switches=switches, **options))
            return Served(running.url)

        yield begin


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a command in the folder of a shell, and end it with the test at the latest."""
    with ExitStack() as stack:

        def begin(shell: Shell, *arguments: str) -> Process:
            process = stack.enter_context(shell.start(*arguments))
            stack.callback(process.kill)
            return process

        yield begin


@pytest.fixture
def example(tmp_path: Path) -> Example:
    def copy(name: str) -> Shell:
        folder = tmp_path / name
        shutil.copytree(ROOT / "examples" / name, folder, ignore=shutil.ignore_patterns(".leanplum-sync"))
        return Shell(folder)

    return copy


@pytest.fixture
def journal_location(journal_location: str | Path) -> str | Path:
    """A variable may name a file only in a folder that exists."""
    if isinstance(journal_location, Path):
        journal_location.parent.mkdir(parents=True, exist_ok=True)
    return journal_location
