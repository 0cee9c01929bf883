"""One way in for every database, by the scheme of its URL."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final
from urllib.parse import urlsplit

from leanplum_sync.errors import CredentialError
from leanplum_sync.sources.connections import adbc
from leanplum_sync.sources.connections.reader import Reader

_POSTGRESQL: Final = ("postgresql", "postgres")


def opened(name: str, url: str) -> AbstractContextManager[Reader]:
    """
    Open the connection *name*.

    Raises:
        SourceUnreachableError: the database doesn't answer.
        CredentialError: the URL is none, the database refuses the account, or the driver is not installed.
    """
    scheme = scheme_of(url)
    if scheme in _POSTGRESQL:
        return adbc.opened(name, url)
    raise CredentialError(
        f"Connection {name}: its URL is of no database that can be read. It starts with postgresql://"
    )


def scheme_of(url: str) -> str:
    return url.partition("://")[0].lower() if "://" in url else ""


def target_of(url: str) -> str:
    """Return what tells one database from another in *url*: host and database, but neither user nor password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    query = [each for each in parts.query.split("&") if each.partition("=")[0] in ("host", "port", "dbname")]
    return f"{parts.scheme}://{host}:{port or ''}{parts.path}?{'&'.join(query)}"
