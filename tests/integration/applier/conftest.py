"""An emulator with twelve users and a message, and the plans and runs of ``world.py``."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest
import requests
from shell import Process, begin_script

from leanplum_sync import emulator

_WORLD = Path(__file__).with_name("world.py")


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("applier_world", _WORLD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["applier_world"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def world() -> ModuleType:
    return _load()


@dataclass
class Api:
    """The emulator as a judge: what it received and what took effect."""

    url: str

    def counts(self) -> dict[str, Any]:
        return requests.get(f"{self.url}/_emulator/counts", params={"detail": 1}, timeout=300).json()

    def sends(self) -> Mapping[str, int]:
        found = self.counts()["sends"]
        return next(iter(found.values())) if found else {}

    def increments(self) -> Mapping[str, Mapping[str, int]]:
        return self.counts()["increments"]

    def events(self) -> Mapping[str, Mapping[str, int]]:
        """Return by user and event how often it was recorded."""
        return {
            user: {event: counts["total"] for event, counts in events.items()}
            for user, events in self.counts()["events"].items()
        }

    def faults(self, text: str) -> None:
        requests.post(f"{self.url}/_emulator/faults", data=text, timeout=300).raise_for_status()

    def user(self, user_id: str) -> dict[str, Any]:
        body = {
            "action": "exportUser",
            "appId": emulator.APP_ID,
            "clientKey": emulator.KEYS["data_export"],
            "apiVersion": "1.0.6",
            "userId": user_id,
        }
        return requests.post(f"{self.url}/api", data=orjson.dumps(body), timeout=300).json()["response"][0]

    def remaining(self, users: Iterable[str]) -> set[str]:
        """Return which of *users* the app has: a profile, or a blocked id."""
        return {user for user in users if "not found" not in json.dumps(self.user(user))}

    def set(self, user_id: str, **attributes: Any) -> None:
        body = {
            "action": "setUserAttributes",
            "appId": emulator.APP_ID,
            "clientKey": emulator.KEYS["production"],
            "apiVersion": "1.0.6",
            "userId": user_id,
            "userAttributes": attributes,
        }
        requests.post(f"{self.url}/api", data=orjson.dumps(body), timeout=300).raise_for_status()


@pytest.fixture
def switches() -> emulator.Switches:
    # Nothing may lean on a server that knows a call again: here each one is carried out.
    return emulator.Switches(duplicates="carry_out")


@pytest.fixture
def api(world: ModuleType, tmp_path: Path, switches: emulator.Switches) -> Iterator[Api]:
    seed = tmp_path / "seed.ndjson"
    seed.write_text(world.seed())
    with emulator.running(seeds=[seed], switches=switches) as running:
        yield Api(running.url)


@pytest.fixture
def backend() -> str:
    """SQLite, unless a test asks for both backends with ``BOTH``."""
    return "sqlite"


@pytest.fixture
def journal_path(journal_location: str | Path) -> str | Path:
    return journal_location


@dataclass
class Runs:
    """Makes a ``world.Run`` against the emulator; ``kind`` or ``plan`` says of what, the rest goes to it."""

    world: ModuleType
    api: Api
    journal_path: str | Path

    def __call__(self, kind: str = "attributes", *, plan: Any = None, **given: Any) -> Any:
        settings = given.pop("settings", {})
        defaults = {"concurrency": 3, "settle_seconds": 0.0, "recheck": self.world.Recheck.OFF}
        return self.world.Run(
            self.api.url,
            self.journal_path,
            plan or self.world.plan_for(kind),
            self.world.ApplySettings(**(defaults | settings)),
            **given,
        )


@pytest.fixture
def run(world: ModuleType, api: Api, journal_path: str | Path) -> Runs:
    return Runs(world, api, journal_path)


@pytest.fixture
def child(api: Api, journal_path: str | Path, tmp_path: Path) -> Iterator[Callable[[str, str], Process]]:
    """Start a run in a process of its own that dies at a point."""
    started: list[Process] = []

    def start(kind: str, point: str) -> Process:
        started.append(begin_script(_WORLD, tmp_path, api.url, str(journal_path), kind, point))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()
