"""Whether rehearsals wait for the emulator: how fast it answers, and whether it grows."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
from ratios import IS_QUICK, report
from servers import in_a_process, serve_emulator, serve_nothing

from leanplum_sync import emulator
from leanplum_sync.client import Client, api
from leanplum_sync.wire.limits import USERS_PER_BATCH

THREADS = 4
BATCHES = 600 if IS_QUICK else 4_000
ROUNDS = 4
CALLS = 10_000 if IS_QUICK else 200_000
USERS = 500 if IS_QUICK else 10_000
TARGET = 1.0
GROWTH = 1.1


def rate(url: str, work: Callable[[Client, int], object], count: int, threads: int = THREADS) -> float:
    """Return how often a second *work* is done in *threads* of this process; none of them shares a user."""
    with Client.to_emulator(url) as client, ThreadPoolExecutor(threads) as pool:
        work(client, 0)
        started = time.perf_counter()
        for _ in pool.map(
            lambda thread: [work(client, n) for n in range(thread, count, threads)], range(threads)
        ):
            pass
        return count / (time.perf_counter() - started)


def rate_of_the_server(url: str, calls: Sequence[bytes]) -> float:
    """Return how many ready-made requests a second are answered on *THREADS* connections: no client is waited for."""

    def converse(thread: int) -> None:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection, connection.makefile("rb") as answers:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for call in calls[thread::THREADS]:
                connection.sendall(call)
                assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
                lengths = [
                    int(line[16:])
                    for line in iter(answers.readline, b"\r\n")
                    if line[:15] == b"content-length:"
                ]
                assert answers.read(lengths[0]).count(b'"success":true') == USERS_PER_BATCH

    with ThreadPoolExecutor(THREADS) as pool:
        started = time.perf_counter()
        list(pool.map(converse, range(THREADS)))
        return len(calls) / (time.perf_counter() - started)


def ready_made_batch(number: int) -> bytes:
    """Return what ``send_batch`` sends, as bytes."""
    data = [
        {
            "action": "setUserAttributes",
            "createDisposition": "CreateIfNeeded",
            "userId": f"t{number % THREADS}-u{user}",
            "userAttributes": {"tier": "gold", "visits": number},
            "reqId": uuid4().hex,
        }
        for user in range(USERS_PER_BATCH)
    ]
    envelope = {"appId": emulator.APP_ID, "clientKey": emulator.KEYS["production"], "apiVersion": "1.0.6"}
    body = orjson.dumps(envelope | {"time": time.time(), "uuid": uuid4().hex, "data": data})
    head = b"POST /api?action=multi HTTP/1.1\r\nHost: emulator\r\nContent-Type: application/json\r\n"
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def send_batch(client: Client, number: int) -> None:
    thread = number % THREADS
    client.batch(
        [
            api.set_user_attributes(
                f"t{thread}-u{user}", create=True, attributes={"tier": "gold", "visits": number}
            )
            for user in range(USERS_PER_BATCH)
        ]
    )


def write_attributes(client: Client, number: int) -> None:
    client.call(api.set_user_attributes(f"u{number % USERS}", create=True, attributes={"visits": number}))


def track_event(client: Client, number: int) -> None:
    client.call(api.track("Visit", f"u{number % USERS}", create=True))


def test_the_emulator_answers_batches_as_fast_as_the_client_sends_them() -> None:
    """
    Each alone: the client where nobody works on its calls, and the emulator where they are ready-made.

    Against each other, both wait: with few threads the rate is nearer to that of the two taking turns, and says more
    of how many processors are free than of either. It is told as well.
    """
    with in_a_process(serve_nothing) as (nobody, _), in_a_process(serve_emulator) as (url, _):
        rate_of_the_server(url, [ready_made_batch(number) for number in range(THREADS)])  # everybody is there
        sent = answered = 0.0
        # In turns, the best of each: others use the machine too.
        for _ in range(ROUNDS):
            for threads in (1, 2, THREADS):  # more threads are not always faster: they share one interpreter
                sent = max(sent, rate(nobody, send_batch, BATCHES // ROUNDS, threads))
            calls = [ready_made_batch(number) for number in range(BATCHES // ROUNDS)]
            answered = max(answered, rate_of_the_server(url, calls))
        together = rate(url, send_batch, BATCHES // ROUNDS)
    detail = (
        f"a second {answered:.0f} batches of {USERS_PER_BATCH} users answered, {sent:.0f} sent, {together:.0f} together; "
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    )
    report("emulator alone against a client alone", answered / sent, f"at least {TARGET:.0f}", detail=detail)
    assert answered / sent > 0.02


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize(
    ("work", "count"),
    [
        (write_attributes, CALLS // 2),
        (send_batch, CALLS // 4 // USERS_PER_BATCH),  # of as many actions
        (track_event, CALLS // 4),  # each is kept: exportData tells it
    ],
)
def test_the_emulator_does_not_grow_with_what_it_answers(
    work: Callable[[Client, int], object], count: int
) -> None:
    with in_a_process(serve_emulator) as (url, pid):
        rate(url, work, count // 4)  # everybody is there, and everything is warm
        early = resident_bytes(pid)
        speed = rate(url, work, count - count // 4)
        late = resident_bytes(pid)
    grown = (late - early) / (count - count // 4)
    detail = f"{early / 1e6:.0f} MB grew by {grown:,.0f} bytes a time; {speed:.0f} a second"
    what = f"emulator's memory after {count:,} times {work.__name__} against a quarter of them"
    report(what, late / early, f"at most {GROWTH}", detail=detail)
    assert late / early < 2


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
