"""
Applies a plan in a process of its own, as fast as it goes, and says what it took.

Run as a script: ``applied.py PLAN URL JOURNAL [--forget] [--sign] [--part N/M] [--concurrency N] [--at TIME]``. Prints one line of JSON.
``--at``, in epoch seconds, is when to begin, so that several begin together. ``--forget`` takes a journal that records nothing of batches: what is left is everything else. ``--sign``
signs the journal.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from leanplum_sync.address import Subject
from leanplum_sync.applier.ports import StopFlag
from leanplum_sync.applier.preflight import Conditions
from leanplum_sync.applier.run import apply_plan
from leanplum_sync.applier.settings import ApplySettings, Recheck
from leanplum_sync.client.calls import Calls
from leanplum_sync.client.credentials import EMULATOR_KEYS, Connection, Keys
from leanplum_sync.client.http import HttpTransport
from leanplum_sync.client.reader import Reader
from leanplum_sync.client.writer import Writer
from leanplum_sync.clock import SystemClock
from leanplum_sync.encryption import SealingKeys
from leanplum_sync.journal.entry import BatchState, Fate
from leanplum_sync.journal.writer import Journal
from leanplum_sync.planfile import PlanWriter, open_plan
from leanplum_sync.planfile.part import PlanPart
from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.planner.hazards import hazards
from leanplum_sync.planner.parts import Part
from leanplum_sync.planner.plan import Cost, Summary, Target
from leanplum_sync.planner.subject import SubjectAction, SubjectPlan
from leanplum_sync.problem import Place
from leanplum_sync.progress import SilentProgress
from leanplum_sync.wire.action import Action, DeliveryClass

ENVIRONMENT = "sandbox"


def write_plan(path: Path, users: int, parts: int = 1) -> None:
    """Write a plan that sets two attributes of each of *users* users, as planning would."""
    with PlanWriter(path, parts=parts) as writer:
        for each in _subject_plans(users):
            writer.add(each)
        packed = writer.pack()
        cost = Cost(0, packed.lookups, 0, packed.requests, packed.actions, packed.lookups_by_action, 0, 0.0)
        kinds = {ChangeKind.SET: 2 * users}
        summary = Summary(users, users, 0, users, kinds, packed.requests, packed.actions, cost)
        writer.finish(
            target=Target(environment=ENVIRONMENT, host="127.0.0.1", app_id="app_emulator", is_emulator=True),
            created_at=time.time(),
            observed=(None, None),
            sensitive=[],
            inputs=[],
            hazards=hazards(summary, 0, {}),
            notes=[],
            summary=summary,
        )


def _subject_plans(users: int) -> Iterator[SubjectPlan]:
    asked_at = Place("specs/users.yaml", 7, 5)
    for number in range(users):
        subject, found_at = Subject.user(f"u{number:08}"), Place("users.csv", number + 2, None, number + 1)
        values = {"tier": f"tier {number % 7}", "city": f"city {number % 1000}"}
        changes = tuple(
            Change(
                subject=subject,
                resource="UserAttributes/bench",
                kind=ChangeKind.SET,
                field=name,
                before=None,
                after=value,
                asked_at=asked_at,
                found_at=found_at,
                device_id="",
            )
            for name, value in values.items()
        )
        arguments = {"userId": subject.id, "createDisposition": "CreateIfNeeded", "userAttributes": values}
        action = SubjectAction(Action("setUserAttributes", arguments))
        yield SubjectPlan(subject, changes, {(0, DeliveryClass.REPEATABLE): (action,)}, ())


class _Forgetting(Journal):
    def begin_run(self, *arguments: Any, **options: Any) -> Any:
        run = super().begin_run(*arguments, **options)
        run.record_sent = lambda *_, **__: None  # type: ignore[method-assign]  # what forgetting means
        run.record_answer = lambda *_, **__: BatchState.DONE  # type: ignore[method-assign]  # as above
        return run


def peak_bytes() -> int:
    """Return the peak memory of this process. On Linux, getrusage would include what the parent used."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("plan", type=Path)
    parser.add_argument("url")
    parser.add_argument("journal")
    parser.add_argument("--forget", action="store_true")
    parser.add_argument("--sign", action="store_true")
    parser.add_argument("--part", type=Part.parse)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--at", type=float, default=0.0)
    given = parser.parse_args()
    connection, keys, clock = Connection.to_emulator(given.url), Keys.of(EMULATOR_KEYS), SystemClock()
    transport = HttpTransport(is_local=True)
    journal_type = _Forgetting if given.forget else Journal
    sealing = SealingKeys((bytes(range(32)),) if given.sign else ())
    with (
        open_plan(given.plan) as opened,
        journal_type(given.journal, clock, sealing) as journal,
        journal.acquire(opened.header.target.app_id, ENVIRONMENT, part=str(given.part or "")) as lease,
    ):
        plan = PlanPart(opened, given.part)
        assert plan.summary.batches
        time.sleep(max(0.0, given.at - time.time()))
        began, busy = time.time(), time.process_time()
        receipt = apply_plan(
            plan,
            conditions=Conditions(
                opened.header.target,
                Path(),
                {},
                new_journal=not journal.here(opened.header.target.app_id).accepted,
            ),
            writer=Writer(Calls(connection, keys, transport, clock)),
            reader=Reader(Calls(connection, keys, transport, clock)),
            journal=journal,
            lease=lease,
            clock=clock,
            settings=ApplySettings(concurrency=given.concurrency, recheck=Recheck.OFF),
            progress=SilentProgress(),
            stop=StopFlag(),
        )
        ended, busy = time.time(), time.process_time() - busy
    assert given.forget or receipt.actions[Fate.DONE] == plan.summary.actions
    peak = peak_bytes()
    told = {"began": began, "ended": ended, "busy": busy, "batches": plan.summary.batches, "peak_bytes": peak}
    print(json.dumps(told))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
