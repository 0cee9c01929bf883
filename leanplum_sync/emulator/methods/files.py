"""Files of the app: uploaded as form parts, downloaded by redirect."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

from leanplum_sync.emulator.arguments import Arguments
from leanplum_sync.emulator.errors import RefusedError, invalid, missing
from leanplum_sync.emulator.work import Element, Work

_MAX_FILES = 16
_MAX_BYTES = 50 * 1024 * 1024


def upload_file(work: Work) -> Element:
    """Take one file (``filename``, part ``file``) or several (``data``, parts ``file0``, ``file1``...)."""
    described = work.arguments.sequence("data")
    single = "filename" in work.arguments
    if single == bool(described):
        raise RefusedError("Either 'filename' and 'file', or 'data' and 'file0', must be provided", 400)
    if len(described) > _MAX_FILES:
        raise RefusedError(f"At most {_MAX_FILES} files per call.", 400)
    if sum(map(len, work.files.values())) > _MAX_BYTES:
        raise RefusedError("At most 50 MB per call.", 400)
    parts = (
        [("file", work.arguments)]
        if single
        else [(f"file{k}", _each(one)) for k, one in enumerate(described)]
    )
    contents = [
        (arguments.required_text("filename"), _checked(work, part, arguments)) for part, arguments in parts
    ]
    for name, content in contents:
        work.transaction.put_file(f"app/{name}", content)
    return {}


def _each(description: Any) -> Arguments:
    if not isinstance(description, dict):
        raise invalid("data")
    return Arguments(description)


def _checked(work: Work, part: str, arguments: Arguments) -> bytes:
    content = work.files.get(part)
    if content is None:
        raise missing(part)
    size, digest = arguments.integer("size"), arguments.text("hash")
    if size is not None and size != len(content):
        raise RefusedError(f"'{part}' is not of the size given.", 400)
    if digest is not None and digest.lower() != hashlib.md5(content, usedforsecurity=False).hexdigest():
        raise RefusedError(f"'{part}' does not have the hash given.", 400)
    return content


def download_file(work: Work) -> Element:
    name = f"app/{work.arguments.required_text('filename')}"
    if work.transaction.file(name) is None:
        raise RefusedError("File not found.", 404)
    work.redirect = file_url(work.base_url, name)
    return {}


def file_url(base_url: str, name: str) -> str:
    return f"{base_url}/_emulator/files/{quote(name)}"
