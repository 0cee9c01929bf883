"""Calls that the API makes: postbacks and callbacks. They go to loopback only; other hosts are never contacted."""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_TIMEOUT_SECONDS = 30
_RETRIES: Final = 9
_LONGEST_WAIT: Final = 10  # times the first one
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Delivery:
    """A POST that is due once the request that caused it is committed."""

    url: str
    body: bytes = b""
    content_type: str = "application/json"


async def deliver(delivery: Delivery, first_retry_seconds: float) -> None:
    """Send it. After a server error or no response, retry up to 9 times with increasing waits."""
    if not is_loopback(delivery.url):
        return
    for attempt in range(_RETRIES + 1):
        if await asyncio.to_thread(_post, delivery) < _SERVER_ERROR:
            return
        await asyncio.sleep(first_retry_seconds * min(2**attempt, _LONGEST_WAIT))


def is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _post(delivery: Delivery) -> int:
    """Return the status, 599 for none at all."""
    try:
        parts = urlsplit(delivery.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("POST", target, delivery.body, {"Content-Type": delivery.content_type})
            return connection.getresponse().status
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException):
        return 599
