"""One action, one call: keys put in, refusals sorted out, reads repeated."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final

import orjson

from leanplum_sync.client.backoff import RETRIES, Randomness, delays_seconds
from leanplum_sync.client.credentials import Connection, Keys
from leanplum_sync.client.http import BeforeWrite, Request, Response, Transport
from leanplum_sync.clock import Clock
from leanplum_sync.errors import (
    ApiError,
    NoAnswerError,
    NotSentError,
    RateLimitedError,
    RejectedError,
    UnexpectedResponseError,
)
from leanplum_sync.wire.action import Action, Json
from leanplum_sync.wire.catalogue import ACTIONS, API_VERSION, KeyClass
from leanplum_sync.wire.envelope import RefusalKind, is_server_error, read_elements, refusal, sentence

_JSON: Final = {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json"}


class Calls:
    """
    Calls of one app. Keys travel in the body, never in a URL, where proxies and logs would keep them.

    ``unknown`` failures, answers of 5xx included, come out as ``NoAnswerError``.
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
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._transport = transport
        self._clock = clock
        self._randomness = randomness or random.Random()  # noqa: S311 - spreads retries, keeps no secret
        self._retries = retries

    @property
    def connection(self) -> Connection:
        return self._connection

    def now(self) -> float:
        return self._clock.now()

    def body(self, key_class: KeyClass, fields: Mapping[str, Json]) -> bytes:
        return orjson.dumps(
            {
                "appId": self._connection.app_id,
                "clientKey": self._keys.key(key_class),
                "apiVersion": API_VERSION,
                **fields,
            }
        )

    def post(self, action: str, body: bytes, before_write: BeforeWrite | None = None) -> Response:
        return self._transport.send(
            Request("POST", f"{self._connection.url}?action={action}", body, _JSON), before_write
        )

    def once(self, action: Action, key_class: KeyClass | None = None) -> Mapping[str, Json]:
        """
        Call *action* alone and return its element, which may carry a warning.

        Raises:
            CredentialError: a key is missing, or was refused.
            NotSentError, RateLimitedError: nothing was carried out, and later it may be.
            RejectedError: the API refused the call.
            NoAnswerError, UnexpectedResponseError: it may have been carried out.
        """
        key_class = key_class or ACTIONS[action.name].key_class
        response = self.post(action.name, self.body(key_class, action.arguments))
        return self.only_element(response, key_class)

    def repeatedly(
        self,
        action: Action,
        key_class: KeyClass | None = None,
        *,
        on_rate_limit: Callable[[], None] | None = None,
    ) -> Mapping[str, Json]:
        """As ``once``, for actions that may be repeated: after 429, 5xx or no answer, ask again by the schedule."""
        for delay in delays_seconds(self._randomness, self._retries):
            try:
                return self.once(action, key_class)
            except (RateLimitedError, NotSentError, NoAnswerError) as error:
                if on_rate_limit and isinstance(error, RateLimitedError):
                    on_rate_limit()
                self._clock.sleep(delay)
        return self.once(action, key_class)

    def only_element(self, response: Response, key_class: KeyClass) -> Mapping[str, Json]:
        """Return the element of an answer to one action; errors as for ``once``."""
        try:
            elements = read_elements(response.status, response.body)
        except UnexpectedResponseError:
            raise _without_elements(response.status) from None
        if len(elements) != 1:
            raise UnexpectedResponseError(f"Leanplum answered one action with {len(elements)} elements.")
        element = elements[0]
        if refused := refusal(response.status, element, alone=True):
            match refused.kind:
                case RefusalKind.KEY:
                    raise self._keys.refused(key_class, refused.message)
                case RefusalKind.RATE_LIMITED:
                    raise RateLimitedError(
                        f"Leanplum asks for fewer requests ({refused.message}).",
                        status=refused.status,
                        reason=refused.message,
                    )
                case RefusalKind.BUG:
                    raise _rejected(refused.status, refused.message)
        if is_server_error(response.status) and not element["success"]:
            raise NoAnswerError(f"Leanplum failed with HTTP {response.status}: {sentence(element)}")
        if not element["success"] or element.get("error") is not None:
            raise _rejected(response.status, sentence(element))
        return element


def _rejected(status: int, reason: str) -> RejectedError:
    return RejectedError(f"Leanplum refused the call (HTTP {status}): {reason}", status=status, reason=reason)


def _without_elements(status: int) -> ApiError:
    if status == 429:  # noqa: PLR2004 - the number every reader knows
        return RateLimitedError("Leanplum asks for fewer requests (HTTP 429).", status=status)
    if is_server_error(status):
        return NoAnswerError(f"Leanplum failed with HTTP {status} and no readable answer.")
    return UnexpectedResponseError(
        f"The answer (HTTP {status}) isn't Leanplum's: is LEANPLUM_API_URL, or a proxy, at fault?"
    )
