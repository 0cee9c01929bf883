"""
Finds out the class of a key, by calls that change nothing and are not billed.

For each class there is one action that it permits; what the call returns doesn't matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from leanplum_sync.client.calls import Calls, only_one, rejected
from leanplum_sync.client.credentials import Connection, Keys
from leanplum_sync.client.http import Response, Transport
from leanplum_sync.clock import Clock
from leanplum_sync.errors import NoAnswerError, RateLimitedError
from leanplum_sync.wire.action import Action
from leanplum_sync.wire.catalogue import KeyClass
from leanplum_sync.wire.envelope import RefusalKind, is_server_error, read_elements, refusal, sentence

# The order matters. The development key permits everything that the production key does (SDKs' developer
# mode relies on that), so it comes before it. The two read-only classes come first: nothing says whether
# the server checks the key or the job first, and a job that doesn't exist must not make them look like
# development keys.
_PROBES: Final = (
    (KeyClass.DATA_EXPORT, Action("listPostbacks", {})),
    (KeyClass.CONTENT_READ_ONLY, Action("getUnsubscribeCategories", {})),
    (KeyClass.DEVELOPMENT, Action("getMultiResults", {"jobId": "leanplum-sync-doctor"})),
    (KeyClass.PRODUCTION, Action("getAndroidNotificationChannels", {})),
)
_UNKNOWN_APP: Final = "app not found"  # Source: Leanplum's SDKs, which match this beginning


@dataclass(frozen=True, slots=True)
class Probed:
    """
    *key_class* is None for a key that permits nothing.

    *skew_seconds*: how far the server's clock is ahead of ours.
    """

    key_class: KeyClass | None
    knows_app: bool
    skew_seconds: float | None


def probe(key: str, connection: Connection, transport: Transport, clock: Clock) -> Probed:
    """
    Return the class of *key*, after at most four calls.

    Raises:
        NotSentError, NoAnswerError, RejectedError, RateLimitedError, UnexpectedResponseError: it can't be determined.
    """
    skew: float | None = None
    for key_class, action in _PROBES:
        calls = Calls(connection, Keys.of({key_class: key}), transport, clock)
        response = calls.post(action.name, calls.body(key_class, action.arguments))
        skew = calls.host_ahead_seconds
        reason = _refusal_of_key(response)
        if reason is None:
            return Probed(key_class, knows_app=True, skew_seconds=skew)
        if reason.lower().startswith(_UNKNOWN_APP):
            return Probed(None, knows_app=False, skew_seconds=skew)
    return Probed(None, knows_app=True, skew_seconds=skew)


def _refusal_of_key(response: Response) -> str | None:
    """Return the API's reason why the key is not sufficient, None if it is."""
    if is_server_error(response.status):
        raise NoAnswerError(f"Leanplum failed with HTTP {response.status}.")
    if response.status == HTTPStatus.TOO_MANY_REQUESTS:
        raise RateLimitedError(
            "Leanplum refused the call because of its rate limit (HTTP 429).", status=response.status
        )
    element = only_one(read_elements(response.status, response.body))
    refused = refusal(response.status, element, alone=True)
    if refused is None:
        return None
    if refused.kind is RefusalKind.KEY:
        return refused.message
    raise rejected(response.status, sentence(element))
