"""
An Azure Blob Storage for tests: Azurite, on loopback in a process of its own.

It needs npm, and is installed in ``build/azurite`` when it is first needed, so only the campaign uses it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Final

import obstore
from ratios import ROOT

AZURE_SECRET: Final = base64.b64encode(
    b"secret-not-in-any-message"
).decode()  # an account's key is always in base64
_AZURITE: Final = "azurite@3.37.0"
_ACCOUNT: Final = "shop"
_VERSION: Final = "2021-08-06"  # of the API
_LISTENS: Final = re.compile(r"successfully listens on (http://\S+)")


@dataclass(frozen=True, slots=True)
class AzureStore:
    endpoint: str
    container: str = "exports"

    @property
    def environ(self) -> dict[str, str]:
        return {"AZURE_STORAGE_ACCOUNT_NAME": _ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": AZURE_SECRET}

    @property
    def options(self) -> dict[str, str]:
        return {"endpoint": f"{self.endpoint}/{_ACCOUNT}"}

    def put(self, files: Mapping[str, bytes]) -> None:
        config: Any = {**self.options, "account_name": _ACCOUNT, "account_key": AZURE_SECRET}
        store = obstore.store.AzureStore(self.container, config=config, client_options={"allow_http": True})
        for path, content in files.items():
            obstore.put(store, path, content)

    def create_container(self) -> None:
        # Source: Azure's documentation, "Authorize with Shared Key". An emulator's path begins with the account, so it is named twice.
        date = formatdate(usegmt=True)
        path = f"/{_ACCOUNT}/{self.container}"
        no_headers = "\n" * 12
        headers = f"x-ms-date:{date}\nx-ms-version:{_VERSION}\n"
        signed = f"PUT{no_headers}{headers}/{_ACCOUNT}{path}\nrestype:container"
        key = hmac.new(base64.b64decode(AZURE_SECRET), signed.encode(), hashlib.sha256).digest()
        request = urllib.request.Request(
            f"{self.endpoint}{path}?restype=container",
            method="PUT",
            headers={
                "x-ms-date": date,
                "x-ms-version": _VERSION,
                "Authorization": f"SharedKey {_ACCOUNT}:{base64.b64encode(key).decode()}",
            },
        )
        with urllib.request.urlopen(request):
            pass


@contextmanager
def serving_azure() -> Iterator[AzureStore]:
    folder = ROOT / "build" / "azurite"
    program = folder / "node_modules/azurite/dist/src/blob/main.js"
    if not program.exists():
        command = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", folder, _AZURITE]
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(command, check=True)
    with tempfile.TemporaryDirectory() as scratch:
        options = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--location", scratch]
        process = subprocess.Popen(
            ["node", program, *options, "--skipApiVersionCheck", "--disableTelemetry"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "AZURITE_ACCOUNTS": f"{_ACCOUNT}:{AZURE_SECRET}"},
        )
        try:
            assert process.stdout is not None
            found = next(filter(None, map(_LISTENS.search, process.stdout)), None)
            assert found is not None, "Azurite ended"
            store = AzureStore(found[1])
            store.create_container()
            yield store
        finally:
            process.terminate()
            process.communicate()
