"""
The API of ``schedules``: users in memory, who it was asked to change and when, and the moods in which it takes a request.

It holds every request against the laws: nobody overtaken sends, no plan that was carried out does, no user is in two requests
at once, and no action comes that no plan holds.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import orjson
from lives import world

from leanplum_sync.address import Subject
from leanplum_sync.client.http import Response
from leanplum_sync.errors import NoAnswerError
from leanplum_sync.wire.profile import Profile, read_profile

if TYPE_CHECKING:
    from schedules import Process, World

USERS: Final = ("ann", "bob", "cem")
# How long a request whose connection is gone may still take effect.
SETTLE_SECONDS: Final = 60.0


# The names in the journal of the world's events, by their names in the app.
EVENTS: Final = {each.name: each.delivery for each in world.DESIRES["events"]}


class Mood(Enum):
    """How the API takes a request."""

    WELL = "well"
    MIXED = "each action has an outcome of its own"
    SHORT = "half of it done, and a short answer"
    UNREADABLE = "half of it done, and no answer in JSON"
    FAILED_AFTER = "done, and HTTP 500"
    RATE_LIMITED = "429"
    TOO_LARGE = "403"
    BAD_KEY = "the key is not accepted"
    UNREACHABLE = "no route"
    LOST_BEFORE = "the connection was cut, and nothing will be done"
    LOST_AFTER = "done, and the connection was cut"
    LOST_LATE = "the connection was cut, and it will be done"


_NEVER_DONE: Final = frozenset(
    {Mood.LOST_BEFORE, Mood.RATE_LIMITED, Mood.TOO_LARGE, Mood.BAD_KEY, Mood.UNREACHABLE}
)
FATES: Final = ("done", "advisory", "warning", "error", "error beside success")


@dataclass(frozen=True)
class Temper:
    """*lag* is the fraction of the settle window after which the work is done at the latest. *fates* are for mixed answers."""

    mood: Mood = Mood.WELL
    lag: float = 0.5
    fates: tuple[str, ...] = ("done",)


@dataclass
class _Request:
    """
    On its way, or at work, until it is *gone*. *counts_from* is when the API may have begun to forget it: when it was
    written, or, later, when its connection ended.
    """

    process: Process
    actions: Sequence[Mapping[str, Any]]
    temper: Temper
    counts_from: float
    is_lost: bool = False
    is_gone: bool = False

    @property
    def users(self) -> frozenset[str]:
        return frozenset(action["userId"] for action in self.actions)

    @property
    def due(self) -> float:
        return self.counts_from + self.temper.lag * SETTLE_SECONDS


class Api:
    """Users in memory, and everything that ever took effect."""

    def __init__(self, clock: World) -> None:
        self._world = clock
        self.tempers: deque[Temper] = deque()
        self.allowed: set[str] = set()  # the actions of all plans that were started
        self.attributes: dict[str, dict[str, Any]] = {user: {"tier": "silver", "visits": 5} for user in USERS}
        self.tokens: dict[str, str] = {}
        self.delivered: Counter[tuple[str, str]] = Counter()  # by user and delivery
        self.ever: set[tuple[str, str, Any]] = set()  # each value that a user ever had
        self.requests: list[_Request] = []
        self.violations: list[str] = []
        # Who is shown when several are asked for, by their places; if nobody, the answer is lost.
        self.shows: frozenset[int] = frozenset({0, 1})

    def element(self, user: str) -> dict[str, Any]:
        device = f"device-{user}"
        devices = [{"deviceId": device, "iosPushToken": self.tokens[device]}] if device in self.tokens else []
        return {
            "success": True,
            "userId": user,
            "userAttributes": dict(self.attributes[user]),
            "devices": devices,
        }

    def profile(self, subject: Subject) -> Profile:
        return read_profile(self.element(subject.id))

    def in_flight(self, user: str) -> bool:
        return any(user in request.users and not request.is_gone for request in self.requests)

    def read(self, process: Process, user: str) -> Response:
        return _response(200, [self._shown(process, user)])

    def read_together(self, process: Process, actions: Sequence[Mapping[str, Any]]) -> Response:
        elements = [
            self._shown(process, action["userId"]) | {"reqId": action["reqId"]}
            if place in self.shows
            else _refusal("Not this one")
            for place, action in enumerate(actions)
        ]
        if not self.shows:
            raise NoAnswerError("The connection was cut.")
        return _response(200, elements)

    def _shown(self, process: Process, user: str) -> dict[str, Any]:
        # One that was overtaken may still read: it can't record what it makes of it.
        if self.in_flight(user) and process.lease.fence == self._world.fence:
            self.violations.append(f"{user} was read with a request of theirs in flight")
        return self.element(user)

    def receive(self, process: Process, body: bytes, temper: Temper) -> _Request:
        request = _Request(process, orjson.loads(body)["data"], temper, self._world.now)
        if process.lease.fence < self._world.fence:
            self.violations.append("a process sent after another one had taken over")
        if process.identity in self._world.carried_out:
            self.violations.append("a plan that was carried out sent something")
        for user in request.users:
            if self.in_flight(user):
                self.violations.append(f"two requests were in flight for {user}")
        self.violations.extend(
            f"an action that no plan holds was sent: {text}"
            for action in request.actions
            if (text := text_of(action)) not in self.allowed
        )
        self.requests.append(request)
        self._world.changes += 1
        return request

    def answer(self, request: _Request) -> Response:
        temper, actions = request.temper, request.actions
        if temper.mood is Mood.LOST_LATE:
            self._lose(request)
        else:
            self._carry_out(request)
        elements = [
            _element(action, fate) for action, fate in zip(actions, self._fates(request), strict=True)
        ]
        match temper.mood:
            case Mood.WELL | Mood.MIXED:
                return _response(200, elements)
            case Mood.SHORT:
                return _response(200, elements[:-1])
            case Mood.UNREADABLE:
                return Response(200, b'{"response": [{"succ')
            case Mood.FAILED_AFTER:
                return _response(500, [_refusal("Internal server error")])
            case Mood.RATE_LIMITED:
                return _response(429, [_refusal("Too many requests")])
            case Mood.TOO_LARGE:
                return _response(403, [_refusal("Too many users")])
            case Mood.BAD_KEY:
                return _response(403, [_refusal("Invalid access key")])
            case _:
                raise NoAnswerError("The connection was cut.")

    def connection_ended(self, process: Process) -> None:
        """Note that a process died: its requests may still take effect for a while."""
        for request in self.requests:
            if request.process is process:
                self._lose(request)

    def tick(self) -> None:
        for request in self.requests:
            if not request.is_gone and request.due <= self._world.now:
                self._carry_out(request)
        self.requests = [request for request in self.requests if not request.is_gone]

    def next_due(self) -> float:
        return min((request.due for request in self.requests if not request.is_gone), default=float("inf"))

    def edit(self, user: str, name: str, value: Any) -> None:
        """Change an attribute as another person would."""
        self.attributes[user][name] = value
        self.ever.add((user, name, value))
        self._world.changes += 1

    def _lose(self, request: _Request) -> None:
        # After a pause nobody waits for that: what was written before it counts from when it was written.
        if not request.is_lost and not request.process.was_paused:
            request.is_lost, request.counts_from = True, self._world.now

    def _fates(self, request: _Request) -> tuple[str, ...]:
        drawn, total = request.temper.fates, len(request.actions)
        if request.temper.mood is not Mood.MIXED:
            return ("done",) * total
        return tuple(drawn[index % len(drawn)] for index in range(total))

    def _carry_out(self, request: _Request) -> None:
        if request.is_gone:
            return
        request.is_gone = True
        self._world.changes += 1
        actions, mood = request.actions, request.temper.mood
        if mood in _NEVER_DONE:
            return
        if mood in (Mood.SHORT, Mood.UNREADABLE):
            actions = actions[: len(actions) // 2]
        for action, fate in zip(actions, self._fates(request), strict=False):
            if fate not in ("warning", "error"):
                self._do(action)

    def _do(self, action: Mapping[str, Any]) -> None:
        user = action["userId"]
        attributes = self.attributes[user]
        match action["action"]:
            case "sendMessage":
                self.delivered[user, "november"] += 1
            case "track":
                self.delivered[user, EVENTS[action["event"]]] += 1
            case "setDeviceAttributes":
                self.tokens[action["deviceId"]] = action["iosPushToken"]
                self.ever.add((user, "iosPushToken", action["iosPushToken"]))
            case _:
                for name, value in action.get("userAttributes", {}).items():
                    attributes[name] = value
                    self.ever.add((user, name, value))
                for name, values in action.get("userAttributeValuesToAdd", {}).items():
                    attributes[name] = sorted({*attributes.get(name, ()), *values})
                    self.ever.update((user, name, value) for value in values)
                for name, amount in action.get("userAttributeValuesToIncrement", {}).items():
                    attributes[name] += amount
                    self.delivered[user, "launch/visits"] += 1
                for name in action.get("events", {}):
                    self.delivered[user, EVENTS[name]] += 1


def wanted(action: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield the values that a user must have, or have had, if the repeatable *action* was done."""
    user = action["userId"]
    for name in ("iosPushToken",):
        if name in action:
            yield user, name, action[name]
    for name, value in action.get("userAttributes", {}).items():
        yield user, name, value
    for name, values in action.get("userAttributeValuesToAdd", {}).items():
        for value in values:
            yield user, name, value


def _element(action: Mapping[str, Any], fate: str) -> dict[str, Any]:
    base = {"reqId": action["reqId"], "success": fate != "error"}
    if action["action"] == "sendMessage":
        base["messagesSent"] = int(fate not in ("warning", "error"))
    match fate:
        case "advisory":
            return base | {"warning": {"message": "Past event detected"}}
        case "warning":
            return base | {"warning": {"message": "User not found"}}
        case "error" | "error beside success":
            return base | {"error": {"message": "Something is wrong with it"}}
        case _:
            return base


def _refusal(message: str) -> dict[str, Any]:
    return {"success": False, "error": {"message": message}}


def _response(status: int, elements: Sequence[Mapping[str, Any]]) -> Response:
    return Response(status, orjson.dumps({"response": elements}))


def text_of(payload: Mapping[str, Any]) -> str:
    return orjson.dumps(
        {name: value for name, value in payload.items() if name != "reqId"}, option=orjson.OPT_SORT_KEYS
    ).decode()
