"""What went wrong decides what may be done next: did the request leave, or not?"""

from __future__ import annotations

import gzip
import random
import resource
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from leanplum_sync.bounds import ANSWER
from leanplum_sync.client.http import HttpTransport, Request
from leanplum_sync.errors import LockLostError, NoAnswerError, NotSentError

SECRET = "prod_hunter2"


def request(url: str) -> Request:
    return Request("POST", f"{url}/api?action=multi", f'{{"clientKey":"{SECRET}"}}'.encode())


@pytest.fixture
def transport() -> Iterator[HttpTransport]:
    with HttpTransport(is_local=True, read_timeout_seconds=0.3) as transport:
        yield transport


def test_an_answer_comes_back_whatever_its_status(misbehaving: Any, transport: HttpTransport) -> None:
    misbehaving.does((404, b'{"response":[]}'))
    response = transport.send(request(misbehaving.url))
    assert (response.status, response.body) == (404, b'{"response":[]}')
    assert SECRET.encode() in misbehaving.requests[0]


def test_a_refused_connection_never_left(transport: HttpTransport, free_port: int) -> None:
    with pytest.raises(NotSentError):
        transport.send(request(f"http://127.0.0.1:{free_port}"))


def test_a_host_without_an_address_never_left(transport: HttpTransport) -> None:
    with pytest.raises(NotSentError):
        transport.send(request("http://no-such-host.invalid"))


def test_a_failed_tls_handshake_never_left(misbehaving: Any, transport: HttpTransport) -> None:
    misbehaving.does("hangs up")
    with pytest.raises(NotSentError):
        transport.send(request(misbehaving.url.replace("http:", "https:")))
    assert SECRET.encode() not in b"".join(misbehaving.requests)


@pytest.mark.parametrize(
    "what", ["hangs up", "resets", "cuts off", "is silent", "talks nonsense", "sends bad gzip"]
)
def test_after_the_first_byte_nothing_is_certain(
    misbehaving: Any, transport: HttpTransport, what: str
) -> None:
    misbehaving.does(what)
    with pytest.raises(NoAnswerError) as caught:
        transport.send(request(misbehaving.url))
    assert SECRET not in str(caught.value)
    assert len(misbehaving.requests) == 1


@pytest.mark.parametrize("what", ["drips", "drips chunks"])
def test_an_answer_has_a_deadline_however_slowly_it_comes(misbehaving: Any, what: str) -> None:
    misbehaving.does(what)
    with (
        HttpTransport(is_local=True, answer_timeout_seconds=0.5) as transport,
        pytest.raises(NoAnswerError, match="took too long"),
    ):
        transport.send(request(misbehaving.url))


@pytest.mark.parametrize("what", ["is silent", "drips"])
def test_a_run_that_must_end_does_not_wait_for_slow_answers(misbehaving: Any, what: str) -> None:
    misbehaving.does(what)
    with HttpTransport(is_local=True) as transport:
        with pytest.raises(NoAnswerError):
            transport.send(request(misbehaving.url), lambda: transport.hurry(0.1))
        misbehaving.does((200, b"{}"))
        assert transport.send(request(misbehaving.url)).body == b"{}"


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)


def expanding(size: int) -> bytes:
    """Return gzip of *size* bytes, made without holding them."""
    packer = zlib.compressobj(9, wbits=31)
    parts = [packer.compress(b"0" * 2**20) for _ in range(size >> 20)]
    return b"".join([*parts, packer.flush()])


