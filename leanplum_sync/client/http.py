"""
Sends one request and returns one response. Nothing here knows about actions.

What may be done after a failure depends on whether the request can have reached the server. So the transport notes the
moment when the connection is open and the first byte is about to be written. An error before that moment is a
``NotSentError``; any error after it is a ``NoAnswerError``.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self, TypeAlias
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from leanplum_sync.bounds import DOWNLOAD
from leanplum_sync.client.body import TimedSocket, UnreadableBodyError, read_body
from leanplum_sync.errors import NoAnswerError, NotSentError

CONNECT_TIMEOUT_SECONDS: Final = 10.0
READ_TIMEOUT_SECONDS: Final = 60.0  # until the next byte
ANSWER_TIMEOUT_SECONDS: Final = 120.0  # until the last byte
ANSWERS_AFTER_STOP_SECONDS: Final = 10.0  # orchestrators kill some 30 seconds after they asked
_CHUNK_BYTES: Final = 1 << 16  # a download that breaks loses at most this much

BeforeWrite: TypeAlias = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    body: bytes = field(default=b"", repr=False)  # contains a key and personal data
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """
    *location* is the target of a redirect. Redirects are not followed, because that would send a call twice.

    *date* is the ``Date`` header.
    """

    status: int
    body: bytes = field(repr=False)
    location: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class Download:
    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


class Transport(Protocol):
    def send(self, request: Request, before_write: BeforeWrite | None = None) -> Response:
        """
        Send *request* once.

        *before_write* is called when the connection is open, immediately before the first byte. If it raises, nothing is sent
        and its error is passed on.

        Raises:
            NotSentError: no byte of the request was sent.
            NoAnswerError: it may have been carried out.
        """


class HttpTransport:
    """
    Uses the library requests with one session per thread, and its settings for proxies and certificates.

    ``is_local`` ignores proxies: loopback is never behind one.
    """

    def __init__(
        self,
        *,
        is_local: bool = False,
        connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
        answer_timeout_seconds: float = ANSWER_TIMEOUT_SECONDS,
        download_timeout_seconds: float = DOWNLOAD.most,
    ) -> None:
        self._is_local = is_local
        self._timeout = (connect_timeout_seconds, read_timeout_seconds)
        self._answer_timeout = answer_timeout_seconds
        self._download_timeout = download_timeout_seconds
        self._of_thread = threading.local()
        self._sessions: list[_Session] = []
        self._in_flight: dict[_Watch, None] = {}

    def send(self, request: Request, before_write: BeforeWrite | None = None) -> Response:
        watch = _Watch(request.url, before_write, self._timeout[1], self._answer_timeout)
        self._in_flight[watch] = None
        _watching.watch = watch
        try:
            with self._session().send_once(request, self._timeout) as answer:
                headers = answer.headers
                body = read_body(answer.raw, headers.get("Content-Encoding", ""))
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
            UnreadableBodyError,
        ) as error:
            raise watch.failure(error) from None  # the cause's text may hold the URL and headers
        finally:
            _watching.watch = None
            del self._in_flight[watch]
        return Response(answer.status_code, body, headers.get("Location", ""), headers.get("Date", ""))

    def hurry(self, seconds: float) -> None:
        """Abort the requests that are still in flight *seconds* from now: a run that was told to stop doesn't wait for slow responses."""
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()

    def _cut(self) -> None:
        for watch in list(self._in_flight):
            watch.cut()

    @contextmanager
    def stream(self, url: str, *, offset: int = 0) -> Iterator[Download]:
        """
        Stream *url*, starting at byte *offset* if the server supports it.

        Redirects are followed, but not from https to http: no key is sent. The whole content, redirects included, must arrive within
        ``download_timeout_seconds``.

        Raises:
            NotSentError, NoAnswerError: also while the content is read.
        """
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
        watch = _Watch(url, None, self._timeout[1], self._download_timeout)
        _watching.watch = watch
        try:
            with self._session().get(url, headers=headers, timeout=self._timeout, stream=True) as answer:
                yield Download(answer.status_code, answer.headers, answer.iter_content(_CHUNK_BYTES))
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise watch.failure(error) from None
        finally:
            _watching.watch = None

    def close(self) -> None:
        for session in self._sessions:
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _session(self) -> _Session:
        session: _Session | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = self._of_thread.session = _Session(is_local=self._is_local)
            self._sessions.append(session)
        return session


class PlainRedirectError(requests.RequestException):
    """An https URL redirects to one that isn't: anybody in between could read the file, or replace it."""


