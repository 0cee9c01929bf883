"""Downloads files: resumes where the connection broke, and checks the size at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http import HTTPStatus
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from leanplum_sync.client.http import Download
from leanplum_sync.errors import InvalidCallError, NoAnswerError, RejectedError

_RANGE: Final = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")
_LATER: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class Streams(Protocol):
    def stream(self, url: str, *, offset: int = 0) -> AbstractContextManager[Download]: ...


def download_once(transport: Streams, url: str, into: Path) -> None:
    """
    Download *url* to *into*. An unfinished download is kept as ``<into>.part`` and resumed by the next call.

    Raises:
        NoAnswerError: the connection broke, or the server is busy: call again to continue.
        RejectedError: the file does not exist, or access is denied.
    """
    part = into.with_name(into.name + ".part")
    offset = part.stat().st_size if part.exists() else 0
    with transport.stream(url, offset=offset) as answer:
        start, total = _extent(answer, offset)
        if start is not None:
            _write(answer.chunks, part, start)
    size = part.stat().st_size
    if total is not None and size != total:
        if size > total:
            part.unlink()
        raise NoAnswerError(f"Only {size} of {total} bytes of {into.name} were downloaded.")
    part.replace(into)


def name_of(url: str, number: int) -> str:
    """Return the last part of *url* as a file name, or one with *number* if it is not a plain name."""
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    return f"file-{number}" if not name or name in (".", "..") or set(name) & set("/\\:\0") else name


def check_address(url: str, *, may_be_plain: bool) -> None:
    """
    Raises:
        InvalidCallError: *url* isn't one to follow.
    """
    scheme = urlsplit(url).scheme
    if scheme != "https" and not (scheme == "http" and may_be_plain):
        raise InvalidCallError(
            "The URL that Leanplum returned for the file is not https, so the file was not downloaded."
        )


def _extent(answer: Download, offset: int) -> tuple[int | None, int | None]:
    """Return where in the file the content of *answer* starts, None if nothing is missing, and the file's size."""
    matched = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    total = int(matched[2]) if matched else None
    match answer.status:
        case HTTPStatus.OK:
            length = answer.headers.get("Content-Length", "")
            return 0, int(length) if length.isdecimal() else None
        case HTTPStatus.PARTIAL_CONTENT if matched and matched[1] and int(matched[1]) == offset:
            return offset, total
        case HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE if offset:
            # There is nothing after the offset: the file is complete, or it is another file. Its size decides.
            return None, total if total is not None else offset - 1
        case status if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise NoAnswerError(f"The file's server returned HTTP {status}.")
        case status:
            raise RejectedError(
                f"The file's server returned HTTP {status}. Export files are deleted after 24 hours.",
                status=status,
            )


def _write(chunks: Iterator[bytes], part: Path, start: int) -> None:
    with part.open("r+b" if part.exists() else "wb") as file:
        file.truncate(start)
        file.seek(start)
        for chunk in chunks:
            file.write(chunk)
