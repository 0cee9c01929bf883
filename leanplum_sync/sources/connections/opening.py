"""One way in for every database, by the scheme of its URL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from leanplum_sync.errors import CredentialError
from leanplum_sync.sources.connections import (
    adbc,
    bigquery,
    duckdb_file,
    flightsql,
    objects,
    snowflake,
    sqlite,
)
from leanplum_sync.sources.connections.reader import Reader
from leanplum_sync.sources.connections.secret_names import SECRET_PARAMETERS, is_secret_option

_POSTGRESQL: Final = ("postgresql", "postgres")
_THROUGH_SQLALCHEMY: Final = "postgresql+"
_RELATIVE: Final = "file://./"
_PASSWORD: Final = re.compile("^([^:/?#]*://[^:@/?#]*):[^@/?#]*@")
# Variables with which an object store's tools choose another store for the same URL.
_CHOOSES_STORE: Final = re.compile(
    r"(?:AWS|AZURE|GOOGLE)_\w*(?:ENDPOINT|ACCOUNT_NAME|EMULATOR|BASE_URL|ACCESS_KEY_ID)\w*"
)


def opened(
    name: str, url: str, root: Path, options: Mapping[str, str], scratch: Path
) -> AbstractContextManager[Reader]:
    """
    Open the connection *name*. *root* is the project folder, *options* are those of an object store, and *scratch* a folder for
    its files.

    Raises:
        SourceUnreachableError: the database doesn't answer.
        CredentialError: the URL is none, the database refuses the account, or the driver is not installed.
    """
    scheme = scheme_of(url)
    if scheme in _POSTGRESQL:
        return adbc.opened(name, url)
    if scheme in objects.SCHEMES:
        return objects.opened(name, _absolute(url, root), options, scratch)
    if scheme == "snowflake":
        return snowflake.opened(name, url)
    if scheme == "bigquery":
        return bigquery.opened(name, url)
    if scheme == "flightsql":
        return flightsql.opened(name, url)
    if scheme == "sqlite":
        return sqlite.opened(name, url, root)
    if scheme == "duckdb":
        return duckdb_file.opened(name, url, root, scratch)
    if scheme.startswith(_THROUGH_SQLALCHEMY):
        from leanplum_sync.sources.connections import through_sqlalchemy  # noqa: PLC0415 - SQLAlchemy takes 0.2 s to import, at each start

        return through_sqlalchemy.opened(name, url)
    raise CredentialError(
        f"Connection {name}: rows can't be read from its URL. It must start with postgresql://,"
        " postgresql+psycopg://, snowflake://, bigquery://, flightsql://, sqlite:///, duckdb:///, s3://, gs://, az://, or file:///"
    )


def _absolute(url: str, root: Path) -> str:
    """Return *url*. A folder may be relative to the project folder *root*: ``file://./lake``."""
    is_relative = url.startswith(_RELATIVE)
    return (root.resolve() / unquote(url.removeprefix(_RELATIVE))).as_uri() if is_relative else url


def scheme_of(url: str) -> str:
    return url.partition("://")[0].lower() if "://" in url else ""


def target_of(
    url: str, options: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None
) -> str:
    """
    Return *url* and *options* without their secrets, to tell apart what may give other rows.

    The account and its search path decide what a query reads, too; and an endpoint, which may also be in *environ*, decides
    whose bucket it is. It is only for hashing: where a URL is malformed, it may have a password.
    """
    told = [f"{name}={text}" for name, text in sorted((options or {}).items()) if not is_secret_option(name)]
    if scheme_of(url) in objects.SCHEMES:
        chosen = (each for each in sorted((environ or {}).items()) if _CHOOSES_STORE.fullmatch(each[0]))
        told += [f"{name}={text}" for name, text in chosen]
    return "\n".join([_without_passwords(url), *told])


def _without_passwords(url: str) -> str:
    address, mark, query = _PASSWORD.sub(r"\1@", url, count=1).partition("?")
    told = [each for each in query.split("&") if each.partition("=")[0].lower() not in SECRET_PARAMETERS]
    return f"{address}{mark}{'&'.join(told)}"
