"""The answers that a test declares reach the emulators of every process that it starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from files import ndjson, write_files
from shell import Serve, Shell

from leanplum_sync import emulator

_FILES = {
    "leanplum-sync.yaml": """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  environments: {try: {emulator: embedded, seed: seed.ndjson}}
""",
    "seed.ndjson": ndjson({"userId": "u1", "userAttributes": {"visits": 25}}),
}
_CALL = ("call", "exportUser", "userId=u1")


def _exported(url: str) -> str:
    query = {
        "action": "exportUser",
        "appId": emulator.APP_ID,
        "clientKey": emulator.KEYS["data_export"],
        "apiVersion": "1.0.6",
        "userId": "u1",
    }
    return requests.get(f"{url}/api", query, timeout=300).text


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param("25", marks=pytest.mark.doubt(integers="kept")),
        pytest.param("25.0", marks=pytest.mark.doubt(integers="doubles")),
    ],
)
def test_each_emulator_has_them(shown: str, tmp_path: Path, serve: Serve) -> None:
    write_files(tmp_path, _FILES)
    seeds = [tmp_path / "seed.ndjson"]
    with emulator.running(seeds=seeds) as running:
        assert f'"visits":{shown}}}' in _exported(running.url).replace(" ", "")
    assert f'"visits":{shown}}}' in _exported(serve(seeds=seeds).url).replace(" ", "")
    forked, started = Shell(tmp_path), Shell(tmp_path, {"PYTHONPATH": ""})
    for shell in (forked, started):
        assert f'"visits": {shown}\n' in shell.run(*_CALL).stdout
