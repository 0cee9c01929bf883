"""Postbacks: at most three, delivered to loopback, tried again."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from leanplum_sync.emulator import Switches
from leanplum_sync.emulator.deliveries import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .conftest import Caller, Clock

_SEEDS = ({"message": {"id": 7, "messageType": "Email"}}, {"userId": "u&1"})


class _Listener:
    """A small server that answers with the given statuses, then 200, and keeps what it got."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.got: list[tuple[str, bytes]] = []
        self.arrived = threading.Semaphore(0)
        self.url = ""

    def wait(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.arrived.acquire(timeout=300)


@contextmanager
def _listening(*statuses: int) -> Iterator[_Listener]:
    listener = _Listener(*statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            listener.got.append((self.path, body))
            self.send_response(listener.statuses.pop(0) if listener.statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            listener.arrived.release()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        listener.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield listener
        finally:
            server.shutdown()
            thread.join()


def _add(caller: Caller, url: str, **arguments: Any) -> dict[str, Any]:
    return caller.call("addPostback", "data_export", type="messageEvents", postbackUrl=url, **arguments)


def test_a_send_is_posted_back_with_the_template_filled(start: Callable[..., Caller], clock: Clock) -> None:
    with _listening() as listener:
        caller = start(_SEEDS)
        template = (
            "/lp?u={{User ID}}&t={{Trigger time}}&m={{Message ID}}&e={{Message event}}&c={{Message channel}}"
        )
        _add(caller, listener.url + template + "&p={{Parameters}}&d={{Device ID}}")
        caller.call("sendMessage", userId="u&1", messageId=7, values={"name": "a b"})
        listener.wait()
    fields = parse_qs(urlsplit(listener.got[0][0]).query)
    assert fields == {
        "u": ["u&1"],
        "t": [str(int(clock.now * 1000))],
        "m": ["7"],
        "e": ["Sent"],
        "c": ["Email"],
        "p": ['{"name":"a%20b"}'],
    }


def test_a_postback_is_retried_after_a_server_error(start: Callable[..., Caller]) -> None:
    with _listening(500, 503) as listener:
        caller = start(_SEEDS, switches=Switches(postback_first_retry_seconds=0.01))
        _add(caller, listener.url)
        caller.call("sendMessage", userId="u&1", messageId=7)
        listener.wait(3)
    assert len(listener.got) == 3


def test_other_channels_and_what_is_not_sent_are_not_posted_back(start: Callable[..., Caller]) -> None:
    with _listening() as listener:
        caller = start(_SEEDS)
        _add(caller, listener.url + "/push", channels=["Push Notification"])
        _add(caller, listener.url + "/email", channels="[Email]")
        caller.call("sendMessage", userId="nobody", messageId=7)
        caller.call("sendMessage", userId="u&1", messageId=7)
        listener.wait()
    assert [path for path, _ in listener.got] == ["/email"]


@pytest.mark.claim("postback-cap")
def test_an_app_has_at_most_three_postbacks_each_with_its_own_id(start: Callable[..., Caller]) -> None:
    caller = start()
    ids = [_add(caller, "http://127.0.0.1:9/")["postbackId"] for _ in range(3)]
    assert ids == [101, 102, 103]
    assert _add(caller, "http://127.0.0.1:9/")["success"] is False
    assert caller.call("deletePostback", "data_export", postbackId=102) == {"success": True}
    assert caller.call("deletePostback", "data_export", postbackId=102)["success"] is False
    assert _add(caller, "http://127.0.0.1:9/", channels=["Email"])["postbackId"] == 104
    listed = caller.call("listPostbacks", "data_export")["postbacks"]
    assert [one["postbackId"] for one in listed] == [101, 103, 104]
    assert all(one.keys() == {"postbackId", "type", "postbackUrl"} for one in listed)


def test_an_export_calls_back_with_its_result(start: Callable[..., Caller]) -> None:
    with _listening() as listener:
        caller = start()
        caller.call("track", userId="u", event="e")
        asked = {"startDate": "20231114", "callbackUrl": f"{listener.url}/done"}
        job = caller.call("exportData", "data_export", **asked)
        listener.wait()
    (path, body) = listener.got[0]
    (element,) = orjson.loads(body)["response"]
    assert (path, element["jobId"], element["state"]) == ("/done", job["jobId"], "FINISHED")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:80/", True),
        ("http://localhost/", True),
        ("http://[::1]/", True),
        ("http://example.com/", False),
        ("http://10.0.0.1/", False),
        ("http://localhost.example.com/", False),
        ("nonsense", False),
    ],
)
def test_nothing_is_delivered_beyond_loopback(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected
