"""Whatever is done to users, ``exportUser`` tells what a model of its own, made from the API's rules, tells."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import DAY, YEAR, Model
from searching import examples
from starlette.applications import Starlette

from leanplum_sync import emulator

_NOW = 1_700_000_000
_USERS = ("u1", "u2", "u3")
_DEVICES = ("d1", "d2")
_SUBJECTS = [{"userId": user} for user in (*_USERS, *_DEVICES)] + [
    {"deviceId": device} for device in _DEVICES
]

_numbers = st.integers(-5, 5) | st.integers(-(2**53), 2**53) | st.sampled_from([0.5, -2.25, 1.5e9, 1e-4])
_scalars = _numbers | st.booleans() | st.sampled_from(["", "a", "b", "5", "True", "2010-01-01"])
_values = _scalars | st.lists(_scalars, max_size=4)
_items = st.sampled_from(["a", "b", 1, True]) | st.lists(
    st.sampled_from(["a", "b", "c", 1, True]), max_size=3
)
_names = st.sampled_from(["tier", "visits", "Interests", "is new"])
_epochs = st.integers(_NOW - 3 * YEAR, _NOW)
_times = _epochs | _epochs.map(str) | st.sampled_from(["2020-01-01T00:00:00Z"])


def _some(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with any of the fields."""
    return st.fixed_dictionaries({}, optional=optional)


def _one_of(*names: str) -> st.SearchStrategy[dict[str, int]]:
    """Return an object with one of the fields, or none: the API leaves open what both together do."""
    return st.just({}) | st.builds(
        lambda name, value: {name: value}, st.sampled_from(names), st.integers(0, 9)
    )


def _joined(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda found: {key: value for part in found for key, value in part.items()})


_summaries = _joined(
    _one_of("count", "countIncrement"),
    _one_of("value", "valueIncrement"),
    _some(firstTime=_times, lastTime=_times),
).filter(bool)
_states = _joined(_one_of("count", "countIncrement"), _some(firstTime=_times, lastTime=_times)).filter(bool)


def _opting(group: str, items: tuple[str, ...]) -> st.SearchStrategy[dict[str, list[str]]]:
    """Return what is opted out of and into, never both of one: the API leaves that open."""

    def split(choice: dict[str, bool]) -> dict[str, list[str]]:
        out = {f"{group}ToAdd": [item for item, is_out in choice.items() if is_out]}
        into = {f"{group}ToRemove": [item for item, is_out in choice.items() if not is_out]}
        return {name: chosen for name, chosen in (out | into).items() if chosen}

    return st.dictionaries(st.sampled_from(items), st.booleans(), max_size=2).map(split)


_whose = _joined(
    _some(userId=st.sampled_from((*_USERS, *_DEVICES))), _some(deviceId=st.sampled_from(_DEVICES))
)
_common = _joined(_whose, _some(time=st.integers(_NOW - 2 * YEAR, _NOW + 100)))
_creating = _joined(
    _common, _some(createDisposition=st.sampled_from(["CreateIfNeeded", "CreateNever", "CreateIfNeeded"]))
)


def _action(
    name: str, whose: st.SearchStrategy[dict[str, Any]], *parts: st.SearchStrategy[dict[str, Any]]
) -> st.SearchStrategy[dict[str, Any]]:
    return _joined(st.just({"action": name}), whose, *parts)


_set_user = _action(
    "setUserAttributes",
    _creating,
    _some(
        userAttributes=st.dictionaries(_names, st.none() | _values, max_size=3),
        userAttributeValuesToAdd=st.dictionaries(_names, _items, max_size=2),
        userAttributeValuesToRemove=st.dictionaries(_names, _items, max_size=2),
        userAttributeValuesToIncrement=st.dictionaries(_names, _numbers | st.just("5"), max_size=2),
    ),
    _some(
        events=st.dictionaries(st.sampled_from(["Buy", "Visit"]), _summaries, min_size=1, max_size=2),
        states=st.dictionaries(st.sampled_from(["Level", "Shop"]), _states, min_size=1, max_size=2),
    ),
    _opting("unsubscribeChannels", ("Email", "Push Notification", "Webhook")),
    _opting("unsubscribeCategories", ("1", "2", "3")),
    _some(
        created=_epochs,
        lastActive=_epochs,
        totalSessions=st.integers(0, 99),
        timeSpentInApp=st.integers(0, 99),
    ),
    _some(
        city=st.sampled_from(["Oslo", "Rome"]),
        locale=st.just("en_GB"),
        timezoneOffsetSeconds=st.integers(0, 99),
    ),
    _some(
        devices=st.lists(
            _some(deviceId=st.sampled_from(_DEVICES), appVersion=st.just("1.0")), min_size=1, max_size=2
        )
    ),
    _some(newUserId=st.sampled_from(_USERS)),
)
_set_device = _action(
    "setDeviceAttributes",
    _creating,
    _some(
        appVersion=st.sampled_from(["1.0", "2.0", ""]),
        iosPushToken=st.sampled_from(["ab" * 32, ""]),
        deviceModel=st.just("Phone"),
        deviceAttributes=st.just({"systemName": "iOS"}),
    ),
)
_track = _action(
    "track",
    _creating,
    _some(event=st.sampled_from(["Buy", "Visit"]), messageId=st.just(123), value=st.sampled_from([1, 2.5])),
    _some(disposition=st.sampled_from(["active", "passive", "requireActive"])),
    _some(params=st.just({"level": 1})),
)
_start = _action(
    "start",
    _creating,
    _some(
        background=st.booleans(),
        userAttributes=st.dictionaries(_names, st.none() | _values, max_size=2),
        appVersion=st.sampled_from(["1.0", "2.0", ""]),
        city=st.sampled_from(["Oslo", "Rome"]),
    ),
)
_traffic = _action("setTrafficSourceInfo", _creating, st.just({"trafficSource": {"publisherName": "p"}}))
_advance = _action("advance", _creating, _some(state=st.sampled_from(["Level", "Shop", ""])))
_pausing = st.sampled_from(
    [
        "stop",
        "pauseSession",
        "resumeSession",
        "pauseSession",
        "resumeSession",
        "heartbeat",
        "pauseState",
        "resumeState",
    ]
).flatmap(lambda name: _action(name, _creating))
_in_sessions = st.one_of(_start, _start, _traffic, _advance, _pausing, _pausing)
_rarer = st.sampled_from(["deleteUser", "block", "unblock"]).flatmap(lambda name: _action(name, _common))
_actions = st.one_of(_set_user, _set_user, _set_device, _track, _in_sessions, _in_sessions, _rarer)


