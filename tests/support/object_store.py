"""An S3 for tests: moto, served on loopback in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import obstore
from waiting import wait_for

SECRET = "secret-not-in-any-message"


@dataclass(frozen=True, slots=True)
class ObjectStore:
    endpoint: str
    bucket: str = "exports"

    @property
    def environ(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": SECRET}

    @property
    def options(self) -> dict[str, str]:
        return {"endpoint": self.endpoint, "region": "us-east-1"}

    def store(self) -> Any:
        config = {
            **self.options,
            "access_key_id": "test",
            "secret_access_key": SECRET,
        }
        return obstore.store.S3Store(self.bucket, config=config, client_options={"allow_http": True})

    def put(self, files: Mapping[str, bytes]) -> None:
        for path, content in files.items():
            obstore.put(self.store(), path, content)


@contextmanager
def serving_objects() -> Iterator[ObjectStore]:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    environ = {**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": SECRET}
    command = Path(sys.executable).with_name("moto_server")
    process = subprocess.Popen(
        [command, "-H", "127.0.0.1", "-p", str(port)],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    store = ObjectStore(f"http://127.0.0.1:{port}")
    try:
        wait_for(lambda: _answers(store, process))
        request = urllib.request.Request(f"{store.endpoint}/{store.bucket}", method="PUT")
        with urllib.request.urlopen(request):
            pass
        yield store
    finally:
        process.terminate()
        process.wait(timeout=600)


def _answers(store: ObjectStore, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "moto ended"
    try:
        with urllib.request.urlopen(store.endpoint):
            return True
    except OSError:
        return False
