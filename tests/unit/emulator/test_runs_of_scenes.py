"""A scene runs once for all rows of doubts that answer its questions in the same way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import doubts
import pytest

from leanplum_sync.emulator import create_app

RUN = "import doubts; doubts.impose(); doubts.current().order"


def _here() -> None:
    assert create_app.__kwdefaults__["switches"].order == "user_sorted"


def _in_a_process() -> None:
    subprocess.run([sys.executable, "-c", RUN], env=doubts.handed_on(os.environ), check=True)


@pytest.mark.parametrize("scene", [_here, _in_a_process])
def test_a_run_stands_for_the_rows_that_agree_about_what_it_read(
    scene: Callable[[], None], tmp_path: Path
) -> None:
    number = next(number for number, row in enumerate(doubts.rows()) if row["order"] == "user_sorted")
    runs = doubts.Runs(tmp_path, number)
    with runs.reading("scene"), doubts.met(doubts.of_scene(number)):
        scene()
    assert not any(runs.stands_for("scene", {}) for runs in _others(tmp_path))
    runs.was_right("scene")
    stood_for = [runs.stands_for("scene", {}) for runs in _others(tmp_path)]
    assert stood_for == [row["order"] == "user_sorted" for row in doubts.rows()]
    assert not any(runs.stands_for("another", {}) for runs in _others(tmp_path))


def test_a_run_stands_for_rows_whose_difference_is_declared(tmp_path: Path) -> None:
    number = next(number for number, row in enumerate(doubts.rows()) if row["order"] == "user_sorted")
    runs = doubts.Runs(tmp_path, number)
    with runs.reading("scene"), doubts.met({**doubts.of_scene(number), "order": "aligned"}):
        assert doubts.current().order == "aligned"
    runs.was_right("scene")
    assert all(runs.stands_for("scene", {"order": "aligned"}) for runs in _others(tmp_path))


def test_what_scenes_share_counts_for_each_of_them(tmp_path: Path) -> None:
    number = next(number for number, row in enumerate(doubts.rows()) if row["order"] == "user_sorted")
    runs = doubts.Runs(tmp_path, number)
    with runs.reading(None), doubts.met(doubts.of_scene(number)):
        _here()
        with runs.reading("scene"):
            pass
    runs.was_right("scene")
    stood_for = [runs.stands_for("scene", {}) for runs in _others(tmp_path)]
    assert stood_for == [row["order"] == "user_sorted" for row in doubts.rows()]


def _others(path: Path) -> list[doubts.Runs]:
    return [doubts.Runs(path, number) for number in range(len(doubts.rows()))]
