"""Random renames, splits and merges of deliveries: each that ``moved`` lists repeats nothing, each other is refused."""

from __future__ import annotations

import json
import random
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from files import ndjson, write_files
from searching import IS_CAMPAIGN

from leanplum_sync import HazardNotAllowedError, Plan, Project, apply, emulator, plan
from leanplum_sync.applier.settings import Recheck

USERS: Final = [f"u{number:02}" for number in range(12)]
GROUPS: Final = 20  # half of them sends, half increments, each with a message or an attribute of its own
ROUNDS: Final = 26 if IS_CAMPAIGN else 3
SEEDS: Final = range(25 if IS_CAMPAIGN else 1)
PROJECT: Final = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: renames}
spec:
  environments: {live: {appId: app_emulator, budget: {sends: 1000, increments: 1000}}}
  limits: {requestsPerSecond: 1000}
"""
SEND: Final = """\
apiVersion: leanplum-sync/v1
kind: MessageSend
metadata: {{name: {document}}}
spec: {{message: {{name: Message {group}}}, recipients: {{inline: [{users}]}}, delivery: {name}}}
"""
INCREMENT: Final = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {{name: {document}}}
spec: {{users: {{inline: [{users}]}}, attributes: {{visits{group}: {{increment: 1, once: {name}}}}}}}
"""


@dataclass
class Delivery:
    """One document: the users whom it lists, and its name in the journal."""

    document: str
    name: str
    users: set[str]


@dataclass
class Group:
    """Documents that do the same thing, which each user is meant to get once. *got* has the names under which each did."""

    number: int
    deliveries: list[Delivery]
    got: dict[str, set[str]] = field(default_factory=dict)

    @property
    def is_send(self) -> bool:
        return self.number % 2 == 0


@dataclass(frozen=True)
class Expected:
    """By the model: what a plan would repeat under a name that is not listed."""

    sends_again: int
    incremented_again: frozenset[str]  # users


