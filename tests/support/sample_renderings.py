"""Small plans, receipts and journals to render."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from leanplum_sync.address import Subject
from leanplum_sync.applier.receipt import Receipt, StopReason
from leanplum_sync.journal.entry import (
    DeliveryEntry,
    DeliveryState,
    ExceptionEntry,
    Fate,
    LockHolder,
    RunEntry,
    RunState,
)
from leanplum_sync.operations.verify import Difference, Verification
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.plan import (
    Cohort,
    Cost,
    Hazard,
    Header,
    Note,
    RowsRead,
    Summary,
    Target,
    ValuePair,
)
from leanplum_sync.render.status import Status
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.batch import DeliveryKey

EMBEDDED = Target(environment="sandbox", host="embedded emulator", app_id="app_emulator", is_emulator=True)
REAL = Target(environment="production", host="api.leanplum.com", app_id="app_1", is_emulator=False)
COST = Cost(reads=6, writes=5, recheck=5, requests=2, one_by_one=14, by_action=9, separation=0, seconds=4.0)
SUMMARY = Summary(
    listed=6, changed=4, missing=1, created=0, changes={ChangeKind.SET: 4}, batches=2, actions=14, cost=COST
)
EMPTY = replace(SUMMARY, changed=0, missing=0, changes={}, batches=0, actions=0)


@dataclass(frozen=True)
class SomePlan:
    summary: Summary = SUMMARY
    target: Target = EMBEDDED
    hazards_: tuple[Hazard, ...] = ()
    notes_: tuple[Note, ...] = ()
    cohorts_: tuple[Cohort, ...] = ()
    rows_: Mapping[str, RowsRead] = field(default_factory=dict)

    @property
    def header(self) -> Header:
        return Header(1, "3f2a91c04b" * 6, self.target, 1.8e9, 1.8e9, 1.8e9, frozenset({"email"}), b"key")

    def hazards(self) -> tuple[Hazard, ...]:
        return self.hazards_

    def notes(self) -> tuple[Note, ...]:
        return self.notes_

    def cohorts(self) -> tuple[Cohort, ...]:
        return self.cohorts_

    def rows(self) -> Mapping[str, RowsRead]:
        return self.rows_


def cohort(
    kind: ChangeKind, field: str, before: Json = None, after: Json = None, *, asked_at: str = "a.yaml:9"
) -> Cohort:
    pairs = (ValuePair(before, after, 4),)
    return Cohort("UserAttributes/loyalty", kind, field, 4, 1, pairs, ("user:00004", "device:D1"), asked_at)


ALL_DONE = Receipt(
    run=7,
    plan_digest="3f2a91c04b" * 6,
    state=RunState.FINISHED,
    planned=12,
    actions={Fate.DONE: 10, Fate.ALREADY: 2, Fate.HELD: 0},
    subjects={Fate.DONE: 6},
    batches={},
    requests=2,
    lookups=10,
    recheck_reads=3,
    settle_reads=1,
    rejected_before=0,
    sent_now=2,
    stopped=None,
    exceptions=(),
    exceptions_total=0,
)
REJECTED = ExceptionEntry(7, 1, 3, Subject.user("00004"), Fate.REJECTED, "Invalid\x1b[31m value")
SOME_DONE = replace(
    ALL_DONE,
    actions={Fate.DONE: 5, Fate.REJECTED: 4, Fate.HELD: 1, Fate.PARKED: 2},
    exceptions=(REJECTED,) * 12,
    exceptions_total=40,
    stopped=StopReason.REJECTIONS,
)


PROOF = Verification(checked=6, equal=6, different=0, unread=0, unproven=2, differing=())
NO_PROOF = Verification(
    checked=6,
    equal=4,
    different=1,
    unread=1,
    unproven=0,
    differing=(Difference(Subject.user("00004"), ("tier", "order_count")),),
)


NOTHING = Status("journal.db", 1.8e9, (), (), ())
RUN = RunEntry(7, "app_1", "production", "", "3f2a91c04b" * 6, 1.8e9, RunState.PARTIAL, 2, 12, 1.8e9, None)
LOCK = LockHolder("app_1", "production", "", "ci", "runner-1", 42, 1.8e9 - 60, 1.8e9 + 30, 5)
HELD = DeliveryEntry(
    "app_1", DeliveryKey("2026-11", Subject.user("u1"), "MessageSend/delay"), DeliveryState.HELD, 7, 1
)
