"""Files of the app, uploaded as a form."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import orjson
from urllib3.filepost import encode_multipart_formdata

from leanplum_sync.errors import InvalidCallError
from leanplum_sync.wire.action import Json

FILES_PER_UPLOAD: Final = 16  # Source: Leanplum OpenAPI, uploadFile
BYTES_PER_UPLOAD: Final = 50 * 1024 * 1024  # Source: as above
_OCTETS: Final = "application/octet-stream"


def encode_upload(credentials: Mapping[str, str], files: Mapping[str, bytes]) -> tuple[bytes, str]:
    """
    Return the body and its content type for *files*, by name.

    One file takes the form ``filename, size, hash, file``; several take ``data`` and ``file0``, ``file1``...

    Raises:
        InvalidCallError: there are no files, or more than one upload takes.
    """
    if not 1 <= len(files) <= FILES_PER_UPLOAD:
        raise InvalidCallError(f"An upload takes 1 to {FILES_PER_UPLOAD} files, not {len(files)}.")
    if sum(map(len, files.values())) > BYTES_PER_UPLOAD:
        raise InvalidCallError("An upload can be at most 50 MB. Split it.")
    described = [_describe(name, content) for name, content in files.items()]
    if len(files) == 1:
        fields = {name: str(value) for name, value in described[0].items()}
        parts = {"file": next(iter(files.values()))}
    else:
        fields = {"data": orjson.dumps(described).decode()}
        parts = {f"file{number}": content for number, content in enumerate(files.values())}
    return encode_multipart_formdata(
        {
            **credentials,
            **fields,
            **{part: (part, content, _OCTETS) for part, content in parts.items()},
        }
    )


def _describe(name: str, content: bytes) -> dict[str, Json]:
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()  # the hash that the API checks
    return {"filename": name, "size": len(content), "hash": digest}
