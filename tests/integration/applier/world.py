"""
Plans made by the real planner, and a run of one in a process of its own that can be killed at a chosen point.

Run as a script: ``world.py URL JOURNAL KIND POINT``, see ``main``.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from leanplum_sync.address import ResourceAddress, Subject
from leanplum_sync.applier.ports import StopFlag
from leanplum_sync.applier.preflight import Conditions
from leanplum_sync.applier.receipt import Receipt
from leanplum_sync.applier.run import apply_plan
from leanplum_sync.applier.settings import ApplySettings, Recheck
from leanplum_sync.client.calls import Calls
from leanplum_sync.client.credentials import EMULATOR_KEYS, Connection, Keys
from leanplum_sync.client.http import HttpTransport
from leanplum_sync.client.reader import Reader
from leanplum_sync.client.writer import Writer
from leanplum_sync.clock import SystemClock
from leanplum_sync.journal import open_journal
from leanplum_sync.kinds.rows.desires import (
    AlterList,
    Desire,
    Erase,
    IncrementAttribute,
    Send,
    SetAttribute,
    SetDeviceField,
    SetSubscription,
    TrackEvent,
    Want,
)
from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.planner.decide import SendTarget
from leanplum_sync.planner.hazards import hazards
from leanplum_sync.planner.known import NOTHING_KNOWN, Known, Position
from leanplum_sync.planner.parts import Part, part_of, shard_of
from leanplum_sync.planner.plan import Contents, Cost, Hazard, Header, Input, Summary, Target
from leanplum_sync.planner.subject import Context, plan_subject
from leanplum_sync.problem import Place
from leanplum_sync.progress import SilentProgress
from leanplum_sync.wire.action import DeliveryClass
from leanplum_sync.wire.batch import Batch, PlannedAction
from leanplum_sync.wire.catalogue import KeyClass
from leanplum_sync.wire.erasing import is_erasing as is_erasing_action
from leanplum_sync.wire.profile import Profile

MESSAGE_ID = 4500000000000001
HERE = Place("specs/a.yaml", 7, 5)
ROW = Place("data/a.csv", 2, None, 1)
_DAY = 24 * 3600
A_MONTH_AGO = float(time.time() // _DAY * _DAY - 30 * _DAY)  # the same in every process of a test
USERS = [f"u{number:03}" for number in range(12)]


def seed() -> str:
    """Return the emulator's seed: the message, and the users as `OBSERVED` has them."""
    message = {
        "id": MESSAGE_ID,
        "name": "Hello",
        "active": True,
        "delivery": "manual",
        "messageType": "Push Notification",
        "created": 1.6e9,
    }
    users = [
        {
            "userId": user,
            "userAttributes": OBSERVED.attributes,
            "devices": [{"deviceId": f"old-{user}"}],
            "unsubscribeChannels": ["Webhook"],
        }
        for user in USERS
    ]
    return "".join(json.dumps(line) + "\n" for line in ({"message": message}, *users))


OBSERVED = Profile(
    exists=True,
    attributes={"tier": "silver", "visits": 5},
    fields={},
    devices={},
    subscriptions={"Webhook": "unsubscribed"},
)


def event(
    name: str,
    key: str,
    value: float | None = None,
    parameters: Mapping[str, Any] = MappingProxyType({}),
    *,
    as_total: bool = False,
) -> TrackEvent:
    """Return an event of the import ``orders``."""
    return TrackEvent(name, "orders", key, A_MONTH_AGO, value, None, dict(parameters), as_total, HERE)


DESIRES: Mapping[str, tuple[Desire, ...]] = {
    "attributes": (SetAttribute("tier", "gold", HERE),),
    "tokens": (SetDeviceField("of-user", "iosPushToken", "ab" * 32, HERE),),
    "lists": (AlterList("interests", ("running",), (), HERE),),
    "increments": (IncrementAttribute("visits", 1, "launch", HERE),),
    "sends": (Send("november", {"name": "Ann"}, force=False, asked_at=HERE),),
    "events": (
        event("Bought", "1001", 9.5, parameters={"sku": "A1"}),
        event("Rated", "1002", 5.0),
        event("Visited", "1003", as_total=True),
    ),
}
DESIRES = {
    **DESIRES,
    "everything": tuple(desire for found in DESIRES.values() for desire in found),
    "unsubscribes": (SetSubscription("Email", "unsubscribed", None, HERE),),
    "erasures": (Erase(full=True, block=False, request="T-17", asked_at=HERE),),
    "blocks": (Erase(full=True, block=True, request="", asked_at=HERE),),
    "re-subscribes": (SetSubscription("Webhook", "subscribed", 1.6e9, HERE),),
}


