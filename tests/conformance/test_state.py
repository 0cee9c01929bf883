"""What outlives the emulator: state files, kill -9, seeds and dumps."""

from __future__ import annotations

import gzip
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import orjson
import pytest
import requests
import zstandard

from leanplum_sync import emulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Caller

_SERVE = """
import sys
from pathlib import Path
from leanplum_sync import emulator
emulator.serve(port=0, on_ready=lambda url: print(url, flush=True), state=Path(sys.argv[1]))
"""
_LOGIN = {"appId": emulator.APP_ID, "clientKey": emulator.KEYS["production"]}


def _serve(state: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([sys.executable, "-c", _SERVE, str(state)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_what_was_acknowledged_survives_kill_9(start: Callable[..., Caller], tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    process, url = _serve(state)
    acknowledged = 0

    def keep_tracking() -> None:
        nonlocal acknowledged
        session = requests.Session()
        try:
            while True:
                session.post(
                    f"{url}/api", json=_LOGIN | {"action": "track", "userId": "u", "event": "e"}, timeout=300
                )
                acknowledged += 1
                if acknowledged == 30:
                    enough.set()
        except requests.RequestException:
            session.close()

    enough = threading.Event()
    thread = threading.Thread(target=keep_tracking)
    thread.start()
    assert enough.wait(600)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    thread.join()
    process.stdout.close()  # type: ignore[union-attr]  # it was asked for
    count = start(state=state).user("u")["events"]["e"]["count"]
    assert count in (acknowledged, acknowledged + 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_ends_cleanly_at_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    process, url = _serve(tmp_path / "state.db")
    assert requests.get(f"{url}/_emulator/health", timeout=300).json()["ok"] is True
    process.send_signal(number)
    out, _ = process.communicate(timeout=300)
    assert (process.returncode, out) == (0, "")


def test_a_dump_can_be_seeded_again(start: Callable[..., Caller], tmp_path: Path) -> None:
    seeds = (
        {"message": {"id": 7, "name": "m", "targeting": ["u"]}},
        {"variable": {"name": "a.b", "value": [1]}},
        {"unsubscribeCategory": {"id": 1, "name": "News"}},
    )
    first = start(seeds)
    first.call("setUserAttributes", userId="u", userAttributes={"a": True, "big": 1.5e9}, country="US")
    first.call(
        "setUserAttributes", userId="u", unsubscribeCategoriesToAdd=["1"], unsubscribeChannelsToAdd="Email"
    )
    first.call("setDeviceAttributes", userId="u", deviceId="d", iosPushToken="ab")
    first.call("setUserAttributes", deviceId="lonely", userAttributes={"x": 1})
    first.call("setUserAttributes", userId="gone")
    first.call("block", userId="gone")
    dump = requests.get(f"{first.url}/_emulator/dump", timeout=300).content
    (tmp_path / "dump.ndjson.gz").write_bytes(gzip.compress(dump))
    second = start(seeds=[tmp_path / "dump.ndjson.gz"])
    assert second.user("u") == first.user("u")
    assert second.user("lonely") == first.user("lonely")
    assert second.post("track", userId="gone", event="e").status_code == 451
    assert second.call("getVars")["vars"] == {"a": {"b": [1]}}
    assert second.call("deleteUser", "development", deviceId="lonely") == {"success": True}
    assert requests.get(f"{first.url}/_emulator/dump", timeout=300).content == dump


def test_a_seed_may_be_a_device_without_a_user(start: Callable[..., Caller]) -> None:
    caller = start(({"deviceId": "d", "devices": [{"deviceId": "d", "iosPushToken": "ab"}]},))
    user = caller.user("d")
    assert (user["userId"], user["devices"]) == ("d", [{"deviceId": "d", "iosPushToken": "ab"}])


def test_the_last_of_two_lines_for_one_user_counts(start: Callable[..., Caller]) -> None:
    caller = start(
        ({"userId": "u", "userAttributes": {"a": 1}}, {"userId": "u", "userAttributes": {"b": True}})
    )
    assert caller.user("u")["userAttributes"] == {"b": "True"}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{oops", "not a line of JSON"),
        ("[]", "expected an object"),
        ('{"userAttributes": {}}', "neither a userId nor a device"),
        ('{"message": {"name": "x"}}', "a message needs an object with 'id'"),
        ('{"userId": "u", "created": "soon"}', "could not convert"),
        ('{"userId": "u", "events": []} {}', "not a line of JSON"),
        ('{"userId": ["u1"]}', "not a seed: userId is not text"),
        ('{"userId": "u1", "devices": [{"deviceId": {}}]}', "not a seed: deviceId is not text"),
        ('{"userId": "u1", "created": "1e400"}', "not a seed: created is not a number"),
        (
            '{"userId": "u1", "events": {"buy": {"count": "x"}}}',
            "not a seed: count of events is not a number",
        ),
        ('{"userId": "u1", "states": {"main": 3}}', "not a seed: main is not an object"),
    ],
)
def test_a_bad_seed_names_its_line(tmp_path: Path, line: str, sentence: str) -> None:
    path = tmp_path / "bad.ndjson"
    path.write_text('{"userId": "ok"}\n\n' + line + "\n")
    with pytest.raises(emulator.EmulatorError, match=rf"bad\.ndjson:3: .*{sentence}"):
        emulator.create_app(seeds=[path])


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_seed_may_be_compressed_and_says_if_it_is_damaged(
    start: Callable[..., Caller], tmp_path: Path, suffix: str
) -> None:
    line = b'{"userId": "u"}\n'
    packed = gzip.compress(line) if suffix == ".gz" else zstandard.compress(line)
    path = tmp_path / f"seed.ndjson{suffix}"
    path.write_bytes(packed)
    assert start(seeds=[path]).user("u")["userId"] == "u"
    path.write_bytes(b"damaged")
    with pytest.raises(emulator.EmulatorError, match="can't be read"):
        emulator.create_app(seeds=[path])


@pytest.mark.parametrize(
    ("users", "content", "sentence"),
    [
        (
            1000,
            b'{"userId": "u", "x": "' + b"a" * 3_000_000 + b'"}',
            "the line is longer than 2,000,000 bytes",
        ),
        (100, b"\n" * 3_000_000, "expands to more than 250 times the compressed size"),
    ],
    ids=["line", "expansion"],
)
@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_small_seed_that_expands_is_refused(
    suffix: str, users: int, content: bytes, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / f"seed.ndjson{suffix}"
    # Text that hardly shrinks, so that the long line is within the ratio.
    start = b"".join(b'{"userId": "%s"}\n' % os.urandom(20).hex().encode() for _ in range(users))
    path.write_bytes(
        gzip.compress(start + content) if suffix == ".gz" else zstandard.compress(start + content)
    )
    with pytest.raises(emulator.EmulatorError, match=sentence):
        emulator.create_app(seeds=[path])


def test_a_seed_that_is_not_there_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(emulator.EmulatorError, match="can't be read"):
        emulator.create_app(seeds=[tmp_path / "none.ndjson"])


def test_a_failed_seed_leaves_the_state_as_new(start: Callable[..., Caller], tmp_path: Path) -> None:
    path, state = tmp_path / "seed.ndjson", tmp_path / "state.db"
    path.write_text('{"userId": "a"}\noops\n')
    with pytest.raises(emulator.EmulatorError):
        emulator.create_app(seeds=[path], state=state)
    path.write_text('{"userId": "b"}\n')
    caller = start(seeds=[path], state=state)
    assert ["warning" in caller.user(name) for name in ("a", "b")] == [True, False]


def test_a_state_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "state.db")
    database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(emulator.EmulatorError, match="newer version"):
        emulator.create_app(state=tmp_path / "state.db")


def test_a_state_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but quite some text\n" * 50)
    with pytest.raises(emulator.EmulatorError, match="can't be used"):
        emulator.create_app(state=tmp_path / "notes.txt")


def test_a_state_file_in_a_place_that_can_not_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for state in (tmp_path / "file" / "state.db", tmp_path):
        with pytest.raises(emulator.EmulatorError, match="can't be used"), emulator.running(state=state):
            pass


def test_many_users_are_seeded_and_dumped(start: Callable[..., Caller]) -> None:
    caller = start(tuple({"userId": f"u{n:05}", "userAttributes": {"n": n}} for n in range(12_000)))
    dump = requests.get(f"{caller.url}/_emulator/dump", timeout=300).content.splitlines()
    assert [orjson.loads(line)["userId"] for line in dump] == [f"u{n:05}" for n in range(12_000)]
