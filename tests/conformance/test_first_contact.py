"""The emulator as a whole: it starts, answers, counts, remembers and stops."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import requests

from leanplum_sync import emulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Caller


def test_importing_the_package_does_not_import_the_server() -> None:
    program = (
        "import sys, leanplum_sync.emulator; sys.exit('starlette' in sys.modules or 'uvicorn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_state_in_a_file_outlives_the_emulator_and_is_seeded_once(
    start: Callable[..., Caller], tmp_path: Path
) -> None:
    state = tmp_path / "state.db"
    seed = ({"userId": "u1", "userAttributes": {"tier": "gold"}},)
    start(seed, state=state).call("setUserAttributes", userId="u1", userAttributes={"tier": "silver"})
    again = start(seed, state=state)
    assert again.user("u1")["userAttributes"] == {"tier": "silver"}
    assert again.counts()["effects"] == {"setUserAttributes": 1}


def test_two_emulators_on_one_state_file_see_one_app(start: Callable[..., Caller], tmp_path: Path) -> None:
    one, other = (start(state=tmp_path / "state.db") for _ in range(2))
    one.call("setUserAttributes", userId="u1", userAttributes={"a": 1})
    other.call("setUserAttributes", userId="u1", userAttributes={"b": 2})
    one.call("setUserAttributes", userId="u1", userAttributeValuesToIncrement={"b": 3})
    assert other.user("u1")["userAttributes"] == {"a": 1, "b": 5}
    assert one.counts() == other.counts()


def test_a_port_in_use_is_one_clear_sentence(start: Callable[..., Caller]) -> None:
    port = int(start().url.rpartition(":")[2])
    with (
        pytest.raises(emulator.EmulatorError, match=f"can't listen on 127.0.0.1:{port}"),
        emulator.running(port=port),
    ):
        pass


def test_health_says_which_app_it_is(start: Callable[..., Caller]) -> None:
    answer = requests.get(f"{start().url}/_emulator/health", timeout=300)
    assert answer.json() == {"ok": True, "appId": "app_emulator"}
