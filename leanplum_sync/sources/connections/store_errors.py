"""What messages of object stores mean. Libraries have no errors of their own for these, or not for each request."""

from __future__ import annotations

import re
from typing import Final

from leanplum_sync.errors import CredentialError, SourceUnreachableError

# Source: the messages of the crate object_store, which obstore and deltalake are made with; deltalake colors them, and breaks lines.
_DECORATION: Final = re.compile(r"(?:\x1b\[[0-9;]*m|[↳\s])+")
_REFUSED: Final = re.compile("status code:? 40[13]|AccessDenied|Unauthenticated|[Pp]ermission denied")
# Without keys, the library asks the metadata server of the cloud's machines for some. Its addresses are these.
_NO_KEYS: Final = re.compile("latest/api/token|latest/meta-data|computeMetadata|metadata/identity")
_MISDIRECTED: Final = re.compile("status code:? (?:3[0-9][0-9]|400)|incorrectly configured region")
_NO_BUCKET: Final = re.compile("NoSuchBucket|performing list request.*status code:? 404")


def failure_told(name: str, message: str) -> CredentialError | None:
    """Return what to raise for a store's *message* if running the command again can't help; *name* is the connection's."""
    message = _DECORATION.sub(" ", message)
    if _NO_KEYS.search(message):
        return CredentialError(
            f"Connection {name}: no keys for the object store were found. Set the variables of its own tools, such as"
            " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if _REFUSED.search(message):
        return refused(name)
    if _MISDIRECTED.search(message):
        return CredentialError(
            f"Connection {name}: the object store doesn't accept the request. Check the connection's URL, and options such as"
            " `region`."
        )
    return no_bucket(name) if _NO_BUCKET.search(message) else None


def refused(name: str) -> CredentialError:
    return CredentialError(
        f"Connection {name}: the object store refused access (403 or 401). Check its keys and its permissions."
    )


def no_bucket(name: str) -> CredentialError:
    return CredentialError(
        f"Connection {name}: there is no such bucket or folder. Check the connection's URL."
    )


def unreachable(
    name: str, what: str = "the object store can't be reached, or failed"
) -> SourceUnreachableError:
    return SourceUnreachableError(f"Connection {name}: {what}. Nothing was kept. Run the command again.")