class _Session(requests.Session):
    """
    The session of one thread.

    All calls of an action differ in their bodies only. Their headers, proxies and certificates are found out once, because
    requests takes longer for these than for the call itself.
    """

    def __init__(self, *, is_local: bool) -> None:
        super().__init__()
        self.trust_env = not is_local
        for scheme in ("http://", "https://"):
            self.mount(scheme, _WatchedAdapter())
        self._prepared: dict[tuple[object, ...], tuple[requests.PreparedRequest, Mapping[str, Any]]] = {}

    def send_once(self, request: Request, timeout: tuple[float, float]) -> requests.Response:
        """Send *request* without following a redirect. Cookies are not kept: the API sets none."""
        prepared, settings = self._prepare(request)
        prepared.body = request.body or None
        prepared.headers.pop("Content-Length", None)
        prepared.prepare_content_length(prepared.body)
        return self.get_adapter(request.url).send(prepared, timeout=timeout, **settings)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        is_secure = resp.url.startswith("https:")
        if target and is_secure and urlsplit(urljoin(resp.url, target)).scheme != "https":
            raise PlainRedirectError
        return target

    def _prepare(self, request: Request) -> tuple[requests.PreparedRequest, Mapping[str, Any]]:
        key = (request.method, request.url, *request.headers.items())
        if key not in self._prepared:
            headers = {"Accept-Encoding": "gzip", **request.headers}
            self._prepared[key] = (
                self.prepare_request(requests.Request(request.method, request.url, headers)),
                self.merge_environment_settings(request.url, {}, stream=True, verify=None, cert=None),
            )
        return self._prepared[key]


class _Watch:
    """Tracks whether a request has started to be sent, and the deadline of its response."""

    def __init__(
        self,
        url: str,
        before_write: BeforeWrite | None,
        read_timeout_seconds: float,
        answer_timeout_seconds: float,
    ) -> None:
        self._host = urlsplit(url).netloc
        self._before_write = before_write
        self._read_timeout, self._answer_timeout = read_timeout_seconds, answer_timeout_seconds
        self._deadline: float | None = None
        self._sock: Any = None
        self.writing = False

    def start(self, sock: Any) -> None:
        if self._before_write is not None:
            self._before_write()
        self.writing = True
        self._sock = sock
        if self._deadline is None:  # a redirect doesn't extend it
            self._deadline = time.monotonic() + self._answer_timeout

    def seconds_left(self) -> float:
        if self._deadline is None:
            return self._read_timeout
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, self._read_timeout)

    def cut(self) -> None:
        """Interrupt a read in another thread."""
        if self._sock is not None:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

    def failure(self, error: Exception) -> NotSentError | NoAnswerError:
        kind = _kind(error)
        if self.writing:
            return NoAnswerError(
                f"No response came back from {self._host} ({kind}): the call may have been carried out."
            )
        return NotSentError(f"{self._host} could not be reached ({kind}): nothing was sent.")


class _Watching(threading.local):
    watch: _Watch | None = None


_watching = _Watching()


class _WatchedHttp(HTTPConnection):
    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        _announce(self)
        super().endheaders(*args, **kwargs)


class _WatchedHttps(HTTPSConnection):
    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        _announce(self)
        super().endheaders(*args, **kwargs)


def _announce(connection: HTTPConnection) -> None:
    """Connect, with TLS and through a proxy if necessary, then signal that the first byte is about to be sent."""
    if connection.sock is None:
        connection.connect()
    if (watch := _watching.watch) is not None:
        sock = connection.sock
        bare = sock.bare if isinstance(sock, TimedSocket) else sock
        watch.start(bare)
        connection.sock = TimedSocket(bare, watch.seconds_left)


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _WatchedHttp


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _WatchedHttps


class _WatchedAdapter(HTTPAdapter):
    """The adapter of requests, without retries, with connections that signal when they start to write."""

    def __init__(self) -> None:
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _watch_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return _watch_pools(super().proxy_manager_for(proxy, **kwargs))


def _watch_pools(manager: Any) -> Any:
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return manager


def _kind(error: Exception) -> str:
    match error:
        case requests.ConnectTimeout():
            return "connecting took too long"
        case PlainRedirectError():
            return "it redirects to a URL that is not https"
        case requests.Timeout() | urllib3.exceptions.TimeoutError() | TimeoutError():
            return "waiting for the response took too long"
        # How requests reports a timeout while it streams.
        case requests.ConnectionError(args=(urllib3.exceptions.TimeoutError(), *_)):
            return "waiting for the response took too long"
        case requests.exceptions.SSLError():
            return "the TLS connection failed"
        case requests.exceptions.ProxyError():
            return "the proxy failed"
        case requests.ConnectionError() | urllib3.exceptions.ProtocolError() | OSError():
            return "the connection failed"
        case UnreadableBodyError():
            return str(error)
        case _:
            return type(error).__name__
