"""Copies of the examples, and emulators that a test serves."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from shell import ROOT, Served, Shell

from leanplum_sync import emulator
from leanplum_sync.emulator import Switches


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    # The real API may know a batch that is sent again, or may not; here it must not help us.
    switches = Switches(duplicates="carry_out")
    with ExitStack() as stack:

        def start(*, seeds: Sequence[Path] = (), **options: Any) -> Served:
            return Served(
                stack.enter_context(emulator.running(seeds=seeds, switches=switches, **options)).url
            )

        yield start


@pytest.fixture
def example(tmp_path: Path) -> Callable[[str], Shell]:
    def copy(name: str) -> Shell:
        folder = tmp_path / name
        shutil.copytree(ROOT / "examples" / name, folder, ignore=shutil.ignore_patterns(".leanplum-sync"))
        return Shell(folder)

    return copy
