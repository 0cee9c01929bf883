"""A slice of the crash campaign; `make campaign` runs more of it."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import doubts
import pytest
import shared_trials
from crash_campaign import BACKENDS, KINDS, POINTS, Trial, state_of, tried
from lives import LOCKED, SPEED, Effects, Life, Nursery, world
from postgresql import Server, serving
from shared_trials import SharedTrial
from waiting import wait_for

from leanplum_sync import emulator

# Every point once: with every kind of change, both backends, one process and two that share a plan. `make campaign` tries
# every combination.
_OF_A_POINT = len(BACKENDS) * len(KINDS)
SEEDS = [
    _OF_A_POINT * (point + len(POINTS) * (point // 2 % 2)) + 7 * point % _OF_A_POINT
    for point in range(len(POINTS))
]


@pytest.fixture(scope="module")
def children() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_kills_it_nothing_is_lost_and_nothing_happens_twice(
    seed: int, postgresql: Server, children: Nursery
) -> None:
    verdict = tried(lambda folder: Trial(seed, postgresql, children, folder))
    assert not verdict.problems, verdict


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """One that may be restarted."""
    with serving() as server:
        yield server


# Every way to lose the connections or the server, directly and through pgbouncer, for one environment and for two.
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(0, 2 * len(KINDS) * len(shared_trials.POINTS), 2 * len(KINDS) + 1))
def test_that_holds_on_a_shared_journal_whose_connections_are_lost(
    seed: int, own_server: Server, children: Nursery
) -> None:
    verdict = tried(lambda folder: SharedTrial(seed, own_server, children, folder))
    assert not verdict.problems, verdict


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_process_stopped_just_before_the_first_byte_does_nothing_a_second_time_when_it_wakes(
    kind: str, backend: str, postgresql: Server, children: Nursery, tmp_path: Path
) -> None:
    """No client can keep it from sending then. The run that took over has waited, and holds what must happen once."""
    journal = postgresql.new_database() if backend == "postgresql" else str(tmp_path / "journal.db")
    seed = tmp_path / "seed.ndjson"
    seed.write_text(world.seed())
    lease = 0.6 * SPEED
    with emulator.running(seeds=[seed]) as running:
        point = "stopped before the first byte"
        stopped = Life(
            running.url, journal, kind, str(tmp_path / "a"), point, nth=2, concurrency=1, lease_seconds=lease
        )
        pid = children.start(stopped)
        wait_for(lambda: state_of(pid) == "T")
        before = Effects.of(running.url).writes
        rival = Life(running.url, journal, kind, str(tmp_path / "b"))
        while children.wait(children.start(rival)) == LOCKED:
            time.sleep(0.05)
        assert Effects.of(running.url).writes > before
        os.kill(pid, signal.SIGCONT)
        assert children.wait(pid) == LOCKED
        woken = Effects.of(running.url)
        assert (woken.duplicates, woken.overlaps) == (0, 0)


class StalledTrial(Trial):
    """What is read back and sent again; events and sends never are."""

    kinds = tuple(kind for kind in KINDS if kind != "events")


@pytest.mark.campaign
def test_an_api_that_stalls_for_longer_than_the_settle_window_has_a_user_in_two_requests(
    postgresql: Server, children: Nursery
) -> None:
    """
    The only way to an overlap that was ever seen: the old request and the one that settles it arrive together. So a trial on a
    machine that was stalled for so long is repeated. It takes luck to meet, so it is tried a few times, and only in the campaign.
    """
    over = threading.Event()

    def stall() -> None:
        while not over.wait(0.3):
            ctypes.PyDLL(None).usleep(1_600_000)  # keeps the interpreter's lock, and with it the emulator

    thread = threading.Thread(target=stall)
    thread.start()
    verdicts = []
    try:
        while len(verdicts) < 8 and not any(verdict.overlaps for verdict in verdicts):
            with tempfile.TemporaryDirectory() as folder:
                verdicts.append(StalledTrial(1039, postgresql, children, Path(folder)).go())
    finally:
        over.set()
        thread.join()
    with_overlaps = [verdict for verdict in verdicts if verdict.overlaps]
    assert with_overlaps
    assert not any(verdict.is_valid for verdict in with_overlaps)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(0, 220, 37))
def test_that_holds_whatever_the_answers_to_open_questions_about_the_api(
    seed: int, postgresql: Server, children: Nursery
) -> None:
    row = random.Random(f"row {seed}").choice(doubts.rows())
    verdict = tried(lambda folder: Trial(seed, postgresql, children, folder, row=row))
    assert not verdict.problems, verdict


@pytest.mark.campaign
def test_without_the_settle_window_the_judge_finds_users_in_two_requests_at_once(
    postgresql: Server, children: Nursery, tmp_path: Path
) -> None:
    """
    What it finds depends on who is faster; each of these seeds was seen to be enough. tests/property/test_schedules.py shows the
    same by schedules, which depend on nothing.
    """
    for seed in (4, 12, 20, 30):
        folder = tmp_path / str(seed)
        folder.mkdir()
        if Trial(seed, postgresql, children, folder, settle_seconds=0.0).go().overlaps:
            return
    raise AssertionError("the judge found nothing")
