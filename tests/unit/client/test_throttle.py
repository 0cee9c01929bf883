"""How fast requests go."""

from __future__ import annotations

import threading
from contextlib import ExitStack

from clocks import Clock

from leanplum_sync.client.throttle import Pace


def test_half_a_seconds_worth_starts_at_once_and_the_rest_is_spread_over_the_second() -> None:
    watch = Clock(100.0)
    pace = Pace(concurrency=8, requests_per_second=10, clock=watch)
    starts = starts_of(8, pace, watch)
    assert starts == [100.0] * 5 + [100.1, 100.2, 100.3]
    watch.time = 100.6  # three have had no use of their time
    assert starts_of(5, pace, watch) == [100.6] * 3 + [100.7, 100.8]


def starts_of(count: int, pace: Pace, watch: Clock) -> list[float]:
    starts = []
    for _ in range(count):
        with pace.turn():
            starts.append(round(watch.time, 3))
    return starts


def test_without_a_rate_nobody_waits() -> None:
    watch = Clock(100.0)
    pace = Pace(concurrency=1, requests_per_second=None, clock=watch)
    for _ in range(100):
        with pace.turn():
            pass
    assert watch.time == 100.0


def test_concurrency_halves_when_refused_and_grows_back_a_step_per_round() -> None:
    pace = Pace(concurrency=8, requests_per_second=None, clock=Clock(100.0))
    pace.refused()
    assert pace.width == 4
    for _ in range(5):
        pace.answered()
    assert pace.width == 5
    for _ in range(100):
        pace.answered()
    assert pace.width == 8
    for _ in range(100):
        pace.refused()
    assert pace.width == 1


def test_no_more_than_the_width_are_under_way() -> None:
    pace = Pace(concurrency=2, requests_per_second=None, clock=Clock(100.0))
    under_way = 0
    most = 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal under_way, most
        for _ in range(200):
            with pace.turn():
                with lock:
                    under_way += 1
                    most = max(most, under_way)
                with lock:
                    under_way -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most <= 2


def test_what_lies_ready_starts_no_faster_than_the_rate_when_places_fall_free() -> None:
    watch = Clock(100.0)
    pace = Pace(concurrency=4, requests_per_second=1, clock=watch)
    free = threading.Event()
    first = [ExitStack() for _ in range(4)]
    for held in first:
        held.enter_context(pace.turn_after(lambda: None))
    prepared, started = threading.Semaphore(0), threading.Semaphore(0)
    starts = []

    def work() -> None:
        with pace.turn_after(prepared.release):
            starts.append(round(watch.time, 3))
            started.release()
            free.wait(600)

    ready = [threading.Thread(target=work) for _ in range(2)]
    for thread in ready:
        thread.start()
        assert prepared.acquire(timeout=300)
    watch.time = 200.0
    for held in first[:2]:
        held.close()
        assert started.acquire(timeout=300)
    free.set()
    for thread in ready:
        thread.join()
    for held in first[2:]:
        held.close()
    assert starts == [200.0, 201.0]