@dataclass
class ListPlan:
    """A plan in memory."""

    all_batches: Sequence[Batch]
    changes: Mapping[Subject, tuple[Change, ...]]
    digest: str = "d" * 64
    app_id: str = "app_emulator"
    environment: str = "sandbox"
    created_at: float = 0.0
    path: Path = Path("plan.lpplan")
    read_after_run: int | None = 0
    position: Position = field(default=Position(0))
    has_owners: bool = False

    @property
    def whole(self) -> ListPlan:
        return self

    @property
    def header(self) -> Header:
        is_erasing = any(is_erasing_action(p.action) for batch in self.all_batches for p in batch.actions)
        target = Target(
            environment=self.environment,
            host="127.0.0.1",
            app_id=self.app_id,
            is_emulator=True,
            writes=KeyClass.DEVELOPMENT if is_erasing else KeyClass.PRODUCTION,
        )
        return Header(
            format=1,
            digest=self.digest,
            target=target,
            created_at=self.created_at,
            observed_from=None,
            observed_until=None,
            sensitive=frozenset(),
            mask_key=b"",
            read_after_run=self.read_after_run,
            position=self.position,
        )

    @property
    def contents(self) -> Contents:
        actions = [planned for batch in self.all_batches for planned in batch.actions]
        changes = Counter(change.kind for own in self.changes.values() for change in own)
        return Contents(
            actions=Counter(planned.action.name for planned in actions),
            changes=changes,
            changed=len(self.changes),
            created=changes[ChangeKind.CREATE],
            forced_sends=0,
            lookups=sum(len(batch.subjects) for batch in self.all_batches),
            misdirected=0,
        )

    @property
    def summary(self) -> Summary:
        found = self.contents
        cost = Cost(0, found.lookups, 0, self.batch_count, 0, 0, 0, 0.0)
        return Summary(
            found.changed,
            found.changed,
            0,
            found.created,
            found.changes,
            self.batch_count,
            self.action_count,
            cost,
        )

    def inputs(self) -> tuple[Input, ...]:
        return ()

    def hazards(self) -> tuple[Hazard, ...]:
        return hazards(self.summary, 0, {})

    @property
    def conditions(self) -> Conditions:
        """Those that it meets."""
        return Conditions(self.header.target, Path(), {})

    @property
    def batch_count(self) -> int:
        return len(self.all_batches)

    @property
    def action_count(self) -> int:
        return sum(len(batch.actions) for batch in self.all_batches)

    def batches(self) -> Iterator[Batch]:
        yield from self.all_batches

    def subjects(self) -> Iterator[Subject]:
        yield from sorted(self.changes)

    def changes_of(self, subjects: Collection[Subject]) -> Mapping[Subject, tuple[Change, ...]]:
        return {subject: self.changes[subject] for subject in subjects if subject in self.changes}


def plan_for(
    kind: str,
    users: Sequence[str] = USERS,
    *,
    observed: Callable[[Subject], Profile] = lambda subject: OBSERVED,
    known: Callable[[Subject], Known] = lambda subject: NOTHING_KNOWN,
    marker: str | None = None,
    users_per_batch: int = 3,
    part: Part | None = None,
    **given: Any,
) -> ListPlan:
    """Return the plan, or *part* of it: no batch crosses a part, and batches keep their numbers in the whole."""
    resource = ResourceAddress("Resource", kind)
    context = Context({resource: 0}, {resource: SendTarget(MESSAGE_ID, "Hello")}, marker)
    found: dict[tuple[int, DeliveryClass, int], list[tuple[Subject, Any]]] = {}
    changes = {}
    for user in users:
        subject = Subject.user(user)
        desires = tuple(
            replace(desire, device_id=f"device-{user}") if isinstance(desire, SetDeviceField) else desire
            for desire in DESIRES[kind]
        )
        planned = plan_subject(
            [Want(resource, subject, create=False, found_at=ROW, desires=desires)],
            observed(subject),
            known(subject),
            context,
        )
        changes[subject] = planned.changes
        for phase, actions in planned.actions.items():
            found.setdefault((*phase, part_of(shard_of(subject), part.of if part else 1)), []).append(
                (subject, actions)
            )
    batches: list[Batch] = []
    numbers = count(1)
    for (wave, delivery_class, _), members in sorted(
        found.items(), key=lambda item: (item[0][0], list(DeliveryClass).index(item[0][1]), item[0][2])
    ):
        stream = iter(members)
        while page := tuple(islice(stream, users_per_batch)):
            actions = tuple(
                PlannedAction(next(numbers), subject, delivery_class, own.action, own.deliveries)
                for subject, of_subject in page
                for own in of_subject
            )
            batches.append(Batch(len(batches) + 1, wave, delivery_class, actions))
    if part is not None:
        batches = [batch for batch in batches if all(map(part.holds, batch.subjects))]
        changes = {subject: own for subject, own in changes.items() if part.holds(subject)}
    return ListPlan(batches, changes, **given)


