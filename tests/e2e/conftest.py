"""Copies of the examples, and emulators that a test serves."""

from __future__ import annotations

import shutil
import signal
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import doubts
import pytest
from files import ndjson
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
    left_out = [item for item in items if not has_scenes(item.path)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if has_scenes(item.path)]


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
    declared = [mark.kwargs for mark in request.node.iter_markers("doubt")]  # the closest first
    with ExitStack() as stack:
        if declared or row is not None:
            base = {} if row is None else doubts.of_scene(row)
            stack.enter_context(doubts.met({**base, **ChainMap(*declared)}))
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