@dataclass(frozen=True)
class Request:
    """A call. *late* is by how much a multi's ``time`` is behind; ``None``: it has none."""

    actions: list[dict[str, Any]]
    is_multi: bool
    pause: int
    late: int | None
    is_sent_twice: bool


_requests = st.builds(
    Request,
    actions=st.lists(_actions, min_size=1, max_size=4),
    is_multi=st.just(True),
    pause=st.integers(0, 5000),
    late=st.none() | st.sampled_from([0, -30, 40, DAY - 1, DAY, 3 * DAY]),
    is_sent_twice=st.booleans(),
) | st.builds(
    Request,
    actions=st.lists(_actions, min_size=1, max_size=1),
    is_multi=st.just(False),
    pause=st.integers(0, 5000),
    late=st.none(),
    is_sent_twice=st.just(False),
)


class Emulator:
    """The application without a server, and the clock it is given."""

    def __init__(self) -> None:
        self.now = _NOW
        self.app: Starlette = emulator.create_app(clock=lambda: self.now)

    async def call(self, key_class: str, fields: dict[str, Any]) -> list[dict[str, Any]]:
        body = orjson.dumps({"appId": emulator.APP_ID, "clientKey": emulator.KEYS[key_class], **fields})
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/api", "query_string": b"", "headers": []}
        await self.app(scope, receive, send)
        elements = json.loads(sent[1]["body"])["response"]
        assert isinstance(elements, list)
        return elements

    async def exported(self) -> list[dict[str, Any] | None]:
        """Return what exportUser tells of every subject; None where it can't tell."""
        data = [{"action": "exportUser", **subject} for subject in _SUBJECTS]
        elements = await self.call("data_export", {"action": "multi", "data": data})
        assert all(element.pop("success") is True for element in elements)
        return [
            None if element == {"warning": {"message": "User not found; request skipped."}} else element
            for element in elements
        ]


async def _compare(requests: list[Request]) -> None:
    model, emulated = Model(), Emulator()
    async with emulated.app.router.lifespan_context(emulated.app):
        for number, request in enumerate(requests):
            emulated.now += request.pause
            now, batch, sent = emulated.now, f"batch {number}", None
            if request.is_multi:
                actions = [action | {"reqId": str(n)} for n, action in enumerate(request.actions)]
                fields: dict[str, Any] = {"action": "multi", "data": actions, "uuid": batch}
                if request.late is not None:
                    fields["time"] = sent = now - request.late
            else:
                (fields,) = actions = request.actions
            for _ in range(1 + request.is_sent_twice):
                answered = await emulated.call("development", fields)
                assert len(answered) == len(actions)
                model.call(actions, now, sent, batch if request.is_multi else None)
            expected = [model.exported(subject) for subject in _SUBJECTS]
            told = await emulated.exported()
            for subject, mine, its in zip(_SUBJECTS, expected, told, strict=True):
                # As text, for which 25, 25.0 and true are three things.
                assert json.dumps(its, sort_keys=True) == json.dumps(mine, sort_keys=True), subject


@pytest.mark.claim("merged-created")
@settings(max_examples=examples(50))
@given(st.lists(_requests, min_size=1, max_size=6))
def test_export_user_tells_what_the_model_tells(requests: list[Request]) -> None:
    asyncio.run(_compare(requests))


# One user, mostly, and calls far enough apart for time to tell: long lives of few sessions.
_one_whose = st.sampled_from([{"userId": "u1"}] * 3 + [{"userId": "u1", "deviceId": "d1"}, {"userId": "u2"}])
_lives = st.lists(
    st.builds(
        Request,
        actions=st.tuples(
            st.one_of(
                _action("start", _one_whose, _some(background=st.booleans())),
                st.sampled_from(
                    ["stop", "pauseSession", "resumeSession", "pauseSession", "resumeSession", "heartbeat"]
                ).flatmap(lambda name: _action(name, _one_whose)),
                _action("track", _one_whose, st.just({"event": "Buy"})),
                _action("advance", _one_whose, st.just({"state": "Level"})),
                _action("setUserAttributes", _one_whose, _some(newUserId=st.sampled_from(["u1", "u2"]))),
            )
        ).map(list),
        is_multi=st.just(False),
        pause=st.sampled_from([1, 60, 60, 1_000, 1_799, 1_800, 4_000, 7_200]),
        late=st.none(),
        is_sent_twice=st.just(False),
    ),
    min_size=4,
    max_size=12,
).map(lambda requests: [_BEGIN, *requests])
_BEGIN = Request(
    [{"action": "start", "userId": "u1"}], is_multi=False, pause=0, late=None, is_sent_twice=False
)


@settings(max_examples=examples(50))
@given(_lives)
def test_of_sessions_export_user_tells_what_the_model_tells(requests: list[Request]) -> None:
    asyncio.run(_compare(requests))
