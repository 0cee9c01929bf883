"""
Turns the bytes of a response into outcomes.

The body is read first and the status second: a batch whose actions were carried out can be answered with HTTP 404
(recorded), and a 200 only says that the call was received.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Final, TypeAlias

import orjson

from leanplum_sync.bounds import ANSWER_PARTS
from leanplum_sync.errors import UnexpectedResponseError
from leanplum_sync.wire.action import Action, DeliveryClass, Json
from leanplum_sync.wire.catalogue import delivery_class
from leanplum_sync.wire.outcome import ActionOutcome, Outcome


class RefusalKind(StrEnum):
    RATE_LIMITED = "rate limited"  # for now: the same call may be sent again
    KEY = "key"  # the API doesn't accept the key, app or mode: other calls would fail too
    BUG = "bug"  # the call itself is wrong: it would be refused again


@dataclass(frozen=True, slots=True)
class Answered:
    """One outcome per action, in the order of the actions, and the elements they were read from."""

    outcomes: tuple[ActionOutcome, ...]
    elements: tuple[Mapping[str, Json], ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """The whole call was refused: none of its actions was carried out."""

    status: int
    message: str
    kind: RefusalKind


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The response proves nothing, so every action of the call is in doubt."""

    reason: str


BatchAnswer: TypeAlias = Answered | Refused | Unreadable

# Texts change without notice, so only their beginning is compared, in lower case. An unknown warning counts as
# "not carried out". Source of the three: recorded traffic, where the actions beside them took effect.
ADVISORY_WARNINGS: Final = (
    "device clock skew detected",
    "past event detected",
    "anomaly detected",
)
# Source: Leanplum's SDKs, which treat these as permanent failures of the whole call.
_KEY_ERRORS: Final = ("invalid access key", "app not found", "development mode requested")
_ENDPOINT_ERRORS: Final = ("app endpoint configuration mismatch",)
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?")
# Source: Leanplum docs, responses: strict device locking and the limits of devMode.
_RATE_ERRORS: Final = (
    "request failed due to concurrent requests",
    "per device rate limit exceeded",
    "too many requests",
)
# Source for 408: the SDKs see it where devMode is limited, and send again.
_RATE_STATUSES: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)


def read_elements(status: int, body: bytes) -> tuple[Mapping[str, Json], ...]:
    """
    Return the elements of ``{"response": [...]}``, each of which has a boolean ``success``.

    Unknown keys are kept in the elements, and ignored beside ``response`` (newer servers add ``migrateState``).

    Raises:
        UnexpectedResponseError: *body* has another shape. No bytes raise anything else.
    """
    # An empty list or object takes 20 times the memory of its two bytes.
    if body.count(b"[") + body.count(b"{") > ANSWER_PARTS.most:
        raise UnexpectedResponseError(f"The API returned HTTP {status} with more than {ANSWER_PARTS}.")
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise UnexpectedResponseError(
            f"The API returned HTTP {status} with a body that isn't JSON."
        ) from None
    elements = parsed.get("response") if isinstance(parsed, dict) else None
    if not isinstance(elements, list):
        raise UnexpectedResponseError(f'The API returned HTTP {status} without a list named "response".')
    if not all(
        isinstance(element, dict) and isinstance(element.get("success"), bool) for element in elements
    ):
        raise UnexpectedResponseError(
            f'The API returned HTTP {status} with an element that has no "success".'
        )
    return tuple(elements)


def read_batch_answer(status: int, body: bytes, actions: Sequence[Action], ids: Sequence[str]) -> BatchAnswer:
    """
    Return what the response to one ``multi`` of *actions* proves; *ids* are the ``reqId`` each was sent with.

    Elements that echo a ``reqId`` are matched by it, others by their position.
    """
    try:
        elements = read_elements(status, body)
    except UnexpectedResponseError as error:
        return _judge_by_status(status, str(error))
    if moved := next(filter(None, map(moved_host, elements)), None):
        # It is not known whether the server carried the call out before redirecting.
        return Unreadable(moved_sentence(moved))
    if len(elements) == 1 and (refused := refusal(status, elements[0], alone=len(actions) == 1)):
        if refused.kind is RefusalKind.BUG and not _may_be_repeated(status, actions):
            return Unreadable(
                f"The API returned HTTP {status} with one element for {len(actions)} actions: {refused.message}"
            )
        return refused
    if elements and all(map(_blames_the_key, elements)):
        return Refused(status, sentence(elements[0]), RefusalKind.KEY)
    if len(elements) == 1 and is_server_error(status) and not elements[0]["success"]:
        # One element can't say how far the server got before it failed.
        return Unreadable(f"The API returned HTTP {status}: {sentence(elements[0])}")
    if len(elements) != len(actions):
        return Unreadable(
            f"The API returned HTTP {status} with {len(elements)} elements for {len(actions)} actions."
        )
    ordered = _in_order(elements, ids)
    if ordered is None:
        return Unreadable("The API returned request ids that were not sent.")
    outcomes = tuple(read_outcome(element, action) for element, action in zip(ordered, actions, strict=True))
    return Answered(outcomes, tuple(ordered))


def _may_be_repeated(status: int, actions: Sequence[Action]) -> bool:
    """
    Whether a refusal in words that are not recorded for whole calls can be believed.

    Source for 403: Leanplum docs, above 50 users or 500 actions the whole call is ignored. Otherwise the API may have done
    the work and answered with one element, so an action that must not happen twice stays in doubt.
    """
    if status == HTTPStatus.FORBIDDEN:
        return True
    return all(delivery_class(action) is DeliveryClass.REPEATABLE for action in actions)


