"""Plan files of any size, written as planning writes them, with values of every kind, hostile ones included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from leanplum_sync.address import Subject
from leanplum_sync.planfile import PlanFile, PlanWriter, open_plan
from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.planner.plan import Cost, Hazard, Input, Note, Summary, Target
from leanplum_sync.planner.subject import SubjectAction, SubjectPlan
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Action, DeliveryClass, Json

PRODUCTION = Target(environment="production", host="api.leanplum.com", app_id="app_1", is_emulator=False)
HOSTILE = (
    "<script>document.title = 'taken over'</script>",
    "</script><img src=x onerror=alert(1)>",
    "a | b || c \\| d",
    "`code` ``more`` $x$ ![](http://example.com/a.png)",
    "\x1b[2J\x1b[31mred\x07",
    "abc\u202edcb\u2066\u200f",
    "first\nsecond\r\n\tthird\u2028fourth",
    "x" * 100_000,
    "\u0301" * 100_000,
    "\"quoted\" & 'single' {{ template }} ${{ secrets.KEY }} %0A::error::no",
    "@everybody #12 www.example.com http://example.com <!-- --> ]]>",
    "\ud800 \x00 \ufffe",
)


def write_plan(
    path: Path, changes: int, *, hostile: bool = False, tiers: tuple[str, str] = ("bronze", "gold")
) -> PlanFile:
    """Write a plan with about *changes* changes (exactly, if fewer than five) and open it."""
    counts: Counter[ChangeKind] = Counter()
    subjects = 0
    with PlanWriter(path) as writer:
        for subject, found in _subjects(changes, HOSTILE if hostile else (), tiers):
            counts.update(change.kind for change in found)
            subjects += 1
            action = Action("setUserAttributes", {"userId": subject.id, "userAttributes": {"n": subjects}})
            phase = (0, DeliveryClass.REPEATABLE)
            writer.add(SubjectPlan(subject, found, {phase: (SubjectAction(action),)}, ()))
        packed = writer.pack()
        sends, removals = counts[ChangeKind.SEND], counts[ChangeKind.REMOVE]
        hazards = [
            Hazard("sends", sends, sends // 2),
            Hazard("removals", removals, None),
            Hazard("renames", counts[ChangeKind.RENAME], 2_000_000),
        ]
        writer.finish(
            target=PRODUCTION,
            created_at=1.8e9,
            observed=(1.8e9 - 600, 1.8e9 - 60),
            sensitive=["email"],
            inputs=[Input("specs/loyalty.yaml", "0" * 64)],
            hazards=[hazard for hazard in hazards if hazard.count],
            notes=[
                Note(
                    "missing",
                    "UserAttributes/loyalty",
                    "do not exist, and may not be created",
                    12,
                    ("user:nobody-1", "user:nobody-2"),
                )
            ],
            summary=Summary(
                listed=subjects + subjects // 3 + 12,
                changed=subjects,
                missing=12,
                created=0,
                changes=counts,
                batches=packed.requests,
                actions=packed.actions,
                cost=Cost(
                    subjects * 2,
                    packed.lookups,
                    subjects,
                    packed.requests,
                    packed.actions * 3,
                    packed.lookups_by_action,
                    0,
                    packed.requests / 20,
                ),
            ),
        )
    return open_plan(path)


def _subjects(
    count: int, hostile: tuple[str, ...], tiers: tuple[str, str]
) -> Iterator[tuple[Subject, tuple[Change, ...]]]:
    left, number = count, 0
    while left > 0:
        subject = Subject.user(
            f"user-{number:07}"
            + (f" {hostile[number % len(hostile)]}"[:2000].replace("\ud800", "") if hostile else "")
        )
        found = tuple(islice(_changes(subject, number, hostile, tiers), left))
        left, number = left - len(found), number + 1
        yield subject, found


def _changes(
    subject: Subject, number: int, hostile: tuple[str, ...], tiers: tuple[str, str]
) -> Iterator[Change]:
    def text(plain: str) -> str:
        return hostile[number % len(hostile)].replace("\ud800", "") if hostile else plain

    def change(kind: ChangeKind, field: str, before: Json, after: Json, line: int) -> Change:
        place = Place("data/customers.csv", number + 2, row=number + 1)
        return Change(
            subject,
            "UserAttributes/loyalty",
            kind,
            field,
            before,
            after,
            Place("specs/loyalty.yaml", line, 5),
            place,
        )

    yield change(ChangeKind.SET, text("tier"), text(tiers[0]), text(tiers[1]), 9)
    yield change(ChangeKind.RENAME, "loyalty_points", None, number % 97, 10)
    yield change(ChangeKind.RENAMED_AWAY, "points", number % 97, None, 10)
    if number % 3 == 0:
        yield change(ChangeKind.REMOVE, "legacy_vip", text("True"), None, 11)
    if number % 4 == 0:
        yield change(ChangeKind.ADD, "interests", None, [text("running"), "golf"], 12)
    if number % 5 == 0:
        yield change(ChangeKind.SET, "email", f"old{number}@example.com", f"new{number}@example.com", 13)
    if number % 50 == 0:
        values = {"first_name": text("Ada"), "order": f"A-{number}"}
        place = Place("data/late.csv", number // 50 + 2, row=number // 50 + 1)
        yield Change(
            subject,
            "MessageSend/order-delay",
            ChangeKind.SEND,
            text("Order delay"),
            None,
            values,
            Place("specs/send.yaml", 5, 3),
            place,
        )
