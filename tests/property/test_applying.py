"""Whatever the API does to a run: the numbers add up, nothing happens twice, and a resume finishes the rest."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from receipts import adds_up
from searching import examples

from leanplum_sync.applier.ports import StopFlag
from leanplum_sync.applier.run import apply_plan
from leanplum_sync.applier.settings import ApplySettings, Recheck
from leanplum_sync.errors import NoAnswerError, NotSentError
from leanplum_sync.journal import open_journal
from leanplum_sync.journal.entry import DeliveryState, Fate, Resolution
from leanplum_sync.journal.lock import Lease
from leanplum_sync.progress import SilentProgress
from leanplum_sync.wire.envelope import Answered, RefusalKind, Refused, Unreadable
from leanplum_sync.wire.outcome import ActionOutcome, Outcome
from leanplum_sync.wire.user_batch import UserBatch, unread

_PATH = Path(__file__).parents[1] / "integration" / "applier" / "world.py"
_SPEC = importlib.util.spec_from_file_location("applier_world_of_properties", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
world = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = world
_SPEC.loader.exec_module(world)

PLAN = world.plan_for("everything", world.USERS[:6], users_per_batch=2)
DONE = ActionOutcome(Outcome.DONE)
moods = st.sampled_from(
    ["well", "well", "lost before", "lost after", "unreadable", "429", "not sent", "403", "mixed"]
)
fates = st.sampled_from([Outcome.DONE, Outcome.DONE, Outcome.SKIPPED, Outcome.REJECTED, Outcome.IN_DOUBT])


class Api:
    """Carries actions out on users in memory, in whatever mood the example draws; well when it runs out of moods."""

    def __init__(self, moods: list[str], fates: list[Outcome]) -> None:
        self.moods, self.fates = moods, fates
        self.users: dict[str, dict[str, Any]] = {
            user: {"tier": "silver", "visits": 5} for user in world.USERS
        }
        self.devices: dict[str, dict[str, Any]] = {}
        self.sent: Counter[str] = Counter()
        self.incremented: Counter[str] = Counter()
        self.rejected: set[str] = set()
        self.overlapped = False
        self.premature: set[str] = set()
        self._together = 0
        self._lock = threading.Lock()
        self._in_flight: Counter[str] = Counter()

    def send(self, actions: Any, *, request_ids: Any, batch_id: str, before_write: Any) -> Any:
        before_write()
        with self._lock:
            mood = self.moods.pop() if self.moods else "well"
        users = {action.arguments["userId"] for action in actions}
        self._enter(users)
        try:
            return self._answer(mood, actions)
        finally:
            self._leave(users)

    def export_user(self, subject: Any, **_: Any) -> dict[str, Any]:
        self._enter({subject.id})
        try:
            with self._lock:
                devices = [
                    {"deviceId": name, **found}
                    for name, found in self.devices.items()
                    if name.endswith(subject.id)
                ]
                return {"success": True, "userAttributes": dict(self.users[subject.id]), "devices": devices}
        finally:
            self._leave({subject.id})

    def export_users(self, subjects: Any, **_: Any) -> UserBatch:
        """Leave out every third one; and every seventh answer is lost."""
        self._together += 1
        if self._together % 7 == 0:
            return unread(subjects, works=True, was_billed=True)
        elements = [self.export_user(subject) for subject in subjects]
        left_out = self._together % 3
        kept = (None if number % 3 == left_out else each for number, each in enumerate(elements))
        return UserBatch(tuple(kept), works=True, was_billed=True)

    def _answer(self, mood: str, actions: Any) -> Any:
        match mood:
            case "lost before":
                raise NoAnswerError("the connection was cut")
            case "lost after":
                self._do(actions)
                raise NoAnswerError("the connection was cut")
            case "unreadable":
                self._do(actions[: len(actions) // 2])
                return Unreadable("half an answer")
            case "429":
                return Refused(429, "Too many requests.", RefusalKind.RATE_LIMITED)
            case "not sent":
                raise NotSentError("no route to host")
            case "403":
                return Refused(403, "too large", RefusalKind.BUG)
            case "mixed":
                return Answered(tuple(map(self._one, actions)))
            case _:
                self._do(actions)
                return Answered((DONE,) * len(actions))

    def _one(self, action: Any) -> ActionOutcome:
        with self._lock:
            fate = self.fates.pop() if self.fates else Outcome.DONE
        if fate in (Outcome.DONE, Outcome.IN_DOUBT):
            self._do([action])
        else:
            self.rejected.add(action.arguments["userId"])
        return ActionOutcome(fate, "as drawn")

    def _do(self, actions: Any) -> None:
        with self._lock:
            for action in actions:
                arguments = action.arguments
                user = arguments["userId"]
                if action.name == "sendMessage":
                    self.sent[user] += 1
                    if self.users[user]["tier"] != "gold" or self.incremented[user] != 1:
                        self.premature.add(user)
                elif action.name == "setDeviceAttributes":
                    self.devices[arguments["deviceId"]] = {"iosPushToken": arguments["iosPushToken"]}
                self.users[user].update(arguments.get("userAttributes", {}))
                self.users[user].update(arguments.get("userAttributeValuesToAdd", {}))
                for name, amount in arguments.get("userAttributeValuesToIncrement", {}).items():
                    self.users[user][name] += amount
                    self.incremented[user] += 1

    def _enter(self, users: set[str]) -> None:
        with self._lock:
            self._in_flight.update(users)
            self.overlapped |= any(self._in_flight[user] > 1 for user in users)
        time.sleep(0)

    def _leave(self, users: set[str]) -> None:
        with self._lock:
            self._in_flight.subtract(users)


class Hurried:
    """A clock whose sleeps are over at once, and count."""

    def __init__(self) -> None:
        self._slept = 0.0

    def now(self) -> float:
        return 1_700_000_000.0 + self._slept

    def monotonic(self) -> float:
        return self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds

    def new_id(self) -> str:
        return uuid.uuid4().hex


def go(journal: Any, api: Api, clock: Hurried, recheck: Recheck, *, resume: bool, together: int = 1) -> Any:
    chosen = ApplySettings(
        concurrency=3,
        settle_seconds=60.0,
        recheck=recheck,
        resume=resume,
        together=together,
        rejections_limit=10_000,
        failures_in_a_row=10_000,
    )
    with journal.acquire("app_emulator", "sandbox", lease_seconds=1e9, heartbeat=False) as lease:
        return apply_plan(
            PLAN,
            conditions=replace(PLAN.conditions, new_journal=not journal.here("app_emulator").accepted),
            writer=api,
            reader=api,
            journal=journal,
            lease=lease,
            clock=clock,
            settings=chosen,
            progress=SilentProgress(),
            stop=StopFlag(),
        )


@settings(max_examples=examples(12))
@given(
    st.lists(moods, max_size=30),
    st.lists(fates, max_size=20),
    st.sampled_from([Recheck.ON, Recheck.OFF]),
    st.sampled_from([1, 50]),
)
def test_whatever_the_api_does_numbers_add_up_and_nothing_happens_twice(
    drawn: Any, outcomes: Any, recheck: Any, together: int
) -> None:
    api, clock = Api(list(drawn), list(outcomes)), Hurried()
    with (
        tempfile.TemporaryDirectory() as folder,
        open_journal(Path(folder) / "journal.db", clock=clock) as journal,
    ):
        receipt = go(journal, api, clock, recheck, resume=False, together=together)
        assert adds_up(receipt)
        api.moods = []
        again = go(journal, api, clock, recheck, resume=True, together=together)
        assert adds_up(again)
        assert again.actions[Fate.PARKED] == again.actions[Fate.IN_DOUBT] == 0
        delivered = list(journal.deliveries())
    assert not api.overlapped
    # A message goes out only with all that comes before it in place.
    assert not api.premature
    assert all(count == 1 for count in (*api.sent.values(), *api.incremented.values()))
    # What went out is remembered, so that no later plan asks for it again.
    remembered = Counter(entry.key.name for entry in delivered)
    assert remembered["november"] >= len(api.sent)
    assert remembered["launch/visits"] >= len(api.incremented)
    troubled = api.rejected | {entry.subject.id for entry in again.exceptions}
    for user in world.USERS[:6]:
        if user not in troubled:
            assert api.users[user] == {"tier": "gold", "visits": 6, "interests": ["running"]}
            assert api.sent[user] == 1


@settings(max_examples=examples(8))
@given(st.lists(st.sampled_from(["lost before", "unreadable", "well"]), min_size=8, max_size=20))
def test_what_a_person_resolves_is_no_longer_held_and_the_plan_can_be_finished(drawn: Any) -> None:
    api, clock = Api(list(drawn), []), Hurried()
    with (
        tempfile.TemporaryDirectory() as folder,
        open_journal(Path(folder) / "journal.db", clock=clock) as journal,
    ):
        receipt = go(journal, api, clock, Recheck.OFF, resume=True)
        for _ in range(3):
            held = {entry.sequence for entry in journal.exceptions(receipt.run) if entry.fate is Fate.HELD}
            with journal.acquire("app_emulator", "sandbox", heartbeat=False, lease_seconds=1e9) as lease:
                for sequence in held:
                    journal.resolve(lease, receipt.run, Resolution.DONE, sequence=sequence)
            api.moods = []
            receipt = go(journal, api, clock, Recheck.OFF, resume=True)
            assert adds_up(receipt)
        assert receipt.complete
        assert not list(journal.exceptions(receipt.run))


class Died(BaseException):
    """Stands for the end of the process: nothing catches it, and nothing is written after it."""


@contextmanager
def dying_at(transaction: int) -> Iterator[None]:
    """Let the journal keep the first *transaction* transactions of a run, and none after."""
    original, left = Lease.writing, iter(range(transaction))

    @contextmanager
    def writing(lease: Lease, *args: Any, **kwargs: Any) -> Iterator[Any]:
        if next(left, None) is None:
            raise Died
        with original(lease, *args, **kwargs) as connection:
            yield connection

    with mock.patch.object(Lease, "writing", writing):
        yield


@settings(max_examples=examples(12))
@given(st.lists(moods, max_size=10), st.lists(st.integers(0, 30), min_size=1, max_size=3))
def test_from_any_prefix_of_the_journal_a_run_goes_on_and_nothing_happens_twice(
    drawn: list[str], deaths: list[int]
) -> None:
    api, clock = Api(list(drawn), []), Hurried()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        for death in deaths:
            with open_journal(path, clock=clock) as journal, dying_at(death), suppress(Died):
                go(journal, api, clock, Recheck.OFF, resume=True)
        api.moods = []
        with open_journal(path, clock=clock) as journal:
            receipt = go(journal, api, clock, Recheck.OFF, resume=True)
            troubled = {entry.subject.id for entry in journal.exceptions(receipt.run)}
            held = {entry.key for entry in journal.deliveries(states=[DeliveryState.HELD])}
    assert adds_up(receipt)
    assert receipt.actions[Fate.PARKED] == receipt.actions[Fate.IN_DOUBT] == 0
    assert all(count == 1 for count in (*api.sent.values(), *api.incremented.values()))
    assert len(held) == receipt.actions[Fate.HELD]
    for user in world.USERS[:6]:
        if user not in troubled:
            assert api.users[user] == {"tier": "gold", "visits": 6, "interests": ["running"]}
            assert api.sent[user] == 1