@dataclass
class Run:
    """What a test may choose about a run; ``go`` makes it."""

    url: str
    journal: str | Path
    plan: ListPlan
    settings: ApplySettings = field(
        default_factory=lambda: ApplySettings(concurrency=3, settle_seconds=0.0, recheck=Recheck.OFF)
    )
    stop: StopFlag = field(default_factory=StopFlag)
    clock: Any = field(default_factory=SystemClock)
    part: Part | None = None
    lease_seconds: float = 60.0
    read_timeout_seconds: float = 60.0
    wrap_writer: Callable[[Any], Any] = lambda writer: writer
    wrap_reader: Callable[[Any], Any] = lambda reader: reader

    def go(self) -> Receipt:
        connection, keys = Connection.to_emulator(self.url), Keys.of(EMULATOR_KEYS)
        calling: Any = _CallsAtRealTimes(self.clock)
        transport = HttpTransport(is_local=True, read_timeout_seconds=self.read_timeout_seconds)
        try:
            with (
                open_journal(self.journal, clock=self.clock) as journal,
                journal.acquire(
                    self.plan.app_id,
                    self.plan.environment,
                    part=str(self.part or ""),
                    lease_seconds=self.lease_seconds,
                ) as lease,
            ):
                is_new = not journal.here(self.plan.app_id).accepted
                return apply_plan(
                    self.plan,
                    conditions=replace(self.plan.conditions, new_journal=is_new),
                    writer=self.wrap_writer(
                        Writer(Calls(connection, keys, transport, calling), self.plan.header.target.writes)
                    ),
                    reader=self.wrap_reader(Reader(Calls(connection, keys, transport, calling))),
                    journal=journal,
                    lease=lease,
                    clock=self.clock,
                    settings=self.settings,
                    progress=SilentProgress(),
                    stop=self.stop,
                )
        finally:
            transport.close()


class _CallsAtRealTimes:
    """The run's clock, but for the times in calls: the API compares them with its own clock, and the run's may be faster."""

    def __init__(self, clock: Any) -> None:
        self.monotonic, self.sleep, self.new_id = clock.monotonic, clock.sleep, clock.new_id
        self.now = time.time


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Dying:
    """A writer that kills its process around the *nth* request it makes."""

    def __init__(self, writer: Any, point: str, url: str, *, nth: int = 2) -> None:
        self._writer, self._point, self._url, self._nth = writer, point, url, nth
        self._calls = 0

    def send(self, actions: Any, *, request_ids: Any, batch_id: str, before_write: Callable[[], None]) -> Any:
        self._calls += 1
        is_it = self._calls == self._nth
        if is_it and self._point == "partly written":
            body = self._writer.encode(actions, request_ids=request_ids, batch_id=batch_id)
            self._write_half(body)

        def before() -> None:
            before_write()
            if is_it and self._point == "intent, nothing written":
                die()

        answer = self._writer.send(actions, request_ids=request_ids, batch_id=batch_id, before_write=before)
        if is_it and self._point == "answered, not recorded":
            die()
        return answer

    def _write_half(self, body: bytes) -> None:
        address = urlsplit(self._url)
        head = f"POST /api?action=multi HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((address.hostname, address.port)) as peer:
            peer.sendall(head.encode() + body[: len(body) // 2])
            die()


def main(url: str, journal: str, kind: str, point: str) -> None:
    """
    Carry out the plan for *kind* and be killed at *point*.

    ``claimed, no intent`` and ``recorded`` are the moments around the journal's entries; the other points lie around
    the request, see ``Dying``. ``settling`` dies with the second doubt read and unrecorded. ``working`` never
    answers: it waits to be killed. ``no point`` goes to the end.
    """
    from leanplum_sync.journal.run import RunJournal  # noqa: PLC0415 - only the child reaches behind the seam

    def dying(name: str, *, after: bool) -> None:
        original = getattr(RunJournal, name)
        calls = count(1)

        def instead(*args: Any, **kwargs: Any) -> Any:
            is_it = next(calls) == 2
            if is_it and not after:
                die()
            found = original(*args, **kwargs)
            if is_it:
                die()
            return found

        setattr(RunJournal, name, instead)

    match point:
        case "claimed, no intent":
            dying("record_sent", after=False)
        case "recorded":
            dying("record_answer", after=True)
        case "settling":
            dying("record_settled", after=False)
        case "working":
            original = RunJournal.record_answer

            def announce(*args: Any, **kwargs: Any) -> Any:
                found = original(*args, **kwargs)
                print("working", flush=True)  # noqa: T201 - the parent waits for it
                threading.Event().wait()  # until it is killed
                return found

            RunJournal.record_answer = announce  # type: ignore[method-assign]  # only in this child process
        case _:
            pass
    # One at a time, so that "the second request" is the same batch each time.
    settings = ApplySettings(concurrency=1, settle_seconds=0.0, recheck=Recheck.OFF)
    Run(
        url,
        journal,
        plan_for(kind),
        settings,
        wrap_writer=lambda writer: Dying(writer, point, url),
    ).go()


if __name__ == "__main__":
    main(*sys.argv[1:])