@dataclass
class World:
    folder: Path
    url: str
    draw: random.Random
    groups: list[Group] = field(default_factory=list)
    moves: list[tuple[str, str]] = field(default_factory=list)
    names: int = 0
    edits: Counter[str] = field(default_factory=Counter)

    def new_name(self) -> str:
        self.names += 1
        return f"d{self.names}"

    def delivery(self, users: set[str]) -> Delivery:
        return Delivery(f"document-{self.new_name()}", self.new_name(), users)

    def full_name(self, group: Group, name: str) -> str:
        return name if group.is_send else f"{name}/visits{group.number}"

    def former(self, group: Group, name: str) -> set[str]:
        found, waiting = set[str](), [self.full_name(group, name)]
        while waiting:
            found.add(now := waiting.pop())
            waiting += [former for former, to in self.moves if to == now]
        return found

    def edit(self, group: Group) -> list[tuple[str, str]]:
        """Change the documents of *group*; return the renames that belong into ``moved``."""
        kinds = ["rename", "move", "extend", "split", "divide", "merge"]
        kind = self.draw.choice(kinds if len(group.deliveries) > 1 else kinds[:-1])
        self.edits[kind] += 1
        one = self.draw.choice(group.deliveries)
        one.document = f"document-{self.new_name()}"
        match kind:
            case "rename":
                before, one.name = one.name, self.new_name()
                return [(before, one.name)]
            case "extend":
                one.users.add(self.draw.choice(USERS))
            case "split" if len(one.users) > 1:  # into two new names
                some = set(self.draw.sample(sorted(one.users), len(one.users) // 2))
                parts = [self.delivery(some), self.delivery(one.users - some)]
                group.deliveries.remove(one)
                group.deliveries += parts
                return [(one.name, part.name) for part in parts]
            case "divide" if (
                len(one.users) > 1
            ):  # a part keeps the name; the other must be listed nowhere else
                some = set(self.draw.sample(sorted(one.users), len(one.users) // 2))
                one.users -= some
                group.deliveries.append(self.delivery(some))
            case "merge":
                other = next(each for each in group.deliveries if each is not one)
                group.deliveries = [each for each in group.deliveries if each not in (one, other)]
                merged = self.delivery(one.users | other.users)
                group.deliveries.append(merged)
                return [(each.name, merged.name) for each in (one, other)]
        return []

    def rename_again(self, group: Group) -> list[tuple[str, str]]:
        """Give every delivery of *group* a new name, and return the renames from all names that users got it under."""
        names = {name for got in group.got.values() for name in got}
        for each in group.deliveries:
            each.name = self.new_name()
        return [
            (former, self.full_name(group, each.name))
            for each in group.deliveries
            for former in sorted(names)
        ]

    def again(self, group: Group) -> Iterator[str]:
        """Yield each user who would get again what *group* does, once for each delivery."""
        for each in group.deliveries:
            known = self.former(group, each.name)
            yield from (user for user in each.users if (got := group.got.get(user)) and not got & known)

    def moved_users(self, group: Group) -> set[str]:
        """Return those of ``again`` who are no longer listed for what they got. Who is listed for both is meant to get both."""
        return {
            user
            for user in self.again(group)
            if not any(
                user in each.users and group.got[user] & self.former(group, each.name)
                for each in group.deliveries
            )
        }

    def expected(self) -> Expected:
        return Expected(
            sum(len(list(self.again(group))) for group in self.groups if group.is_send),
            frozenset(user for group in self.groups if not group.is_send for user in self.moved_users(group)),
        )

    def plan(self) -> Plan:
        project = PROJECT
        if self.moves:
            entries = ", ".join(f"{{from: {former}, to: {to}}}" for former, to in self.moves)
            project += f"  moved: [{entries}]\n"
        documents = [
            (SEND if group.is_send else INCREMENT).format(
                document=each.document,
                group=group.number,
                users=", ".join(sorted(each.users)),
                name=each.name,
            )
            for group in self.groups
            for each in group.deliveries
        ]
        write_files(self.folder, {"leanplum-sync.yaml": project, "specs/all.yaml": "---\n".join(documents)})
        return plan(Project.load(self.folder / "leanplum-sync.yaml", "live"), out=self.folder / "a.lpplan")

    def apply(self, made: Plan, accept: dict[str, int]) -> None:
        apply(made, accept=accept, recheck=Recheck.OFF, new_journal=True)
        for group in self.groups:
            for each in group.deliveries:
                for user in each.users:
                    got = group.got.setdefault(user, set())
                    if not got & self.former(group, each.name):
                        got.add(self.full_name(group, each.name))

    def counted(self) -> tuple[int, int]:
        """Return how many messages the emulator sent, and by how much attributes were incremented."""
        with urllib.request.urlopen(f"{self.url}/_emulator/counts?detail=1") as answer:
            sends = sum(count for sent in json.load(answer)["sends"].values() for count in sent.values())
        key = emulator.KEYS["data_export"]
        visits = 0
        for user in USERS:
            query = f"action=exportUser&appId=app_emulator&clientKey={key}&apiVersion=1.0.6&userId={user}"
            with urllib.request.urlopen(f"{self.url}/api?{query}") as answer:
                visits += sum(json.load(answer)["response"][0].get("userAttributes", {}).values())
        return sends, visits

    def model(self) -> tuple[int, int]:
        had = Counter[bool]()
        for group in self.groups:
            had[group.is_send] += sum(map(len, group.got.values()))
        return had[True], had[False]


@contextmanager
def world(seed: int) -> Iterator[World]:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        users = [
            {"userId": user, "userAttributes": {}, "devices": [{"deviceId": f"d{user}"}]} for user in USERS
        ]
        messages = [
            {
                "message": {
                    "id": 100 + number,
                    "name": f"Message {number}",
                    "active": True,
                    "messageType": "Push Notification",
                    "delivery": "manual",
                }
            }
            for number in range(0, GROUPS, 2)
        ]
        (folder / "seed.ndjson").write_text(ndjson(*messages, *users))
        switches = emulator.Switches(duplicates="carry_out")
        with emulator.running(seeds=[folder / "seed.ndjson"], switches=switches) as running:
            patch.setenv("LEANPLUM_API_URL", running.url)
            for key, value in emulator.KEYS.items():
                patch.setenv(f"LEANPLUM_{key.upper()}_KEY", value)
            here = World(folder, running.url, random.Random(seed))
            here.groups = [
                Group(number, [here.delivery(set(here.draw.sample(USERS, 8)))]) for number in range(GROUPS)
            ]
            yield here


@pytest.mark.parametrize("seed", SEEDS)
def test_a_listed_rename_repeats_nothing_and_any_other_is_refused(seed: int) -> None:
    with world(seed) as here:
        here.apply(here.plan(), {})
        assert here.counted() == here.model()
        for _ in range(ROUNDS):
            for group in here.groups:
                renames = here.edit(group)
                if here.draw.random() < 0.8:
                    here.moves += [
                        (here.full_name(group, former), here.full_name(group, to)) for former, to in renames
                    ]
            step(here)
        print(f"{sum(here.edits.values())} edits: {dict(here.edits)}")  # noqa: T201 - the campaign's figure


def step(here: World) -> None:
    """Plan. What would be repeated is refused with its number; then it is acknowledged, or its renames are listed."""
    made, expected, before = here.plan(), here.expected(), here.counted()
    over = made.over_budget
    assert over.get("repeatedSends", 0) == expected.sends_again
    assert over.get("suspectedRename", 0) >= len(expected.incremented_again)
    if expected.sends_again or expected.incremented_again:
        with pytest.raises(HazardNotAllowedError):
            apply(made, recheck=Recheck.OFF, new_journal=True)
        assert here.counted() == before
        if here.draw.random() < 0.5:
            for group in here.groups:
                if any(here.again(group)):
                    here.moves += here.rename_again(group)
            made = here.plan()
            assert not made.over_budget
            over = {}
    here.apply(made, over)
    assert here.counted() == here.model()
    assert here.plan().is_empty