def refusal(status: int, element: Mapping[str, Json], *, alone: bool) -> Refused | None:
    """
    Return why the whole call was refused, judged by its only *element*; None if it wasn't.

    With one action (*alone*), a failing element may be that action's own, so its message or status must speak of the
    call. With more, one failing element can only mean the call, unless the server itself failed.
    """
    if element["success"]:
        return None
    message = sentence(element)
    lowered = message.lower()
    if lowered.startswith(_KEY_ERRORS) or status == HTTPStatus.UNAUTHORIZED:
        return Refused(status, message, RefusalKind.KEY)
    if lowered.startswith(_RATE_ERRORS) or status in _RATE_STATUSES:
        return Refused(status, message, RefusalKind.RATE_LIMITED)
    if status == HTTPStatus.FORBIDDEN:
        # A lone action can't be too large a batch, which leaves the key.
        return Refused(status, message, RefusalKind.KEY if alone else RefusalKind.BUG)
    if alone or is_server_error(status):
        return None
    return Refused(status, message, RefusalKind.BUG)


def read_outcome(element: Mapping[str, Json], action: Action) -> ActionOutcome:
    """
    Return what became of *action*, by its own *element*.

    A counted message has gone, whatever else the element says: to call it skipped or rejected would let a later plan send
    it again. An error beside ``success: true`` is documented and was never seen; where doing a thing twice does harm, it
    leaves a doubt.
    """
    if action.name == "sendMessage" and _has_sent(element):
        said = element.get("error") is not None or element.get("warning") is not None
        return ActionOutcome(Outcome.DONE, sentence(element) if said else "", advisory=said)
    if (
        element["success"]
        and element.get("error") is not None
        and delivery_class(action) is not DeliveryClass.REPEATABLE
    ):
        return ActionOutcome(Outcome.IN_DOUBT, sentence(element))
    if not element["success"] or element.get("error") is not None:
        return ActionOutcome(Outcome.REJECTED, sentence(element))
    warning = element.get("warning")
    ignored = element.get("ignored") is True or (isinstance(warning, dict) and warning.get("ignored") is True)
    if warning is None and not ignored:
        return _without_warning(element, action)
    message = _message(warning) or "The API ignored the action."
    if not ignored and message.lower().startswith(ADVISORY_WARNINGS):
        plain = _without_warning(element, action)
        return (
            plain
            if plain.outcome is not Outcome.DONE
            else ActionOutcome(Outcome.DONE, message, advisory=True)
        )
    return ActionOutcome(Outcome.SKIPPED, message)


def _has_sent(element: Mapping[str, Json]) -> bool:
    sent = element.get("messagesSent")
    return isinstance(sent, int | float) and not isinstance(sent, bool) and sent >= 1


def moved_host(element: Mapping[str, Json]) -> str | None:
    """
    Return the host that an element sends its caller to, None if it doesn't; "another host" if it names none.

    Source: fixtures of Leanplum's iOS and JavaScript SDKs, in which ``apiHost`` says so, whatever the message.
    """
    if element["success"]:
        return None
    host = element.get("apiHost")
    if isinstance(host, str) and host:
        return host if _HOST.fullmatch(host) else "another host"
    return "another host" if sentence(element).lower().startswith(_ENDPOINT_ERRORS) else None


def moved_sentence(host: str) -> str:
    return (
        f"Leanplum says that this app has moved to {host}. leanplum-sync does not switch hosts by itself."
        " If you expected the move, set LEANPLUM_API_URL to the new host and run again."
    )


def _blames_the_key(element: Mapping[str, Json]) -> bool:
    return not element["success"] and sentence(element).lower().startswith(_KEY_ERRORS)


def sentence(element: Mapping[str, Json]) -> str:
    """Return the API's reason why *element* failed or was skipped."""
    return _message(element.get("error")) or _message(element.get("warning")) or "The API gave no reason."


def is_server_error(status: int) -> bool:
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _judge_by_status(status: int, reason: str) -> BatchAnswer:
    match status:
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Refused(status, "Too many requests.", RefusalKind.RATE_LIMITED)
        case HTTPStatus.FORBIDDEN:
            return Refused(status, reason, RefusalKind.BUG)
        case _:
            return Unreadable(reason)


def _in_order(
    elements: Sequence[Mapping[str, Json]], ids: Sequence[str]
) -> Sequence[Mapping[str, Json]] | None:
    echoed = [element.get("reqId") for element in elements]
    if all(request_id is None for request_id in echoed):
        return elements
    by_id = {
        request_id: element
        for request_id, element in zip(echoed, elements, strict=True)
        if isinstance(request_id, str)
    }
    if len(by_id) != len(ids) or by_id.keys() != set(ids):
        return None
    return [by_id[request_id] for request_id in ids]


def _without_warning(element: Mapping[str, Json], action: Action) -> ActionOutcome:
    sent = element.get("messagesSent")
    if action.name == "sendMessage" and isinstance(sent, int | float) and sent < 1:
        return ActionOutcome(
            Outcome.SKIPPED,
            "No message was sent: the user is outside the message's audience, or the message isn't active with "
            "manual delivery.",
        )
    return ActionOutcome(Outcome.DONE)


def _message(part: Json) -> str:
    match part:
        case {"message": str(message)} | str(message):
            return message
        case _:
            return ""
