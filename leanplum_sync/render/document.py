"""JSON documents for machines: each names its format and version first."""

from __future__ import annotations

import json
from typing import Any

from leanplum_sync.render.values import Masked


def document(name: str, version: int, /, **content: Any) -> str:
    """
    Return ``{"format": "leanplum-sync/<name>", "version": <version>, ...}``, indented, in ASCII only.

    ASCII, because values are other people's text, and a document is also looked at in a terminal.
    """
    body = {"format": f"leanplum-sync/{name}", "version": version, **content}
    return json.dumps(body, indent=2, default=_masked).replace("\x7f", "\\u007f") + "\n"


def _masked(value: Any) -> Any:
    if isinstance(value, Masked):
        return {"sensitive": value.fingerprint}
    raise TypeError(f"{type(value).__name__} has no place in a document")
