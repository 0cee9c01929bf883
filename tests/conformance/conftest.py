"""A running emulator and a caller that knows nothing of this package's client."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import requests

from leanplum_sync import emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MESSAGE_ID = 4500000000000001


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Caller:
    """Speaks to one emulator over HTTP."""

    url: str
    session: requests.Session = field(default_factory=requests.Session)

    def post(self, action: str, key: str = "production", **arguments: Any) -> requests.Response:
        body = {
            "action": action,
            "appId": emulator.APP_ID,
            "clientKey": emulator.KEYS[key],
            "apiVersion": "1.0.6",
            **arguments,
        }
        return self.session.post(f"{self.url}/api", data=orjson.dumps(body), timeout=300)

    def call(self, action: str, key: str = "production", **arguments: Any) -> dict[str, Any]:
        """Return the one element of a single action's answer."""
        (element,) = self.post(action, key, **arguments).json()["response"]
        return element

    def multi(
        self, *actions: dict[str, Any], key: str = "production", **envelope: Any
    ) -> list[dict[str, Any]]:
        return self.post("multi", key, data=list(actions), **envelope).json()["response"]

    def user(self, user_id: str) -> dict[str, Any]:
        return self.call("exportUser", "data_export", userId=user_id)

    def counts(self) -> dict[str, Any]:
        return self.session.get(f"{self.url}/_emulator/counts", params={"detail": 1}, timeout=300).json()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Caller]]:
    """Start emulators; keyword ``seed`` takes lines as objects, others go to ``running``."""
    contexts = []
    callers = []

    def begin(seed: tuple[dict[str, Any], ...] = (), **options: Any) -> Caller:
        if seed:
            path = tmp_path / f"seed-{len(contexts)}.ndjson"
            path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in seed))
            options["seeds"] = [path]
        context = emulator.running(**{"clock": clock, **options})
        caller = Caller(context.__enter__().url)
        contexts.append(context)
        callers.append(caller)
        return caller

    yield begin
    for caller in callers:
        caller.session.close()
    for context in reversed(contexts):
        context.__exit__(None, None, None)


@pytest.fixture(scope="module")
def shared() -> Iterator[Caller]:
    """One emulator for a whole module: each test uses users of its own."""
    with emulator.running(clock=time.time) as running:
        caller = Caller(running.url)
        yield caller
        caller.session.close()