BOMBS = {
    "expands a thousandfold": (expanding(12 << 20), "gzip", "expands to more than 250 times"),
    # Which bound it meets first depends on how much of it arrives at once.
    "expands to a lot": (expanding(64 << 20), "gzip", "expands to more than 250 times|larger than 16 MB"),
    "is large as it is": (b"0" * (ANSWER.most + 1), "identity", "larger than 16 MB"),
    "is large once expanded": (
        gzipped(random.Random(1).randbytes(1 << 14) * (ANSWER.most >> 13)),
        "gzip",
        "larger than 16 MB",
    ),
    "ends too soon": (gzipped(b"{}" * 1000)[:-9], "gzip", "in the middle"),
    "has an unknown encoding": (b"{}", "br", "encoding"),
    "is compressed twice": (gzipped(gzipped(b"{}")), "gzip, gzip", "encoding"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_an_answer_that_expands_without_end_is_no_answer(misbehaving: Any, name: str) -> None:
    content, encoding, reason = BOMBS[name]
    misbehaving.does((200, content, f"Content-Encoding: {encoding}"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with HttpTransport(is_local=True) as transport, pytest.raises(NoAnswerError, match=reason):
        transport.send(request(misbehaving.url))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 120 * 1024


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzipped(b"{}" * 100_000)),
        ("GZIP", gzipped(b"{}" * 50_000) + gzipped(b"{}" * 50_000)),
        ("deflate", zlib.compress(b"{}" * 100_000)),
        ("identity", b"{}" * 100_000),
    ],
)
def test_a_compressed_answer_is_read_whole(misbehaving: Any, encoding: str, packed: bytes) -> None:
    misbehaving.does((200, packed, f"Content-Encoding: {encoding}"))
    with HttpTransport(is_local=True) as transport:
        assert transport.send(request(misbehaving.url)).body == b"{}" * 100_000
    assert b"Accept-Encoding: gzip\r\n" in misbehaving.requests[0]


def test_a_kept_connection_that_died_is_not_tried_twice(misbehaving: Any, transport: HttpTransport) -> None:
    misbehaving.does((200, b"{}"), "hangs up")
    transport.send(request(misbehaving.url))
    with pytest.raises(NoAnswerError):
        transport.send(request(misbehaving.url))
    assert (len(misbehaving.requests), misbehaving.connections) == (2, 1)


def test_redirects_are_reported_and_not_followed(misbehaving: Any, transport: HttpTransport) -> None:
    misbehaving.does((302, b"", "Location: http://127.0.0.1:1/elsewhere"))
    response = transport.send(request(misbehaving.url))
    assert (response.status, response.location) == (302, "http://127.0.0.1:1/elsewhere")


def test_the_last_word_is_spoken_with_the_connection_standing_and_nothing_written(
    misbehaving: Any, transport: HttpTransport
) -> None:
    misbehaving.does((200, b"{}"))
    seen = []

    def too_late() -> None:
        seen.append((misbehaving.connections, len(misbehaving.requests)))
        raise LockLostError("The lock was lost.")

    arrived = threading.Event()
    with pytest.raises(LockLostError):
        transport.send(request(misbehaving.url), too_late)
    transport.send(request(misbehaving.url), arrived.set)
    assert arrived.is_set()
    assert seen[0][1] == 0
    assert len(misbehaving.requests) == 1  # only the second call


def test_the_last_word_is_spoken_once_per_request_on_kept_connections(
    misbehaving: Any, transport: HttpTransport
) -> None:
    misbehaving.does((200, b"{}"))
    words: list[int] = []
    for number in range(3):
        transport.send(request(misbehaving.url), lambda number=number: words.append(number))  # type: ignore[misc]  # mypy can't infer lambdas with defaults
    assert words == [0, 1, 2]
    assert misbehaving.connections == 1


def test_no_word_is_asked_when_there_is_no_connection(transport: HttpTransport, free_port: int) -> None:
    words: list[str] = []
    with pytest.raises(NotSentError):
        transport.send(request(f"http://127.0.0.1:{free_port}"), lambda: words.append("asked"))
    assert words == []


def test_loopback_is_never_behind_a_proxy(
    misbehaving: Any, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port}")
    misbehaving.does((200, b"{}"))
    assert transport.send(request(misbehaving.url)).status == 200


def test_elsewhere_a_proxy_is_used_and_its_absence_means_not_sent(
    monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port}")
    with HttpTransport() as transport, pytest.raises(NotSentError):
        transport.send(request("https://api.example.invalid"))


def test_a_plain_proxy_carries_the_request(misbehaving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", misbehaving.url)
    misbehaving.does((200, b"through"))
    words: list[str] = []
    with HttpTransport() as transport:
        response = transport.send(request("http://api.example.invalid"), lambda: words.append("asked"))
    assert (response.body, words) == (b"through", ["asked"])


def test_each_thread_has_its_own_connection(misbehaving: Any, transport: HttpTransport) -> None:
    misbehaving.does((200, b"{}"))
    threads = [threading.Thread(target=transport.send, args=(request(misbehaving.url),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert misbehaving.connections == 3


@pytest.mark.claim("keys-hidden")
def test_a_request_does_not_show_its_body() -> None:
    assert SECRET not in repr(request("http://127.0.0.1"))
