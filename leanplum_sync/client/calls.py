"""Makes single calls: adds the keys, interprets refusals, and retries."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Final, TypeAlias, TypeVar

import orjson

from leanplum_sync.client.backoff import RETRIES, Randomness, delays_seconds
from leanplum_sync.client.credentials import Connection, Keys
from leanplum_sync.client.host_clock import seconds_ahead
from leanplum_sync.client.http import BeforeWrite, Request, Response, Transport
from leanplum_sync.client.meter import Metered, OnSpent, metering, unmetered
from leanplum_sync.client.migration import MigrationWatch
from leanplum_sync.clock import Clock
from leanplum_sync.errors import (
    ApiError,
    CredentialError,
    MovedError,
    NoAnswerError,
    NotSentError,
    RateLimitedError,
    RejectedError,
    UnexpectedResponseError,
)
from leanplum_sync.wire.action import Action, Json
from leanplum_sync.wire.catalogue import ACTIONS, API_VERSION, KeyClass
from leanplum_sync.wire.envelope import (
    RefusalKind,
    Refused,
    is_server_error,
    moved_host,
    moved_sentence,
    read_elements,
    refusal,
    sentence,
)

_JSON: Final = {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json"}
_NOT_CARRIED_OUT: Final = (RateLimitedError, NotSentError)

T = TypeVar("T")
OnRetry: TypeAlias = Callable[
    [ApiError, int, float], None
]  # the failure, which attempt it was, and the seconds to wait


def nobody(error: ApiError, attempt: int, seconds: float) -> None:
    """Tell nobody about a retry."""


class Calls:
    """
    Calls to one app. Keys are sent in the body, never in a URL, which proxies and logs would keep.

    A failure that doesn't show whether the call was carried out, including 5xx, is a ``NoAnswerError``.

    *host_ahead_seconds* is how far the host's clock is ahead of ours by its last response, None if no response showed it.
    """

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        transport: Transport,
        clock: Clock,
        *,
        randomness: Randomness | None = None,
        retries: int = RETRIES,
        on_retry: OnRetry = nobody,
        on_spent: OnSpent = unmetered,
    ) -> None:
        self._connection = connection
        self.keys = keys
        self._transport = transport
        self.clock = clock
        self._randomness = randomness or random.Random()  # noqa: S311 - spreads retries, keeps no secret
        self._retries = retries
        self._on_retry = on_retry
        self.on_spent = on_spent
        self._migration = MigrationWatch()
        self.host_ahead_seconds: float | None = None

    def credentials(self, key_class: KeyClass) -> dict[str, str]:
        key = self.keys.key(key_class)
        return {"appId": self._connection.app_id, "clientKey": key, "apiVersion": API_VERSION}

    def body(self, key_class: KeyClass, fields: Mapping[str, Json]) -> bytes:
        return orjson.dumps({**self.credentials(key_class), **fields})

    def batch_body(
        self, key_class: KeyClass, actions: Sequence[Action], request_ids: Sequence[str], batch_id: str
    ) -> bytes:
        """
        Return the body of a ``multi``, with the ``uuid`` and ``reqId`` that SDKs send: servers may echo and
        recognise them.
        """
        data = [
            {**action.payload(), "reqId": request_id}
            for action, request_id in zip(actions, request_ids, strict=True)
        ]
        return self.body(key_class, {"time": self.clock.now(), "uuid": batch_id, "data": data})

    def post(
        self,
        action: str,
        body: bytes,
        before_write: BeforeWrite | None = None,
        headers: Mapping[str, str] = _JSON,
    ) -> Response:
        self._migration.check()
        request = Request("POST", f"{self._connection.url}?action={action}", body, headers)
        before = self.clock.now()
        response = self._transport.send(request, before_write)
        ahead = seconds_ahead(response.date, (before + self.clock.now()) / 2)
        self.host_ahead_seconds = self.host_ahead_seconds if ahead is None else ahead
        self._migration.observe(response.body)
        return replace(response, body=self.keys.hidden(response.body))

    def metered(self, actions: Sequence[Action]) -> AbstractContextManager[Metered]:
        """Count the billable lookups of the request with *actions* that is made within the block, see ``metering``."""
        return metering(actions, self.on_spent)

    def once(
        self,
        action: Action,
        key_class: KeyClass | None = None,
        *,
        shown: Callable[[str], str] = str,
    ) -> Mapping[str, Json]:
        """
        Call *action* alone and return its element, which may carry a warning. *shown* returns what errors show of the API's words.

        Raises:
            CredentialError: a key is missing, or was refused.
            NotSentError, RateLimitedError: nothing was carried out, and later it may be.
            RejectedError: the API refused the call.
            NoAnswerError, UnexpectedResponseError: it may have been carried out.
        """
        key_class = key_class or ACTIONS[action.name].key_class
        with self.metered([action]):
            response = self.post(action.name, self.body(key_class, action.arguments))
            return self.only_element(response, key_class, shown=shown)

    def retrying(
        self,
        attempt: Callable[[], T],
        *,
        repeatable: bool = True,
        on_rate_limit: Callable[[], None] | None = None,
    ) -> T:
        """
        Try *attempt* up to four times, with the waits that Leanplum documents.

        Retries after 429 and when nothing was sent; after 5xx and lost responses only if *attempt* is *repeatable*.
        """
        again_after = _NOT_CARRIED_OUT + ((NoAnswerError,) if repeatable else ())
        for number, delay in enumerate(delays_seconds(self._randomness, self._retries), start=1):
            try:
                return attempt()
            except again_after as error:
                if on_rate_limit and isinstance(error, RateLimitedError):
                    on_rate_limit()
                self._on_retry(error, number, delay)
                self.clock.sleep(delay)
        return attempt()

    def only_element(
        self, response: Response, key_class: KeyClass, *, shown: Callable[[str], str] = str
    ) -> Mapping[str, Json]:
        """Return the element of a response to one action; errors as for ``once``."""
        try:
            elements = read_elements(response.status, response.body)
        except UnexpectedResponseError:
            raise _without_elements(response.status) from None
        element = only_one(elements)
        words = shown(sentence(element))
        if refused := refusal(response.status, element, alone=True):
            raise self.error_of(replace(refused, message=words), key_class)
        if is_server_error(response.status) and not element["success"]:
            raise NoAnswerError(f"Leanplum failed with HTTP {response.status}: {words}")
        if not element["success"] or element.get("error") is not None:
            raise rejected(response.status, words)
        return element

    def error_of(self, refused: Refused, key_class: KeyClass) -> CredentialError | RejectedError:
        match refused.kind:
            case RefusalKind.KEY:
                return self.keys.refused(key_class, refused.message)
            case RefusalKind.RATE_LIMITED:
                return RateLimitedError(
                    f"Leanplum refused the call because of its rate limit ({refused.message}).",
                    status=refused.status,
                    reason=refused.message,
                )
            case RefusalKind.BUG:
                return rejected(refused.status, refused.message)


def only_one(elements: Sequence[Mapping[str, Json]]) -> Mapping[str, Json]:
    """
    Return the element of a response to one action.

    Raises:
        UnexpectedResponseError: there are none or several.
        MovedError: the app is on another host.
    """
    if len(elements) != 1:
        raise UnexpectedResponseError(f"Leanplum returned {len(elements)} elements for one action.")
    if host := moved_host(elements[0]):
        raise MovedError(moved_sentence(host), host=host)
    return elements[0]


def rejected(status: int, reason: str) -> RejectedError:
    return RejectedError(f"Leanplum refused the call (HTTP {status}): {reason}", status=status, reason=reason)


def _without_elements(status: int) -> ApiError:
    if status == 429:  # noqa: PLR2004 - the number every reader knows
        return RateLimitedError(
            "Leanplum refused the call because of its rate limit (HTTP 429).", status=status
        )
    if is_server_error(status):
        return NoAnswerError(f"Leanplum failed with HTTP {status} and no readable response.")
    return UnexpectedResponseError(
        f"The response (HTTP {status}) did not come from Leanplum. Check LEANPLUM_API_URL, and any proxy in between."
    )
